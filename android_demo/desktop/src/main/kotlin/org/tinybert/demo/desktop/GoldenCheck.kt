package org.tinybert.demo.desktop

import kotlin.math.abs
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.GoldenExample
import org.tinybert.demo.core.TextClassifier

/** How one of a bundle's models compares with what Python got from it. */
class GoldenCheck(
    val model: String,
    val examples: Int,
    /** Of one output, over all examples. */
    val largestDifference: Float,
    /** The texts that became other tokens than in Python. */
    val otherTokens: List<List<String>>,
) {
    /** Whether the tokens are the same and no output is further than [TOLERANCE]. */
    val passes: Boolean
        get() = otherTokens.isEmpty() && largestDifference <= TOLERANCE

    companion object {
        /** Runtimes differ in the last digits; rounding to int8 may make more of them. */
        const val TOLERANCE = 1e-3f

        /** Runs the golden examples of a bundle through one of its models. */
        fun run(bundle: Bundle, factory: EngineFactory, model: String): GoldenCheck {
            val examples = bundle.golden()
            TextClassifier.open(bundle, factory, model).use { classifier ->
                return GoldenCheck(
                    model,
                    examples.size,
                    examples.maxOf { differenceOf(it, classifier, model) },
                    examples.filter { hasOtherTokens(it, classifier) }.map { it.texts },
                )
            }
        }

        private fun differenceOf(
            example: GoldenExample,
            classifier: TextClassifier,
            model: String,
        ): Float {
            val expected = example.outputs.getValue(model)
            val actual = classifier.run(example.tokenIds, example.segmentIds)
            check(actual.size == expected.size) { "golden.json has ${expected.size} outputs." }
            // The largest, NaN above all.
            return actual.indices.maxOf { abs(actual[it] - expected[it]) }
        }

        private fun hasOtherTokens(example: GoldenExample, classifier: TextClassifier): Boolean {
            val vocabulary = classifier.bundle.vocabulary
            val expected = example.tokenIds.map { vocabulary.token(it) }
            return classifier.classify(example.texts).tokens != expected
        }
    }
}
