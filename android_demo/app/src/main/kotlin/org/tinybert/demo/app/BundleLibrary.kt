package org.tinybert.demo.app

import android.content.Context
import android.content.res.AssetManager
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.BundleSource
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.FolderSource
import org.tinybert.demo.core.TextModel
import org.tinybert.demo.core.ZipSource

/**
 * The bundles of the app: the one in its assets, and the one that the user picked last.
 *
 * Its functions read files: call them off the main thread.
 */
class BundleLibrary(private val context: Context, private val factory: EngineFactory) {
    private val stored = File(context.filesDir, "bundle")
    private val assets = AssetSource(context.assets)

    /** Whether the app was built with a bundle inside. */
    val hasBuiltIn: Boolean = assets.names().isNotEmpty()

    /**
     * The bundle that was picked, otherwise the one in the assets.
     *
     * @throws AppException if there is neither
     */
    fun current(): BundleSource = if (stored.exists()) storedSource() else builtIn()

    /**
     * Forgets the bundle that was picked.
     *
     * @throws AppException if the app has none of its own
     */
    fun useBuiltIn(): BundleSource {
        val source = builtIn()
        stored.deleteRecursively()
        return source
    }

    /**
     * Copies a bundle into the app, once it is known to run; the one before stays if it is refused.
     *
     * @throws AppException if it cannot be copied
     * @throws org.tinybert.demo.core.ProblemException if it is refused, or its model
     */
    fun import(uri: Uri): BundleSource {
        val picked = File(context.cacheDir, "picked.zip")
        val unpacked = File(context.cacheDir, "picked")
        try {
            copy(uri, picked)
            unpacked.deleteRecursively()
            unpack(picked, unpacked)
            val bundle = Bundle.read(FolderSource(unpacked), factory.runtimeVersion)
            TextModel.open(bundle, factory).close()
            stored.deleteRecursively()
            if (!unpacked.renameTo(stored)) throw notWritable()
        } finally {
            picked.delete()
            unpacked.deleteRecursively()
        }
        return storedSource()
    }

    private fun unpack(zip: File, folder: File) {
        val bundle = Bundle.read(ZipSource(zip), factory.runtimeVersion)
        try {
            if (!folder.mkdirs()) throw notWritable()
            bundle.copyTo(folder)
        } catch (failure: IOException) {
            throw unreadable(failure)
        }
    }

    private fun storedSource() = OnceChecked(FolderSource(stored), record("stored"))

    private fun builtIn(): BundleSource {
        if (!hasBuiltIn) throw AppException(R.string.no_bundle)
        return OnceChecked(assets, record("built_in"))
    }

    /** Android empties this folder when the app is updated, and so when its assets change. */
    private fun record(name: String) = File(context.codeCacheDir, "$name.checked")

    private fun copy(uri: Uri, target: File) {
        try {
            val input = context.contentResolver.openInputStream(uri)
                ?: throw FileNotFoundException(uri.toString())
            input.use { target.outputStream().use { output -> copyAtMost(input, output) } }
        } catch (failure: IOException) {
            throw unreadable(failure)
        } catch (failure: SecurityException) {
            // The app that offers the file may have withdrawn it.
            throw unreadable(failure)
        }
    }

    private fun copyAtMost(input: InputStream, output: OutputStream) {
        val chunk = ByteArray(CHUNK_BYTES)
        var total = 0L
        while (true) {
            val count = input.read(chunk)
            if (count < 0) return
            total += count
            if (total > MAX_MEGABYTES * 1_000_000L) {
                throw AppException(R.string.bundle_too_large, MAX_MEGABYTES)
            }
            output.write(chunk, 0, count)
        }
    }

    private fun notWritable() = AppException(R.string.storage_not_writable)

    private fun unreadable(failure: Exception) =
        AppException(R.string.bundle_unreadable, failure.message.orEmpty(), cause = failure)

    private companion object {
        const val CHUNK_BYTES = 1 shl 16
        const val MAX_MEGABYTES = 500
    }
}

/** The bundle in `assets/bundle/`. */
private class AssetSource(private val assets: AssetManager) : BundleSource {
    override fun names(): Set<String> = assets.list(FOLDER).orEmpty().toSet()

    override fun open(name: String): InputStream = assets.open("$FOLDER/$name")

    override fun map(name: String): ByteBuffer? =
        try {
            assets.openFd("$FOLDER/$name").use { file ->
                file.createInputStream().channel.use { channel ->
                    channel.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.length)
                        .order(ByteOrder.nativeOrder())
                }
            }
        } catch (_: FileNotFoundException) {
            // Compressed: there is nothing to map.
            null
        }

    private companion object {
        const val FOLDER = "bundle"
    }
}

/**
 * A source whose files only an installation or an import can change, so that their hashes are
 * computed once for each.
 *
 * @param record where the hash of the bundle that was found whole is written down
 */
private class OnceChecked(private val source: BundleSource, private val record: File) :
    BundleSource by source {
    override fun isKnownWhole(sha256: String) = try {
        record.readText() == sha256
    } catch (_: IOException) {
        false
    }

    override fun rememberWhole(sha256: String) = try {
        record.writeText(sha256)
    } catch (_: IOException) {
        // The next start computes them again.
    }
}
