package org.tinybert.demo.app

import android.content.res.AssetManager
import java.io.File
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import org.robolectric.RuntimeEnvironment

/** Puts the files of [bundle] into the assets of the app under test, as a build with one does. */
fun addToAssets(bundle: File) {
    val apk = File.createTempFile("assets", ".apk")
    apk.deleteOnExit()
    zip(bundle, apk, folder = "assets/bundle/")
    val addAssetPath = AssetManager::class.java.getMethod("addAssetPath", String::class.java)
    val cookie = addAssetPath.invoke(RuntimeEnvironment.getApplication().assets, apk.path)
    check(cookie != 0) { "Android did not take $apk." }
}

/** Zips the files of a folder. */
fun zip(source: File, target: File, folder: String = "") {
    ZipOutputStream(target.outputStream()).use { zip ->
        for (file in source.listFiles().orEmpty()) {
            zip.putNextEntry(ZipEntry(folder + file.name))
            file.inputStream().use { it.copyTo(zip) }
            zip.closeEntry()
        }
    }
}
