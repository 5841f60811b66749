package org.tinybert.demo.core

import java.io.Closeable
import kotlin.math.exp

/**
 * A bundle's model, ready to run on texts.
 *
 * A text runs in the shortest signature of the model that holds it. Like its engine, a model
 * belongs to one thread at a time, and closes the engine with itself.
 *
 * @param model the name of the bundle's model that the engine has loaded
 * @throws BundleException if the model and bundle.json contradict each other
 * @throws EngineException if the model does not run
 */
sealed class TextModel(val bundle: Bundle, private val engine: Engine, model: String) : Closeable {
    protected val tokenizer = tokenizer(bundle)

    /** The signatures, the shortest first. */
    private val signatures = engine.signatures.entries.sortedBy { it.value }
    protected val maxLength
        get() = signatures.last().value

    init {
        val expected = bundle.info.files.getValue(model).signatures
        if (engine.signatures != expected) {
            throw BundleException(Problem.MODEL_SIGNATURES, model, engine.signatures, expected)
        }
        warmUp(model)
    }

    /**
     * Runs one example.
     *
     * @param texts as many as the bundle's task takes; for questions the question and its context
     * @param isWanted asked between the parts of a long run; after a no the rest is left out
     * @return null if it was not wanted any longer
     * @throws EngineException if the runtime fails
     */
    abstract fun run(texts: List<String>, isWanted: () -> Boolean = { true }): Outcome?

    /**
     * Runs ids that are not padded, in the shortest signature that holds them.
     *
     * @param ids no more than the longest signature holds
     * @return the outputs by name
     * @throws EngineException if the runtime fails, or an output is no number
     */
    fun outputs(ids: IntArray, segmentIds: IntArray): Map<String, FloatArray> {
        val (signature, length) = signatureOf(ids.size)
        val mask = IntArray(length)
        mask.fill(1, 0, ids.size)
        val padded = ids.copyOf(length)
        padded.fill(bundle.vocabulary.padId, ids.size)
        val outputs = engine.run(signature, padded, segmentIds.copyOf(length), mask)
        if (outputs.values.any { values -> values.any { it.isNaN() } }) {
            throw EngineException(Problem.NO_NUMBER)
        }
        return outputs
    }

    override fun close() = engine.close()

    /** The length of the signature in which so many tokens run. */
    protected fun signatureLength(tokens: Int): Int = signatureOf(tokens).value

    protected fun tokens(ids: IntArray): List<String> = ids.map { bundle.vocabulary.token(it) }

    private fun signatureOf(length: Int): Map.Entry<String, Int> =
        requireNotNull(signatures.firstOrNull { it.value >= length }) {
            "Got $length tokens, expected at most $maxLength."
        }

    /**
     * Runs the vocabulary's last id: the first run is slow, and a model for another vocabulary or
     * other labels shows now.
     */
    private fun warmUp(model: String) {
        val vocabulary = bundle.vocabulary
        val ids =
            intArrayOf(vocabulary.classificationId, vocabulary.size - 1, vocabulary.separatorId)
        val sizes = outputs(ids, IntArray(ids.size)).mapValues { it.value.size }
        val info = bundle.info
        val size =
            when (info.task.type) {
                TaskType.CLASSIFICATION -> info.labels.size
                TaskType.REGRESSION -> 1
                TaskType.SPAN -> signatureLength(ids.size)
            }
        val expected = info.output.names.associateWith { size }
        if (sizes != expected) {
            throw BundleException(Problem.MODEL_OUTPUTS, model, sizes, expected)
        }
    }

    companion object {
        /**
         * Loads a bundle's model, for the task that the bundle is for.
         *
         * @param model the name of one of the bundle's models
         * @throws BundleException if the model cannot be read or contradicts bundle.json
         * @throws EngineException if the runtime cannot load or run it
         */
        fun open(
            bundle: Bundle,
            factory: EngineFactory,
            model: String = bundle.preferredModel,
        ): TextModel =
            when (bundle.info.task.type) {
                TaskType.SPAN -> QuestionAnswerer.open(bundle, factory, model)
                else -> TextClassifier.open(bundle, factory, model)
            }

        /** Makes a model of an engine, which is closed if that fails. */
        internal fun <T> opened(
            bundle: Bundle,
            factory: EngineFactory,
            model: String,
            make: (Engine) -> T,
        ): T {
            val engine = factory.create(bundle.model(model))
            try {
                return make(engine)
            } catch (failure: Throwable) {
                engine.close()
                throw failure
            }
        }

        private fun tokenizer(bundle: Bundle): BertTokenizer {
            val info = bundle.info.tokenizer
            return BertTokenizer(
                bundle.vocabulary,
                info.lowercase,
                info.maxCharactersPerWord,
                info.stripAccents,
                info.tokenizeChineseCharacters,
                info.addedTokens,
            )
        }
    }
}

/** What came of a run. */
sealed class Outcome(
    /** The tokens that the model saw, special ones included, without padding. */
    val tokens: List<String>,
    /** Whether tokens were left out because the text, or the question, is too long. */
    val isTruncated: Boolean,
    /** The length in tokens of the signature that ran. */
    val signatureLength: Int,
    /** From texts to the outcome. */
    val nanoseconds: Long,
)

/** Probabilities of logits; the largest is taken off first, so that none overflows. */
internal fun softmax(logits: FloatArray): FloatArray {
    val largest = logits.max()
    val powers = logits.map { exp((it - largest).toDouble()) }
    val sum = powers.sum()
    return FloatArray(logits.size) { (powers[it] / sum).toFloat() }
}
