package org.tinybert.demo.app

import android.content.Context
import android.content.res.AssetManager
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.BundleException
import org.tinybert.demo.core.BundleSource
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.TextClassifier
import org.tinybert.demo.core.ZipSource

/**
 * The bundles of the app: the one in its assets, and the one that the user picked last.
 *
 * Its functions read files: call them off the main thread.
 */
class BundleLibrary(private val context: Context, private val factory: EngineFactory) {
    private val stored get() = File(context.filesDir, "bundle.zip")
    private val assets = AssetSource(context.assets)

    /** Whether the app was built with a bundle inside. */
    val hasBuiltIn: Boolean = assets.names().isNotEmpty()

    /**
     * The bundle that was picked, otherwise the one in the assets.
     *
     * @throws BundleException if there is neither
     */
    fun current(): BundleSource = if (stored.exists()) ZipSource(stored) else builtIn()

    /**
     * Forgets the bundle that was picked.
     *
     * @throws BundleException if the app has none of its own
     */
    fun useBuiltIn(): BundleSource {
        val source = builtIn()
        stored.delete()
        return source
    }

    /**
     * Copies a bundle into the app, once it is known to run; the one before stays if it is refused.
     *
     * @throws BundleException if it cannot be read or is refused
     * @throws org.tinybert.demo.core.EngineException if the runtime refuses its model
     */
    fun import(uri: Uri): BundleSource {
        val picked = File(context.cacheDir, "picked.zip")
        try {
            copy(uri, picked)
            val bundle = Bundle.read(ZipSource(picked), factory.runtimeVersion)
            TextClassifier.open(bundle, factory, threads = 1).close()
            if (!picked.renameTo(stored)) throw unreadable("the app's storage is not writable")
        } finally {
            picked.delete()
        }
        return ZipSource(stored)
    }

    private fun builtIn(): BundleSource {
        if (!hasBuiltIn) throw BundleException(context.getString(R.string.no_bundle))
        return assets
    }

    private fun copy(uri: Uri, target: File) {
        try {
            val input = context.contentResolver.openInputStream(uri)
                ?: throw FileNotFoundException(uri.toString())
            input.use { target.outputStream().use { output -> copyAtMost(input, output) } }
        } catch (failure: IOException) {
            throw unreadable(failure.message)
        } catch (failure: SecurityException) {
            // The app that offers the file may have withdrawn it.
            throw unreadable(failure.message)
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
                throw BundleException(context.getString(R.string.bundle_too_large, MAX_MEGABYTES))
            }
            output.write(chunk, 0, count)
        }
    }

    private fun unreadable(reason: String?) =
        BundleException(context.getString(R.string.bundle_unreadable, reason.orEmpty()))

    private companion object {
        const val CHUNK_BYTES = 1 shl 16
        const val MAX_MEGABYTES = 500
    }
}

/** The bundle in `assets/bundle/`. */
private class AssetSource(private val assets: AssetManager) : BundleSource {
    override fun names(): Set<String> = assets.list(FOLDER).orEmpty().toSet()

    override fun open(name: String): InputStream = assets.open("$FOLDER/$name")

    private companion object {
        const val FOLDER = "bundle"
    }
}
