package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class RuntimeVersionTest {
    @Test
    fun `tells LiteRT, which counts anew, from TensorFlow Lite`() {
        val names =
            mapOf(
                "2.9.0" to "TensorFlow Lite 2.9.0",
                "2.16.1" to "TensorFlow Lite 2.16.1",
                "2.20.0-dev" to "TensorFlow Lite 2.20.0",
                "1.0.1" to "LiteRT 1.0.1",
                "1.4.2" to "LiteRT 1.4.2",
                "2.1.5" to "LiteRT 2.1.5",
            )
        for ((runtime, name) in names) assertEquals(name, "${RuntimeVersion.of(runtime)}")
    }

    @Test
    fun `is newer by its numbers, and as LiteRT newer than any TensorFlow Lite`() {
        val ordered =
            listOf("2.9.0", "2.9.1", "2.16.1", "2.17.0", "1.0.1", "1.1.2", "1.4.2", "2.1.5")
                .map { RuntimeVersion.of(it) }
        assertEquals(ordered, ordered.shuffled(java.util.Random(0)).sorted())
        assertTrue(RuntimeVersion.liteRt("1.1.2") > RuntimeVersion.tensorFlowLite("2.20.0"))
        assertEquals(0, RuntimeVersion.of("1.4.2").compareTo(RuntimeVersion.liteRt("1.4.2")))
    }

    @Test
    fun `refuses what is no version`() {
        for (text in listOf("newest", "2.9", "", "a.b.c")) {
            assertThrows<BundleException> { RuntimeVersion.of(text) }
        }
    }
}
