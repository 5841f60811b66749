package org.tinybert.demo.core

import java.io.Closeable
import kotlin.math.exp

/**
 * Classifies texts, or pairs of texts, with a bundle's model.
 *
 * A text runs in the shortest signature of the model that holds it; what the longest does not hold
 * is truncated. Like its engine, a classifier belongs to one thread at a time, and closes the
 * engine with itself.
 *
 * @param model the name of the bundle's model that the engine has loaded
 * @throws BundleException if the model and bundle.json contradict each other
 * @throws EngineException if the model does not run
 */
class TextClassifier(
    val bundle: Bundle,
    private val engine: Engine,
    model: String = bundle.preferredModel,
) : Closeable {
    private val preprocessor = BertPreprocessor(tokenizer(bundle))

    /** The signatures, the shortest first. */
    private val signatures = engine.signatures.entries.sortedBy { it.value }
    private val maxLength
        get() = signatures.last().value

    init {
        val expected = bundle.info.files.getValue(model).signatures
        if (engine.signatures != expected) {
            throw BundleException(
                "$model has the signatures ${engine.signatures}, $BUNDLE_JSON says $expected. " +
                    "Export the bundle again."
            )
        }
        warmUp(model)
    }

    /**
     * Classifies one example.
     *
     * @param texts as many as the bundle's task takes
     * @throws EngineException if the runtime fails
     */
    fun classify(texts: List<String>): Classification {
        val textCount = bundle.info.task.textCount
        require(texts.size == textCount) { "Got ${texts.size} texts, expected $textCount." }
        val start = System.nanoTime()
        val encoded = preprocessor.encode(texts, maxLength)
        val length = signatureOf(encoded.ids.size).value
        val values = run(encoded.ids, encoded.segmentIds)
        if (values.any { it.isNaN() }) {
            throw EngineException("The model gave no number for this text. Choose another bundle.")
        }
        val nanoseconds = System.nanoTime() - start
        return Classification(
            scores = outputLabels.mapIndexed { i, label -> LabelScore(label, values[i]) },
            tokens = encoded.ids.map { bundle.vocabulary.token(it) },
            isTruncated = encoded.isTruncated,
            signatureLength = length,
            nanoseconds = nanoseconds,
        )
    }

    /**
     * Runs ids that are not padded, in the shortest signature that holds them.
     *
     * @param ids no more than the longest signature holds
     * @return the probabilities in the order of the labels; of a regression the score
     * @throws EngineException if the runtime fails
     */
    fun run(ids: IntArray, segmentIds: IntArray): FloatArray {
        val (signature, length) = signatureOf(ids.size)
        val mask = IntArray(length)
        mask.fill(1, 0, ids.size)
        val padded = ids.copyOf(length)
        padded.fill(bundle.vocabulary.padId, ids.size)
        val output = engine.run(signature, padded, segmentIds.copyOf(length), mask)
        val isFinished =
            bundle.info.output.hasSoftmax || bundle.info.task.type == TaskType.REGRESSION
        return if (isFinished) output else softmax(output)
    }

    override fun close() = engine.close()

    private val outputLabels: List<String>
        get() = bundle.info.labels.ifEmpty { listOf(bundle.info.output.name) }

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
        val outputs = run(ids, IntArray(ids.size)).size
        if (outputs != outputLabels.size) {
            throw BundleException(
                "$model has $outputs outputs, $BUNDLE_JSON says ${outputLabels.size} " +
                    "($outputLabels). Export the bundle again."
            )
        }
    }

    companion object {
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

        /**
         * Loads a bundle's model and makes its classifier.
         *
         * @param model the name of one of the bundle's models
         * @throws BundleException if the model cannot be read or contradicts bundle.json
         * @throws EngineException if the runtime cannot load or run it
         */
        fun open(
            bundle: Bundle,
            factory: EngineFactory,
            model: String = bundle.preferredModel,
        ): TextClassifier {
            val engine = factory.create(bundle.model(model))
            try {
                return TextClassifier(bundle, engine, model)
            } catch (failure: Throwable) {
                engine.close()
                throw failure
            }
        }
    }
}

/** A label and its probability, 0 to 1; of a regression the score as it is. */
class LabelScore(val label: String, val score: Float)

/** The outcome of a run. */
class Classification(
    /** In the order of the outputs. */
    val scores: List<LabelScore>,
    /** The tokens that the model saw, special ones included, without padding. */
    val tokens: List<String>,
    /** Whether tokens were left out because the texts are longer than the model takes. */
    val isTruncated: Boolean,
    /** The length in tokens of the signature that ran. */
    val signatureLength: Int,
    /** From text to scores. */
    val nanoseconds: Long,
)

/** Probabilities of logits; the largest is taken off first, so that none overflows. */
internal fun softmax(logits: FloatArray): FloatArray {
    val largest = logits.max()
    val powers = logits.map { exp((it - largest).toDouble()) }
    val sum = powers.sum()
    return FloatArray(logits.size) { (powers[it] / sum).toFloat() }
}
