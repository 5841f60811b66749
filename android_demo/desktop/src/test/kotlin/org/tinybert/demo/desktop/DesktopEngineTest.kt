package org.tinybert.demo.desktop

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.random.Random
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.BundleException
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.FolderSource
import org.tinybert.demo.core.Problem
import org.tinybert.demo.core.TextClassifier

class DesktopEngineTest {
    @TempDir lateinit var folder: File

    private val factory = DesktopEngineFactory()

    private fun read(bundle: File) = Bundle.read(FolderSource(bundle), factory.runtimeVersion)

    private fun direct(bytes: ByteArray): ByteBuffer =
        ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).apply {
            put(bytes)
            rewind()
        }

    /** Every output of golden.json within 1e-3, and the same tokens. */
    private fun assertGolden(folder: File) {
        val bundle = read(folder)
        for (model in bundle.models) {
            val check = GoldenCheck.run(bundle, factory, model)
            assertEquals(emptyList<List<String>>(), check.others, "$folder")
            assertTrue(
                check.largestDifference <= 1e-3f,
                "$folder, $model: ${check.largestDifference}",
            )
            assertTrue(check.examples >= 8)
        }
    }

    @Test
    fun `single texts in several lengths are classified as in Python`() =
        assertGolden(resource("classification_bundle"))

    @Test
    fun `pairs get the score that they have in Python`() =
        assertGolden(resource("pair_regression_bundle"))

    @Test
    fun `texts are read as a tokenizer with settings reads them`() =
        assertGolden(resource("keeping_bundle"))

    @Test
    fun `questions get the answers that they have in Python`() =
        assertGolden(resource("span_bundle"))

    @Test
    fun `bundles of the project's own runs`() {
        val bundles =
            File("../../runs")
                .listFiles()
                .orEmpty()
                .flatMap { File(it, "bundle").listFiles().orEmpty().toList() }
                .filter { File(it, "bundle.json").isFile }
        assumeTrue(bundles.isNotEmpty(), "needs bundles in runs/*/bundle, which an export makes")
        bundles.forEach { assertGolden(it) }
    }

    @Test
    fun `the outputs of random weights differ between texts and labels`() {
        TextClassifier.open(read(resource("classification_bundle")), factory).use {
            val scores =
                listOf("good", "bad thing").map { text -> it.classify(listOf(text)).scores }
            for (score in scores) assertEquals(1.0, score.sumOf { it.score.toDouble() }, 1e-5)
            assertEquals(6, scores.flatten().map { it.score }.toSet().size)
        }
    }

    @Test
    fun `the runtime says which it is`() {
        assertTrue(Regex("2\\.\\d+\\.\\d+").matches(factory.runtimeVersion), factory.runtimeVersion)
    }

    @Test
    fun `what is no model is refused`() {
        val model = resource("classification_bundle/model_multi.tflite").readBytes()
        val files = listOf(Random(0).nextBytes(5000), ByteArray(8), model.copyOf(model.size / 2))
        for (bytes in files) {
            val failure = assertThrows<EngineException> { factory.create(direct(bytes)) }
            assertEquals(Problem.MODEL_REFUSED, failure.problem)
        }
    }

    @Test
    fun `a signature that the model does not have is refused`() {
        val model = resource("classification_bundle/model.tflite").readBytes()
        factory.create(direct(model)).use { engine ->
            assertEquals(mapOf("serving_default" to 32), engine.signatures)
            val inputs = IntArray(32)
            assertThrows<EngineException> { engine.run("length_32", inputs, inputs, inputs) }
            assertEquals(3, engine.run("serving_default", inputs, inputs, inputs)["probability"]!!.size)
        }
    }

    @Test
    fun `a vocabulary that is larger than the model's is refused when it is opened`() {
        val bundle =
            changedBundle(resource("classification_bundle"), folder) { copy ->
                File(copy, "vocab.txt").appendText("one-more\n")
                val json = JSONObject(File(copy, "bundle.json").readText())
                val tokenizer = json.getJSONObject("tokenizer")
                tokenizer.put("vocabulary_size", tokenizer.getInt("vocabulary_size") + 1)
                File(copy, "bundle.json").writeText(json.toString())
            }
        assertThrows<EngineException> { TextClassifier.open(read(bundle), factory) }
    }

    @Test
    fun `labels that are more than the model's outputs are refused when it is opened`() {
        val bundle =
            changedBundle(resource("classification_bundle"), folder) { copy ->
                File(copy, "labels.txt").appendText("one more\n")
                val json = JSONObject(File(copy, "bundle.json").readText())
                json.getJSONArray("labels").put("one more")
                File(copy, "bundle.json").writeText(json.toString())
            }
        val failure =
            assertThrows<BundleException> {
                TextClassifier.open(read(bundle), factory)
            }
        assertTrue("has the outputs {probability=3}, bundle.json says {probability=4}" in failure.message!!, failure.message)
    }
}
