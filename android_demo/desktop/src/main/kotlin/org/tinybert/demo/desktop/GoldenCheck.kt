package org.tinybert.demo.desktop

import kotlin.math.abs
import org.tinybert.demo.core.Answers
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.GoldenExample
import org.tinybert.demo.core.GoldenQuestion
import org.tinybert.demo.core.QuestionAnswerer
import org.tinybert.demo.core.TaskType
import org.tinybert.demo.core.TextClassifier
import org.tinybert.demo.core.TextModel

/** How one of a bundle's models compares with what Python got from it. */
class GoldenCheck(
    val model: String,
    val examples: Int,
    /** Of one output, over all examples. */
    val largestDifference: Float,
    /** The texts that became other tokens, or got another answer, than in Python. */
    val others: List<List<String>>,
) {
    /** Whether tokens and answers are the same and no output is further than [TOLERANCE]. */
    val passes: Boolean
        get() = others.isEmpty() && largestDifference <= TOLERANCE

    companion object {
        /** Runtimes differ in the last digits; rounding to int8 may make more of them. */
        const val TOLERANCE = 1e-3f

        /**
         * Runs the golden examples of a bundle through one of its models.
         *
         * @param tolerance answers whose scores are closer than this may change places
         */
        fun run(
            bundle: Bundle,
            factory: EngineFactory,
            model: String,
            tolerance: Float = TOLERANCE,
        ): GoldenCheck =
            if (bundle.info.task.type == TaskType.SPAN) {
                QuestionAnswerer.open(bundle, factory, model).use {
                    checkQuestions(it, model, tolerance)
                }
            } else {
                TextClassifier.open(bundle, factory, model).use { checkTexts(it, model) }
            }

        private fun checkTexts(classifier: TextClassifier, model: String): GoldenCheck {
            val examples = classifier.bundle.golden()
            return GoldenCheck(
                model,
                examples.size,
                examples.maxOf { example ->
                    val actual = classifier.scores(example.tokenIds, example.segmentIds)
                    difference(example.outputs.getValue(model), actual)
                },
                examples.filter { hasOtherTokens(it, classifier) }.map { it.texts },
            )
        }

        private fun hasOtherTokens(example: GoldenExample, classifier: TextClassifier) =
            classifier.classify(example.texts).tokens != tokens(classifier, example.tokenIds)

        private fun checkQuestions(
            answerer: QuestionAnswerer,
            model: String,
            tolerance: Float,
        ): GoldenCheck {
            val questions = answerer.bundle.goldenQuestions()
            val differences = questions.flatMap { it.windows }.map { window ->
                val outputs = answerer.outputs(window.tokenIds, window.segmentIds)
                window.outputs.getValue(model).maxOf { (name, expected) ->
                    // The golden ones have none at padding.
                    difference(expected, outputs.getValue(name).copyOf(expected.size))
                }
            }
            val others = questions.filter { question ->
                val answers = answerer.answer(question.question, question.context)!!
                val windows = question.windows.map { tokens(answerer, it.tokenIds) }
                answers.windowCount != windows.size ||
                    answers.tokens !in windows ||
                    hasOtherAnswer(question, model, answers, 2 * tolerance)
            }
            val texts = others.map { listOf(it.question, it.context) }
            return GoldenCheck(model, questions.size, differences.max(), texts)
        }

        private fun hasOtherAnswer(
            question: GoldenQuestion,
            model: String,
            answers: Answers,
            tolerance: Float,
        ): Boolean {
            val expected = question.answers.getValue(model)
            val best = answers.answers.firstOrNull() ?: return expected.isNotEmpty()
            return expected.none {
                it.text == best.text && abs(it.score - best.score) <= tolerance &&
                    expected[0].score - it.score <= tolerance
            }
        }

        private fun tokens(model: TextModel, ids: IntArray): List<String> =
            ids.map { model.bundle.vocabulary.token(it) }

        private fun difference(expected: FloatArray, actual: FloatArray): Float {
            check(actual.size == expected.size) { "golden.json has ${expected.size} outputs." }
            // The largest, NaN above all.
            return actual.indices.maxOf { abs(actual[it] - expected[it]) }
        }
    }
}
