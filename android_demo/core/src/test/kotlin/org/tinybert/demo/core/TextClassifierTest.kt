package org.tinybert.demo.core

import kotlin.math.E
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class TextClassifierTest {
    private val signatures = TestBundle().signatures.getValue("model_multi.tflite")

    private fun output(json: JSONObject): JSONObject = json.getJSONArray("outputs").getJSONObject(0)

    private fun engine(vararg values: Float) = FakeEngine(signatures) { probabilities(*values) }

    private fun pairBundle(): Bundle =
        TestBundle()
            .apply { setTask("classification", 2, listOf("no", "yes"), "probability") }
            .seal()
            .read()

    @Test
    fun `a short text runs in the shortest signature, padded and masked`() {
        val engine = engine(0.25f, 0.75f)
        val result =
            TextClassifier(TestBundle().seal().read(), engine).classify(listOf("Goodly, bad"))
        val run = engine.runs.last()
        assertEquals("length_8", run.signature)
        assertEquals(listOf(2, 4, 6, 7, 5, 3, 0, 0), run.ids)
        assertEquals(List(8) { 0 }, run.segmentIds)
        assertEquals(List(6) { 1 } + List(2) { 0 }, run.mask)
        assertEquals(
            listOf("negative" to 0.25f, "positive" to 0.75f),
            result.scores.map { it.label to it.score },
        )
        assertEquals(listOf("[CLS]", "good", "##ly", ",", "bad", "[SEP]"), result.tokens)
        assertEquals(8, result.signatureLength)
        assertFalse(result.isTruncated)
        assertTrue(result.nanoseconds > 0)
    }

    @Test
    fun `texts are read as the bundle's tokenizer says`() {
        fun tokens(bundle: Bundle) =
            TextClassifier(bundle, engine(0.5f, 0.5f)).classify(listOf("Góod xgood BADly")).tokens

        val plain = listOf("[CLS]", "good", "[UNK]", "bad", "##ly", "[SEP]")
        assertEquals(plain, tokens(TestBundle().seal().read()))
        val other = listOf("[CLS]", "[UNK]", "[UNK]", "good", "bad", "[UNK]", "[SEP]")
        assertEquals(other, tokens(TestBundle().apply { keepAccents() }.seal().read()))
    }

    @Test
    fun `the signature grows with the text, and the longest truncates`() {
        val engine = engine(0.5f, 0.5f)
        val classifier = TextClassifier(TestBundle().seal().read(), engine)
        for (words in 0..20) {
            val result = classifier.classify(listOf("good ".repeat(words)))
            assertEquals(if (words <= 6) 8 else 16, result.signatureLength)
            assertEquals(minOf(words, 14) + 2, engine.runs.last().mask.sum())
            assertEquals(words > 14, result.isTruncated)
        }
    }

    @Test
    fun `pairs have two segments`() {
        val engine = engine(0.5f, 0.5f)
        val classifier = TextClassifier(pairBundle(), engine)
        classifier.classify(listOf("good", "bad bad"))
        assertEquals(listOf(2, 4, 3, 5, 5, 3, 0, 0), engine.runs.last().ids)
        assertEquals(listOf(0, 0, 0, 1, 1, 1, 0, 0), engine.runs.last().segmentIds)
        assertThrows<IllegalArgumentException> { classifier.classify(listOf("good")) }
    }

    @Test
    fun `applies a softmax only if the model has none`() {
        val logits = floatArrayOf(1000f, 1001f)
        val bare = TestBundle().apply { output(json).put("activation", "none") }.seal().read()
        val scores = TextClassifier(bare, engine(*logits)).classify(listOf("good")).scores
        assertEquals(1 / (1 + E), scores[0].score.toDouble(), 1e-6)
        assertEquals(E / (1 + E), scores[1].score.toDouble(), 1e-6)

        val finished = TextClassifier(TestBundle().seal().read(), engine(*logits))
        assertEquals(logits.toList(), finished.classify(listOf("good")).scores.map { it.score })
    }

    @Test
    fun `a regression has one score, as it is`() {
        val bundle =
            TestBundle()
                .apply {
                    setTask("regression", 2, listOf(), "score")
                    output(json).put("activation", "none")
                }
                .seal()
                .read()
        val scores = TextClassifier(bundle, FakeEngine(signatures) { mapOf("score" to floatArrayOf(3.5f)) })
                .classify(listOf("good", "bad")).scores
        assertEquals(listOf("score" to 3.5f), scores.map { it.label to it.score })
    }

    @Test
    fun `refuses a model of other outputs or signatures`() {
        val bundle = TestBundle().seal().read()
        val outputs =
            assertThrows<BundleException> { TextClassifier(bundle, engine(0.2f, 0.3f, 0.5f)) }
        assertTrue(
            "has the outputs {probability=3}, bundle.json says {probability=2}" in outputs.message!!,
            outputs.message,
        )
        val other = FakeEngine(mapOf("length_8" to 8)) { probabilities(0.5f, 0.5f) }
        val signatures = assertThrows<BundleException> { TextClassifier(bundle, other) }
        assertTrue("has the signatures {length_8=8}" in signatures.message!!, signatures.message)
        TextClassifier(
            bundle,
            FakeEngine(mapOf("serving_default" to 16)) { probabilities(0f, 1f) },
            "model.tflite",
        )
    }

    @Test
    fun `tries the vocabulary's last id at once`() {
        val engine = engine(0.5f, 0.5f)
        TextClassifier(TestBundle().seal().read(), engine)
        assertEquals(listOf(2, 7, 3, 0, 0, 0, 0, 0), engine.runs.single().ids)
    }

    @Test
    fun `closes the engine of a model that it refuses`() {
        val factory = FakeFactory { probabilities(1f) }
        assertThrows<BundleException> {
            TextClassifier.open(TestBundle().seal().read(), factory)
        }
        assertTrue(factory.engines.single().isClosed)
    }

    @Test
    fun `no number is an error, not a result`() {
        var value = 0.5f
        val engine = FakeEngine(signatures) { probabilities(value, 0.5f) }
        val classifier = TextClassifier(TestBundle().seal().read(), engine)
        value = Float.NaN
        assertThrows<EngineException> { classifier.classify(listOf("good")) }
    }

    @Test
    fun `any text has a result`() {
        val classifier = TextClassifier(TestBundle().seal().read(), engine(0.5f, 0.5f))
        val long = listOf("x".repeat(1 shl 20), "good ".repeat(1 shl 18))
        for (text in listOf("", " \n", "\uD800", "good \uDC00", "\u0000") + long) {
            val result = classifier.classify(listOf(text))
            assertEquals(2, result.scores.size)
            assertEquals(text.length == 5 shl 18, result.isTruncated)
        }
    }
}
