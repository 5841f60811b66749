package org.tinybert.demo.core

import java.io.File
import java.io.FileNotFoundException
import java.io.FilterInputStream
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import java.util.zip.ZipFile

/** Where the files of a bundle come from: a folder, a zip, the assets of an app. */
interface BundleSource {
    /** The names of the files, without a folder. */
    fun names(): Set<String>

    /**
     * Opens a file from its beginning; the caller closes it.
     *
     * @throws FileNotFoundException if there is no such file
     * @throws IOException if it cannot be read
     */
    fun open(name: String): InputStream

    /**
     * Maps a file into memory, in native byte order; null where its bytes are not stored as they
     * are, such as in a zip that compresses.
     *
     * @throws IOException if it cannot be read
     */
    fun map(name: String): ByteBuffer? = null

    /** Whether the files of a bundle were found whole before, and cannot have changed since. */
    fun isKnownWhole(sha256: String): Boolean = false

    /** Called when every file has the hash that a bundle.json with the hash [sha256] gives. */
    fun rememberWhole(sha256: String) = Unit
}

/** A bundle in a folder. @throws BundleException if there is no such folder */
class FolderSource(private val folder: File) : BundleSource {
    init {
        if (!folder.isDirectory) {
            throw BundleException(Problem.NO_FOLDER, folder)
        }
    }

    override fun names(): Set<String> =
        folder.listFiles().orEmpty().filter { it.isFile }.map { it.name }.toSet()

    override fun open(name: String): InputStream {
        if (name !in names()) throw FileNotFoundException("There is no $name in $folder.")
        return File(folder, name).inputStream()
    }

    override fun map(name: String): ByteBuffer =
        File(folder, name).inputStream().channel.use {
            it.map(FileChannel.MapMode.READ_ONLY, 0, it.size()).order(ByteOrder.nativeOrder())
        }
}

/**
 * A bundle in a zip file: its files, or one folder with its files.
 *
 * Nothing is unpacked to the disk, so its models are copied into memory to run.
 *
 * @throws BundleException if the file is no zip, or has entries that no bundle has
 */
class ZipSource(private val file: File) : BundleSource {
    /** The name of the entry of each file. */
    private val entries: Map<String, String>

    init {
        val names =
            try {
                ZipFile(file).use { zip -> zip.entries().asSequence().map { it.name }.toList() }
            } catch (failure: IOException) {
                throw notReadable(failure)
            } catch (failure: IllegalArgumentException) {
                // Names that are not UTF-8, in some versions of the library.
                throw notReadable(failure)
            }
        names
            .firstOrNull { leavesItsFolder(it) }
            ?.let { throw BundleException(Problem.ZIP_LEADS_OUT, file.name, it) }
        val folders =
            names
                .filter { it.substringAfterLast('/') == BUNDLE_JSON }
                .map { it.removeSuffix(BUNDLE_JSON) }
        if (folders.size > 1) {
            throw BundleException(Problem.ZIP_OF_SEVERAL, file.name, folders.size)
        }
        val folder = folders.firstOrNull().orEmpty()
        entries =
            names
                .filter { it.startsWith(folder) && it.indexOf('/', folder.length) < 0 }
                .associateBy { it.removePrefix(folder) }
    }

    override fun names(): Set<String> = entries.keys

    override fun open(name: String): InputStream {
        val absent = FileNotFoundException("There is no $name in ${file.name}.")
        val entryName = entries[name] ?: throw absent
        val zip = ZipFile(file)
        try {
            val entry = zip.getEntry(entryName) ?: throw absent
            return object : FilterInputStream(zip.getInputStream(entry)) {
                override fun close() = zip.close()
            }
        } catch (failure: Throwable) {
            zip.close()
            throw failure
        }
    }

    private fun notReadable(failure: Exception) =
        BundleException(Problem.ZIP_UNREADABLE, file.name, failure.message, cause = failure)

    private fun leavesItsFolder(name: String): Boolean =
        name.startsWith('/') || '\\' in name || ".." in name.split('/')
}
