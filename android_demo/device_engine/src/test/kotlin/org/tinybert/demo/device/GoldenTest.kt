package org.tinybert.demo.device

import java.io.File
import kotlin.math.abs
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import org.tinybert.demo.app.TensorFlowLiteEngineFactory
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.TextClassifier
import org.tinybert.demo.desktop.GoldenCheck

/** The examples of golden.json, which Python ran, through the app's engine. */
class GoldenTest {
    @Test
    fun `it is the AAR's library`() =
        assertEquals("2.16.1", TensorFlowLiteEngineFactory.runtimeVersion)

    @Test fun `texts in several lengths`() = assertGolden(testBundle("classification_bundle"))

    @Test fun `pairs and a score`() = assertGolden(testBundle("pair_regression_bundle"))

    @Test fun `a tokenizer with settings`() = assertGolden(testBundle("keeping_bundle"))

    @Test
    fun questions() {
        val bundle = readBundle(testBundle("span_bundle"))
        for (model in bundle.models) {
            val factory = TensorFlowLiteEngineFactory
            val check = GoldenCheck.run(bundle, factory, model, LOGIT_TOLERANCE)
            println("span_bundle, $model: largest difference %.1e".format(check.largestDifference))
            assertTrue(check.largestDifference <= LOGIT_TOLERANCE, "${check.largestDifference}")
            assertEquals(emptyList<List<String>>(), check.others)
        }
    }

    @Test
    fun `float32 of real size`() = assertGolden(realBundle("float32"))

    @Test
    fun `int8 of real size`() = assertGolden(realBundle("dynamic_int8"))

    private fun realBundle(profile: String): File {
        val folder = File(System.getProperty("bundles"), profile)
        assumeTrue(folder.isDirectory, "$folder is not there: tools/make_benchmark_bundles.py")
        return folder
    }

    /** The same tokens and labels, and outputs that differ by what [tolerance] allows at most. */
    private fun assertGolden(folder: File) {
        val bundle = readBundle(folder)
        for (model in bundle.models) {
            val difference = largestDifference(bundle, model)
            println("${folder.name}, $model: largest difference %.1e".format(difference))
            assertTrue(difference <= tolerance(bundle), "$folder, $model: $difference")
        }
    }

    private fun largestDifference(bundle: Bundle, model: String): Float =
        TextClassifier.open(bundle, TensorFlowLiteEngineFactory, model).use {
            bundle.golden().maxOf { example ->
                val classification = it.classify(example.texts)
                val tokens = example.tokenIds.map { id -> bundle.vocabulary.token(id) }
                assertEquals(tokens, classification.tokens)
                val expected = example.outputs.getValue(model)
                val actual = classification.scores.map { label -> label.score }.toFloatArray()
                if (isDecided(expected, tolerance(bundle))) {
                    assertEquals(best(expected), best(actual), "label of ${example.texts}")
                }
                expected.indices.maxOf { i -> abs(actual[i] - expected[i]) }
            }
        }

    /** Two labels closer than what both may differ by have no better one. */
    private fun isDecided(scores: FloatArray, tolerance: Float): Boolean {
        val sorted = scores.sortedDescending()
        return sorted.size > 1 && sorted[0] - sorted[1] > 2 * tolerance
    }

    private fun best(scores: FloatArray) = scores.indices.maxByOrNull { scores[it] }

    private companion object {
        /** A hundredth of the range of the logits, which is from -5 to 5. */
        const val LOGIT_TOLERANCE = 0.1f
    }

    /** Runtimes add in another order; what is rounded to int8 may then be rounded the other way. */
    private fun tolerance(bundle: Bundle) =
        if (bundle.info.quantization.activations == "float32") 1e-5f else 5e-3f
}
