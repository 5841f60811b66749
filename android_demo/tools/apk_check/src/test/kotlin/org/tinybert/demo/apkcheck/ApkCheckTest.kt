package org.tinybert.demo.apkcheck

import java.io.File
import java.nio.file.Path
import java.util.zip.CRC32
import java.util.zip.ZipEntry
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** A whole APK has no problem, and each way to spoil it is found. */
class ApkCheckTest {
    @TempDir
    lateinit var folder: Path

    private val requirements = Requirements.read(setOf("arm64-v8a"))

    @Test
    fun `finds no problem in a whole APK`() {
        assertEquals(none, problems(apk()))
    }

    @Test
    fun `finds a compressed model`() =
        assertOnly("assets/model.tflite is compressed", problems(apk(compressed = MODEL)))

    @Test
    fun `finds a compressed library`() =
        assertOnly("$LIBRARY is compressed", problems(apk(compressed = LIBRARY)))

    @Test
    fun `finds an unaligned library`() =
        assertOnly("off an alignment of 4096", problems(apk(alignment = "4")))

    @Test
    fun `finds an unaligned model`() {
        val unaligned = apk(alignment = null, extra = mapOf("assets/ab.txt" to ByteArray(1)))
        val message = Regex("$MODEL is \\d bytes off an alignment of 4;")
        assertTrue(problems(unaligned).any { message.containsMatchIn(it) })
    }

    @Test
    fun `finds a missing library`() =
        assertOnly("$LIBRARY is missing", problems(apk(library = null)))

    @Test
    fun `finds a library of an ABI that was not asked for`() {
        val other = "lib/x86/libtensorflowlite_jni.so"
        assertOnly("lib/x86/ is not asked for", problems(apk(extra = mapOf(other to ByteArray(9)))))
    }

    @Test
    fun `finds a permission`() {
        val element = """<uses-permission android:name="android.permission.INTERNET"/>"""
        assertOnly("asks for a permission", problems(apk(manifest = element)))
    }

    @Test
    fun `finds a size above 25 MB`() {
        val large = apk(extra = mapOf("assets/large.so" to ByteArray(25_000_000)))
        assertOnly("more than 25000000", problems(large))
    }

    @Test
    fun `finds code that does not run on API 26`() {
        val code = "invoke-virtual {v0}, Landroid/view/View;->isScreenReaderFocusable()Z"
        assertOnly("isScreenReaderFocusable()Z, which API 26 has not", problems(apk(code = code)))
    }

    @Test
    fun `finds that there is no code`() =
        assertOnly("classes.dex is missing", problems(apk(code = null)))

    @Test
    fun `finds a damaged bundle`() {
        val bundle = mapOf("assets/bundle/bundle.json" to "{}".toByteArray())
        assertOnly("assets/bundle/: bundle.json", problems(apk(extra = bundle)))
    }

    private val none = emptyList<String>()

    private fun assertOnly(message: String, problems: List<String>) {
        assertEquals(1, problems.size, "$problems")
        assertTrue(message in problems.single(), problems.single())
    }

    private fun problems(apk: File): List<String> =
        ApkCheck(apk, requirements).use { it.problems() }

    /** Builds an APK; [alignment] are the options of zipalign, null for none. */
    private fun apk(
        compressed: String? = null,
        library: String? = LIBRARY,
        manifest: String = "",
        code: String? = "nop",
        extra: Map<String, ByteArray> = emptyMap(),
        alignment: String? = "-p 4",
    ): File {
        val entries = LinkedHashMap<String, ByteArray>(extra)
        entries[MODEL] = ByteArray(1000)
        if (library != null) entries[library] = ByteArray(1000)
        if (code != null) entries["classes.dex"] = assemble(folder.toFile(), code).readBytes()
        entries["AndroidManifest.xml"] = binaryManifest(manifest)
        val apk = file("unaligned.apk")
        ZipOutputStream(apk.outputStream()).use { zip ->
            for ((name, bytes) in entries) {
                zip.putNextEntry(entry(name, bytes, isStored = name != compressed))
                zip.write(bytes)
                zip.closeEntry()
            }
        }
        if (alignment == null) return apk
        val aligned = file("aligned.apk")
        run("zipalign -f $alignment $apk $aligned")
        return aligned
    }

    private fun entry(name: String, bytes: ByteArray, isStored: Boolean) = ZipEntry(name).apply {
        if (!isStored) return@apply
        method = ZipEntry.STORED
        size = bytes.size.toLong()
        crc = CRC32().apply { update(bytes) }.value
    }

    private fun binaryManifest(element: String): ByteArray {
        val source = file("AndroidManifest.xml")
        source.writeText(
            """
            <manifest package="t" xmlns:android="http://schemas.android.com/apk/res/android">
                $element
            </manifest>
            """.trim(),
        )
        val apk = file("manifest.apk")
        run("aapt package -f -M $source -I ${System.getProperty("android.resources")} -F $apk")
        return ZipFile(apk).use { zip ->
            zip.getInputStream(zip.getEntry("AndroidManifest.xml")).readBytes()
        }
    }

    private fun file(name: String): File = folder.resolve(name).toFile()

    private fun run(command: String) {
        val process = ProcessBuilder(command.split(' ')).redirectErrorStream(true).start()
        val output = process.inputStream.bufferedReader().readText()
        check(process.waitFor() == 0) { "$command: $output" }
    }

    private companion object {
        const val MODEL = "assets/model.tflite"
        const val LIBRARY = "lib/arm64-v8a/libtensorflowlite_jni.so"
    }
}
