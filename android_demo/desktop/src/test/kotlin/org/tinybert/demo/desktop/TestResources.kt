package org.tinybert.demo.desktop

import java.io.File
import java.security.MessageDigest
import org.json.JSONObject

/** A file or folder of the tests' resources. */
fun resource(name: String): File = File("src/test/resources", name)

/** Copies a bundle, lets a test change its files, and makes it whole again. */
fun changedBundle(original: File, copy: File, change: (File) -> Unit): File {
    original.copyRecursively(copy, overwrite = true)
    change(copy)
    val json = JSONObject(File(copy, "bundle.json").readText())
    val files = json.getJSONObject("files")
    for (name in files.keySet()) {
        val bytes = File(copy, name).readBytes()
        files.getJSONObject(name).put("bytes", bytes.size).put("sha256", sha256(bytes))
    }
    val zeros = "0".repeat(64)
    val text = json.put("sha256", zeros).toString()
    File(copy, "bundle.json").writeText(text.replace(zeros, sha256(text.toByteArray())))
    return copy
}

private fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
