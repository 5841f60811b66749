package org.tinybert.demo.device

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import kotlin.random.Random
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.tinybert.demo.app.TensorFlowLiteEngineFactory
import org.tinybert.demo.core.Engine
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.TextClassifier

/** Mistakes, the end of an engine, many engines: on the AAR's native library. */
class TensorFlowLiteEngineTest {
    private val factory = TensorFlowLiteEngineFactory
    private val bundle = readBundle(testBundle("classification_bundle"))
    private val model = File(testBundle("classification_bundle"), "model.tflite").readBytes()
    private val zeros = IntArray(LENGTH)

    @Test
    fun `what is no model is refused`() {
        val files = listOf(Random(0).nextBytes(5000), ByteArray(8), model.copyOf(model.size / 2))
        for (bytes in files) {
            val failure = assertThrows<EngineException> { factory.create(direct(bytes)) }
            assertStartsWith("TensorFlow Lite refuses the model: ", failure)
        }
    }

    @Test
    fun `it says its signatures and runs them`() = withEngine {
        assertEquals(mapOf("serving_default" to LENGTH), it.signatures)
        assertEquals(3, it.probabilities().size)
    }

    @Test
    fun `an unknown signature is refused`() = withEngine {
        val failure = assertThrows<EngineException> { it.run("length_32", zeros, zeros, zeros) }
        assertStartsWith("TensorFlow Lite failed to run the model: ", failure)
        assertTrue("length_32" in failure.message!!, failure.message)
    }

    @Test
    fun `inputs of another length are refused`() = withEngine {
        val short = IntArray(LENGTH / 2)
        assertThrows<EngineException> { it.run("serving_default", short, short, short) }
        assertEquals(3, it.probabilities().size)
    }

    @Test
    fun `an id outside the vocabulary is refused, and the next run is right`() = withEngine {
        val before = it.probabilities()
        val ids = IntArray(LENGTH) { 1_000_000 }
        assertThrows<EngineException> { it.run("serving_default", ids, zeros, zeros) }
        assertEquals(before.toList(), it.probabilities().toList())
    }

    @Test
    fun `a closed engine says so, however often it is closed`() {
        val engine = factory.create(direct(model))
        repeat(2) { engine.close() }
        val failure =
            assertThrows<EngineException> { engine.run("serving_default", zeros, zeros, zeros) }
        assertTrue("closed" in failure.message!!, failure.message)
    }

    @Test
    fun `opened two hundred times it takes no more memory`() {
        fun reopen(times: Int) = repeat(times) {
            TextClassifier.open(bundle, factory).use { classifier ->
                classifier.classify(listOf("a good film"))
            }
        }
        reopen(REOPENINGS / 2)
        val before = residentKilobytes()
        reopen(REOPENINGS)
        val growth = residentKilobytes() - before
        println("$REOPENINGS reopenings: $growth kB")
        // A leak of one model alone would be 22 MB.
        assertTrue(growth < 15_000, "$growth kB more after $REOPENINGS reopenings")
    }

    @Test
    fun `engines of several threads do not disturb each other`() {
        val texts = listOf("good", "a bad film", "the story of a small town")
        fun scores(): List<Float> = TextClassifier.open(bundle, factory).use {
            texts.flatMap { text -> it.classify(listOf(text)).scores.map { label -> label.score } }
        }
        val expected = scores()
        val pool = Executors.newFixedThreadPool(4)
        try {
            val results = pool.invokeAll(List(40) { Callable { scores() } }).map { it.get() }
            assertEquals(setOf(expected), results.toSet())
        } finally {
            pool.shutdown()
        }
    }

    private fun Engine.probabilities(): FloatArray =
        run("serving_default", zeros, zeros, zeros).getValue("probability")

    private fun withEngine(test: (Engine) -> Unit) = factory.create(direct(model)).use(test)

    private fun direct(bytes: ByteArray): ByteBuffer =
        ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).apply {
            put(bytes)
            rewind()
        }

    private fun residentKilobytes(): Int {
        System.gc()
        val line = File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }
        return line.filter { it.isDigit() }.toInt()
    }

    private fun assertStartsWith(start: String, failure: EngineException) =
        assertTrue(failure.message!!.startsWith(start), failure.message)

    private companion object {
        const val LENGTH = 32
        const val REOPENINGS = 200
    }
}
