package org.tinybert.demo.core

import java.io.File
import java.io.FileNotFoundException
import java.nio.MappedByteBuffer
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

class BundleSourceTest {
    @TempDir lateinit var folder: File

    private val bundle = TestBundle().seal()

    private fun zip(entries: Map<String, ByteArray>): File {
        val file = File(folder, "things.zip")
        ZipOutputStream(file.outputStream()).use { zip ->
            for ((name, bytes) in entries) {
                zip.putNextEntry(ZipEntry(name))
                zip.write(bytes)
                zip.closeEntry()
            }
        }
        return file
    }

    private fun assertRefused(message: String, read: () -> Unit) {
        val failure = assertThrows<BundleException>(message) { read() }
        assertTrue(message in failure.message!!, failure.message)
    }

    private fun assertReadable(source: BundleSource) {
        val read = Bundle.read(source, "2.16.1")
        assertEquals("things", read.info.name)
        val bytes = ByteArray(70_000)
        read.model("model_multi.tflite").get(bytes)
        assertArrayEquals(bundle.files["model_multi.tflite"], bytes)
        assertThrows<FileNotFoundException> { source.open("none.txt") }
    }

    @Test
    fun `a folder`() {
        for ((name, bytes) in bundle.files) File(folder, name).writeBytes(bytes)
        File(folder, "inner").mkdir()
        File(folder.parentFile, "outside.txt").writeText("secret")
        val source = FolderSource(folder)
        assertReadable(source)
        assertEquals(bundle.files.keys, source.names())
        assertThrows<FileNotFoundException> { source.open("../outside.txt") }
        assertThrows<FileNotFoundException> { source.open("inner") }
    }

    /** A folder that remembers what was found whole, and counts what is read. */
    private inner class Remembering : BundleSource by FolderSource(folder) {
        val known = HashSet<String>()
        val opened = ArrayList<String>()

        override fun open(name: String) = FolderSource(folder).open(name).also { opened += name }

        override fun isKnownWhole(sha256: String) = sha256 in known

        override fun rememberWhole(sha256: String) {
            known += sha256
        }
    }

    @Test
    fun `a model is mapped, and its hash computed once`() {
        for ((name, bytes) in bundle.files) File(folder, name).writeBytes(bytes)
        val source = Remembering()
        assertTrue(Bundle.read(source, "2.16.1").model() is MappedByteBuffer)
        assertTrue("model_multi.tflite" in source.opened)
        source.opened.clear()
        assertReadable(source)
        assertEquals(setOf("bundle.json", "vocab.txt", "labels.txt"), source.opened.toSet())
    }

    @Test
    fun `another bundle is not known, and a model that was cut is found`() {
        for ((name, bytes) in bundle.files) File(folder, name).writeBytes(bytes)
        val source = Remembering()
        val read = Bundle.read(source, "2.16.1")
        File(folder, "model_multi.tflite").writeBytes(ByteArray(69_999))
        assertRefused("model_multi.tflite is not the file") { read.model() }
        source.known.clear()
        assertRefused("model_multi.tflite has 69999 bytes") { Bundle.read(source, "2.16.1") }
        assertEquals(emptySet<String>(), source.known)
    }

    @Test
    fun `a zip is copied into a folder`() {
        val target = File(folder, "copy").apply { mkdir() }
        Bundle.read(ZipSource(zip(bundle.files)), "2.16.1").copyTo(target)
        assertReadable(FolderSource(target))
        assertEquals(bundle.files.keys, target.list()!!.toSet())
    }

    @Test
    fun `no folder, and an empty one`() {
        assertRefused("is no folder") { FolderSource(File(folder, "none")) }
        assertRefused("bundle.json is missing") { Bundle.read(FolderSource(folder), "2.16.1") }
    }

    @Test
    fun `a zip of the files, or of their folder`() {
        assertReadable(ZipSource(zip(bundle.files)))
        assertReadable(ZipSource(zip(bundle.files.mapKeys { "dynamic_int8/${it.key}" })))
        val mac =
            bundle.files.mapKeys { "things/${it.key}" } +
                ("__MACOSX/things/._vocab.txt" to ByteArray(9))
        assertReadable(ZipSource(zip(mac)))
    }

    @Test
    fun `a zip that is none, or cut, or holds no bundle`() {
        val none = File(folder, "none.zip")
        assertRefused("none.zip cannot be read as a zip") { ZipSource(none) }
        none.writeText("this is text")
        assertRefused("none.zip cannot be read as a zip") { ZipSource(none) }
        none.writeBytes(ByteArray(0))
        assertRefused("none.zip cannot be read as a zip") { ZipSource(none) }
        val whole = zip(bundle.files).readBytes()
        none.writeBytes(whole.copyOf(whole.size / 2))
        assertRefused("none.zip cannot be read as a zip") { ZipSource(none) }

        val empty = ZipSource(zip(mapOf("readme.txt" to ByteArray(1))))
        assertRefused("bundle.json is missing") { Bundle.read(empty, "2.16.1") }
    }

    @Test
    fun `every damaged byte of a zip is refused or harmless`() {
        val files = bundle.files + ("model.tflite" to ByteArray(0))
        val whole = zip(files - "model.tflite" - "model_multi.tflite").readBytes()
        val file = File(folder, "damaged.zip")
        for (position in whole.indices) {
            file.writeBytes(whole.clone().also { it[position] = (it[position] + 1).toByte() })
            try {
                Bundle.read(ZipSource(file), "2.16.1")
                throw AssertionError("a bundle without models was read")
            } catch (expected: BundleException) {
                assertTrue(expected.message!!.isNotEmpty())
            }
        }
    }

    @Test
    fun `a zip with an escaping entry`() {
        for (name in listOf("../evil.txt", "a/../../evil.txt", "/etc/evil", "..\\evil.txt")) {
            val file = zip(bundle.files + (name to ByteArray(1)))
            assertRefused("things.zip: the entry “$name” leads out of the zip") {
                ZipSource(file)
            }
        }
    }

    @Test
    fun `a zip of two bundles`() {
        val two = bundle.files.mapKeys { "a/${it.key}" } + bundle.files.mapKeys { "b/${it.key}" }
        assertRefused("holds 2 bundles, expected one") { ZipSource(zip(two)) }
    }

    @Test
    fun `a huge entry is not unpacked`() {
        val huge = ByteArray(32 shl 20)
        for (name in listOf("bundle.json", "vocab.txt", "model.tflite")) {
            val source = ZipSource(zip(bundle.files + (name to huge)))
            assertRefused("$name has more than") { Bundle.read(source, "2.16.1") }
        }
    }
}
