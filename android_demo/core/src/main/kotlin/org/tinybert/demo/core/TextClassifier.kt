package org.tinybert.demo.core

/**
 * Classifies or scores texts, or pairs of texts; what the longest signature does not hold is
 * truncated. See [TextModel].
 */
class TextClassifier(bundle: Bundle, engine: Engine, model: String = bundle.preferredModel) :
    TextModel(bundle, engine, model) {
    private val preprocessor = BertPreprocessor(tokenizer)

    override fun run(texts: List<String>, isWanted: () -> Boolean): Classification? =
        if (isWanted()) classify(texts) else null

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
        val values = scores(encoded.ids, encoded.segmentIds)
        val nanoseconds = System.nanoTime() - start
        return Classification(
            scores = outputLabels.mapIndexed { i, label -> LabelScore(label, values[i]) },
            tokens = tokens(encoded.ids),
            isTruncated = encoded.isTruncated,
            signatureLength = signatureLength(encoded.ids.size),
            nanoseconds = nanoseconds,
        )
    }

    /**
     * Runs ids as [outputs] does.
     *
     * @return the probabilities in the order of the labels; of a regression the score
     */
    fun scores(ids: IntArray, segmentIds: IntArray): FloatArray {
        val output = outputs(ids, segmentIds).getValue(bundle.info.output.names.single())
        val isFinished =
            bundle.info.output.hasSoftmax || bundle.info.task.type == TaskType.REGRESSION
        return if (isFinished) output else softmax(output)
    }

    private val outputLabels: List<String>
        get() = bundle.info.labels.ifEmpty { bundle.info.output.names }

    companion object {
        /** Loads a bundle's model as [TextModel.open] does. */
        fun open(
            bundle: Bundle,
            factory: EngineFactory,
            model: String = bundle.preferredModel,
        ): TextClassifier =
            opened(bundle, factory, model) { engine -> TextClassifier(bundle, engine, model) }
    }
}

/** A label and its probability, 0 to 1; of a regression the score as it is. */
class LabelScore(val label: String, val score: Float)

/** The classes of a text, or its score. */
class Classification(
    /** In the order of the outputs. */
    val scores: List<LabelScore>,
    tokens: List<String>,
    isTruncated: Boolean,
    signatureLength: Int,
    nanoseconds: Long,
) : Outcome(tokens, isTruncated, signatureLength, nanoseconds)
