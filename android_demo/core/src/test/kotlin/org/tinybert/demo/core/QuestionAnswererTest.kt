package org.tinybert.demo.core

import java.io.File
import org.json.JSONArray
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class QuestionAnswererTest {
    private val signatures = TestBundle().signatures.getValue("model_multi.tflite")

    /** The logit of `[CLS]`, first and last of no answer. */
    private var noAnswer = 0f

    /** An answer begins with `good` and ends with `bad`. */
    private val engine =
        FakeEngine(signatures) { ids ->
            fun logits(wanted: Int) =
                FloatArray(ids.size) { if (it == 0) noAnswer else if (ids[it] == wanted) 5f else 0f }
            mapOf("start_logits" to logits(4), "end_logits" to logits(5))
        }

    private fun bundle(
        hasUnanswerable: Boolean = false,
        change: TestBundle.() -> Unit = {},
    ): Bundle = TestBundle().apply { setSpans(hasUnanswerable) }.apply(change).seal().read()

    private fun answer(
        question: String,
        context: String,
        hasUnanswerable: Boolean = false,
    ): Answers = QuestionAnswerer(bundle(hasUnanswerable), engine).answer(question, context)!!

    private fun assertRefused(problem: Problem, open: () -> Unit) =
        assertEquals(problem, assertThrows<BundleException> { open() }.problem)

    @Test
    fun `bundle_json says how contexts are cut`() {
        val spans = bundle(hasUnanswerable = true).info.task.spans!!
        assertEquals(
            listOf(2, 3, 4, true),
            spans.run { listOf(docStride, maxQueryTokens, maxAnswerTokens, hasUnanswerable) },
        )
        assertNull(TestBundle().seal().read().info.task.spans)
        assertRefused(Problem.FIELD_MISSING) {
            bundle { json.getJSONObject("task").remove("windows") }
        }
        assertRefused(Problem.FIELD_WRONG) {
            bundle { json.getJSONObject("task").put("num_texts", 1) }
        }
        assertRefused(Problem.LABELS_UNEXPECTED) {
            bundle { json.put("labels", JSONArray(listOf("a"))) }
        }
    }

    @Test
    fun `the answer is a part of the context, as it was given`() {
        val result = answer("good", "bad, Góod , b\u0301ad , bad")
        // Not the longer one to the last word, nor back from the first.
        assertEquals("Góod , b\u0301ad", result.answer!!.text)
        assertEquals(5 to 16, result.answer!!.run { start to end })
        assertEquals(10.0, result.answer!!.score)
        assertEquals(listOf("[CLS]", "good", "[SEP]"), result.tokens.take(3))
        assertEquals(1, result.windowCount)
        assertEquals(16, result.signatureLength)
        val run = engine.runs.last()
        assertEquals(listOf(2, 4, 3, 5, 7, 4, 7, 5, 7, 5, 3, 0, 0, 0, 0, 0), run.ids)
        assertEquals(List(3) { 0 } + List(8) { 1 } + List(5) { 0 }, run.segmentIds)
    }

    @Test
    fun `a long context is read in windows`() {
        val result = answer("bad bad bad bad", ", ".repeat(40) + "good bad" + " ,".repeat(9))
        // 51 tokens, 10 a window and 2 on, after 3 of the question.
        assertEquals(22, result.windowCount)
        assertTrue(result.isTruncated)
        assertEquals("good bad", result.answer!!.text)
        assertEquals(80, result.answer!!.start)
        assertEquals(1 + 22, engine.runs.size)
        assertEquals(listOf(2, 5, 5, 5, 3, 7), engine.runs[1].ids.take(6))
    }

    @Test
    fun `no answer is one only if the bundle says so`() {
        noAnswer = 6f
        assertNull(answer("good", "good bad", hasUnanswerable = true).answer)
        val answers = answer("good", "good bad")
        assertEquals("good bad", answers.answer!!.text)
        assertEquals(12f, answers.noAnswerScore)
        // 1 / (1 + exp(10 - 12))
        assertEquals(0.8807970779778823, answers.noAnswerProbability, 1e-12)
        noAnswer = 4f
        assertEquals("good bad", answer("good", "good bad", hasUnanswerable = true).answer!!.text)
    }

    @Test
    fun `a context of no token has no answer`() {
        val answers = answer("good", "\u200B\u00AD")
        assertNull(answers.answer)
        assertEquals(1.0, answers.noAnswerProbability)
        assertEquals(listOf("[CLS]", "good", "[SEP]", "[SEP]"), answers.tokens)
    }

    @Test
    fun `what is not wanted any longer is left out`() {
        val answerer = QuestionAnswerer(bundle(), engine)
        var left = 3
        assertNull(answerer.answer("good", "good ".repeat(60)) { left-- > 0 })
        assertEquals(1 + 3, engine.runs.size)
    }

    @Test
    fun `refuses a tokenizer with added tokens, and questions that leave no room`() {
        val added = bundle { keepAccents() }
        assertRefused(Problem.ADDED_TOKENS_OF_SPANS) { QuestionAnswerer(added, engine) }
        fun withQuestions(tokens: Int) = bundle {
            val windows: JSONObject = json.getJSONObject("task").getJSONObject("windows")
            windows.put("max_query_tokens", tokens)
        }
        QuestionAnswerer(withQuestions(12), engine).answer("good ".repeat(20), "good bad")
        assertEquals(16, engine.runs.last().mask.sum())
        assertRefused(Problem.FIELD_WRONG) { QuestionAnswerer(withQuestions(13), engine) }
    }

    @Test
    fun `refuses outputs of another length`() {
        val short = FakeEngine(signatures) { ids ->
            mapOf("start_logits" to FloatArray(ids.size), "end_logits" to FloatArray(2))
        }
        assertRefused(Problem.MODEL_OUTPUTS) { QuestionAnswerer(bundle(), short) }
    }

    @Test
    fun `a token is in the window that shows most around it`() {
        val windows = ContextWindows(tokenCount = 9, length = 4, stride = 2)
        assertEquals(listOf(0..3, 2..5, 4..7, 6..8), windows.ranges)
        val best = List(9) { token -> windows.ranges.indices.single { windows.isBest(it, token) } }
        assertEquals(listOf(0, 0, 0, 1, 1, 2, 2, 3, 3), best)
    }

    // === Against Python ===

    private val golden = Bundle.read(FolderSource(File(SPAN_BUNDLE)), "2.16.1")

    private fun goldenAnswerer(): QuestionAnswerer {
        val lengths = golden.info.files.getValue(golden.preferredModel).signatures
        return QuestionAnswerer(
            golden,
            FakeEngine(lengths) { ids ->
                mapOf("start_logits" to FloatArray(ids.size), "end_logits" to FloatArray(ids.size))
            },
        )
    }

    @Test
    fun `windows are those of Python`() {
        val answerer = goldenAnswerer()
        val questions = golden.goldenQuestions()
        for (question in questions) {
            val encoded = answerer.encode(question.question, question.context)
            assertEquals(question.windows.size, encoded.windows.ranges.size, question.context)
            for ((i, window) in question.windows.withIndex()) {
                assertEquals(window.tokenIds.toList(), encoded.ids(i).toList())
                assertEquals(window.segmentIds.toList(), encoded.segmentIds(i).toList())
            }
        }
        assertEquals(10, questions.size)
        assertTrue(questions.last().windows.size > 30)
    }

    @Test
    fun `answers are those of Python`() {
        val answerer = goldenAnswerer()
        val longest = golden.info.task.spans!!.maxAnswerTokens
        for (question in golden.goldenQuestions()) {
            val encoded = answerer.encode(question.question, question.context)
            for (model in golden.models) {
                val finder =
                    AnswerFinder(question.context, encoded.context, encoded.windows, longest)
                for ((i, window) in question.windows.withIndex()) {
                    val outputs = window.outputs.getValue(model)
                    finder.add(
                        i,
                        encoded.question.size + 2,
                        outputs.getValue("start_logits"),
                        outputs.getValue("end_logits"),
                    )
                }
                val expected = question.answers.getValue(model)
                val actual = finder.answers().take(expected.size)
                assertEquals(
                    expected.map { listOf(it.text, it.start, it.end) },
                    actual.map { listOf(it.text, it.start, it.end) },
                )
                for ((theirs, ours) in expected.zip(actual)) {
                    assertEquals(theirs.score, ours.score, 1e-6)
                }
                val noAnswer = question.noAnswerScores.getValue(model)
                assertEquals(noAnswer, finder.noAnswerScore, 1e-6f)
            }
        }
    }

    private companion object {
        const val SPAN_BUNDLE = "../desktop/src/test/resources/span_bundle"
    }
}
