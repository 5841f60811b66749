package org.tinybert.demo.apkcheck

import java.io.Closeable
import java.io.File
import java.io.FileNotFoundException
import java.io.InputStream
import java.util.zip.ZipEntry
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry
import org.apache.commons.compress.archivers.zip.ZipFile
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.BundleException
import org.tinybert.demo.core.BundleSource

/** Checks an APK. */
class ApkCheck(private val apk: File, private val requirements: Requirements) : Closeable {
    private val zip = ZipFile.builder().setFile(apk).get()
    private val entries = zip.entries.toList().sortedBy { it.name }

    override fun close() = zip.close()

    /** The entries of the APK, a line each: bytes in the APK, bytes, offset, name. */
    fun listing(): List<String> = entries.map { entry ->
        val how = if (entry.isStored) "stored" else "deflated"
        "%,12d %,12d  %-8s  at %,12d  %s"
            .format(entry.compressedSize, entry.size, how, entry.dataOffset, entry.name)
    }

    /** What is wrong with the APK, a sentence each; empty if nothing is. */
    fun problems(): List<String> =
        sizeProblems() + storageProblems() + abiProblems() + manifestProblems() + bundleProblems() +
            codeProblems()

    /** An APK for several ABIs may be larger: a store makes one for each of it. */
    private fun sizeProblems(): List<String> {
        if (requirements.abis.size > 1 || apk.length() <= MAX_BYTES) return emptyList()
        return listOf(
            "The APK has ${apk.length()} bytes, more than $MAX_BYTES. Export the bundle with one " +
                "length (--lengths) or with a smaller profile.",
        )
    }

    /** Models, libraries and the table of resources are read in place, so that they are stored. */
    private fun storageProblems(): List<String> = entries.flatMap { entry ->
        val alignment = when {
            entry.name.endsWith(".so") -> PAGE_BYTES
            entry.name.endsWith(".tflite") || entry.name == "resources.arsc" -> WORD_BYTES
            else -> return@flatMap emptyList()
        }
        val misplaced = entry.dataOffset % alignment
        listOfNotNull(
            "${entry.name} is compressed; it must be stored.".takeIf { !entry.isStored },
            "${entry.name} is $misplaced bytes off an alignment of $alignment; run zipalign -p 4."
                .takeIf { entry.isStored && misplaced != 0L },
        )
    }

    private fun abiProblems(): List<String> {
        val present = entries.map { it.name.split('/') }
            .filter { it.size == 3 && it[0] == "lib" && it[2] == LIBRARY }.map { it[1] }.toSet()
        return (requirements.abis - present).map { "lib/$it/$LIBRARY is missing." } +
            (present - requirements.abis).map { "lib/$it/ is not asked for." }
    }

    private fun manifestProblems(): List<String> {
        val process = ProcessBuilder("aapt", "dump", "xmltree", apk.path, "AndroidManifest.xml")
            .redirectErrorStream(true).start()
        val dump = process.inputStream.bufferedReader().readText()
        if (process.waitFor() != 0) return listOf("aapt cannot read AndroidManifest.xml: $dump")
        val elements = dump.lines().map { it.trim() }.filter { it.startsWith("E: ") }
        return elements.filter { it.startsWith("E: uses-permission") }
            .map { "AndroidManifest.xml asks for a permission ($it); the app needs none." }
    }

    private fun bundleProblems(): List<String> {
        val source = BundleAssets()
        if (source.names().isEmpty()) return emptyList()
        return try {
            Bundle.read(source, requirements.runtimeVersion)
            emptyList()
        } catch (failure: BundleException) {
            listOf("$BUNDLE_FOLDER: ${failure.message}")
        }
    }

    private fun codeProblems(): List<String> {
        val dex = readDex() ?: return listOf("classes.dex is missing.")
        return requirements.platforms.flatMap { (level, platform) ->
            dex.missing(platform).map { "The code refers to $it, which API $level has not." }
        }
    }

    /** The code of the APK; null if there is none. */
    fun readDex(): Dex? {
        val files = entries.filter { DEX.matches(it.name) }
        if (files.isEmpty()) return null
        return Dex(files.map { zip.getInputStream(it).readBytes().inputStream() })
    }

    private inner class BundleAssets : BundleSource {
        override fun names(): Set<String> =
            entries.map { it.name }.filter { it.startsWith(BUNDLE_FOLDER) }
                .map { it.removePrefix(BUNDLE_FOLDER) }.toSet()

        override fun open(name: String): InputStream {
            val entry = zip.getEntry(BUNDLE_FOLDER + name) ?: throw FileNotFoundException(name)
            return zip.getInputStream(entry)
        }
    }

    private companion object {
        const val MAX_BYTES = 25_000_000L
        const val PAGE_BYTES = 4096L
        const val WORD_BYTES = 4L
        const val LIBRARY = "libtensorflowlite_jni.so"
        const val BUNDLE_FOLDER = "assets/bundle/"
        val DEX = Regex("classes\\d*\\.dex")
    }
}

private val ZipArchiveEntry.isStored get() = method == ZipEntry.STORED
