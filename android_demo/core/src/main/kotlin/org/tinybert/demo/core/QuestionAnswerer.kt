package org.tinybert.demo.core

import kotlin.math.tanh

/**
 * Answers questions with a part of their context. See [TextModel].
 *
 * A context that is too long for the model is read in overlapping windows, one run each.
 *
 * @throws BundleException also if the tokenizer has added tokens, or questions leave no room for
 *   the context
 */
class QuestionAnswerer(bundle: Bundle, engine: Engine, model: String = bundle.preferredModel) :
    TextModel(bundle, engine, model) {
    private val spans =
        requireNotNull(bundle.info.task.spans) { "The bundle is for no questions." }

    init {
        val added = bundle.info.tokenizer.addedTokens
        if (added.isNotEmpty()) {
            throw BundleException(Problem.ADDED_TOKENS_OF_SPANS, added.joinToString { it.content })
        }
        val room = maxLength - SPECIAL_TOKENS - 1
        if (spans.maxQueryTokens > room) {
            throw BundleException(
                Problem.FIELD_WRONG,
                "$BUNDLE_JSON: task.windows.max_query_tokens",
                spans.maxQueryTokens,
                "integer 1..$room",
            )
        }
    }

    override fun run(texts: List<String>, isWanted: () -> Boolean): Answers? {
        require(texts.size == 2) { "Got ${texts.size} texts, expected a question and a context." }
        return answer(texts[0], texts[1], isWanted)
    }

    /**
     * Answers one question.
     *
     * @param isWanted asked before each window; after a no the others are left out
     * @return null if it was not wanted any longer
     * @throws EngineException if the runtime fails
     */
    fun answer(
        question: String,
        context: String,
        isWanted: () -> Boolean = { true },
    ): Answers? {
        val start = System.nanoTime()
        val encoded = encode(question, context)
        val finder =
            AnswerFinder(context, encoded.context, encoded.windows, spans.maxAnswerTokens)
        val before = encoded.question.size + 2
        for (window in encoded.windows.ranges.indices) {
            if (!isWanted()) return null
            val outputs = outputs(encoded.ids(window), encoded.segmentIds(window))
            val (ends, starts) = listOf(END_LOGITS, START_LOGITS).map { outputs.getValue(it) }
            finder.add(window, before, starts, ends)
        }
        val answers = finder.answers()
        val ids = encoded.ids(finder.bestWindow)
        val nanoseconds = System.nanoTime() - start
        return Answers(
            answers = answers,
            noAnswerScore = finder.noAnswerScore,
            hasUnanswerable = spans.hasUnanswerable,
            windowCount = encoded.windows.ranges.size,
            tokens = tokens(ids),
            isTruncated = encoded.isQuestionCut,
            signatureLength = signatureLength(ids.size),
            nanoseconds = nanoseconds,
        )
    }

    /** Returns the windows of a question and its context. */
    internal fun encode(question: String, context: String): EncodedQuestion {
        // One token more than is kept tells that there is one.
        val ids = tokenizer.tokenize(question, spans.maxQueryTokens + 1)
        val kept = ids.copyOf(minOf(ids.size, spans.maxQueryTokens))
        val tokens = tokenizer.tokenizeWithPlaces(context)
        val room = maxLength - SPECIAL_TOKENS - kept.size
        val windows = ContextWindows(tokens.ids.size, room, spans.docStride)
        return EncodedQuestion(bundle.vocabulary, kept, ids.size > kept.size, tokens, windows)
    }

    companion object {
        /** `[CLS]`, and a `[SEP]` after question and context. */
        private const val SPECIAL_TOKENS = 3

        /** Loads a bundle's model as [TextModel.open] does. */
        fun open(
            bundle: Bundle,
            factory: EngineFactory,
            model: String = bundle.preferredModel,
        ): QuestionAnswerer =
            opened(bundle, factory, model) { engine -> QuestionAnswerer(bundle, engine, model) }
    }
}

/** A question and the windows of its context: `[CLS] question [SEP] window [SEP]`. */
internal class EncodedQuestion(
    private val vocabulary: Vocabulary,
    val question: IntArray,
    val isQuestionCut: Boolean,
    val context: PlacedTokens,
    val windows: ContextWindows,
) {
    /** Of a window, not padded. */
    fun ids(window: Int): IntArray {
        val separator = vocabulary.separatorId
        val part = context.ids.sliceArray(windows.ranges[window])
        return intArrayOf(vocabulary.classificationId) + question + separator + part + separator
    }

    /** As long as [ids]: 1 for the context and what follows it. */
    fun segmentIds(window: Int): IntArray {
        val range = windows.ranges[window]
        val before = question.size + 2
        return IntArray(before + range.count() + 1) { if (it < before) 0 else 1 }
    }
}

/**
 * A part of a context: `context.substring(start, end)`.
 *
 * @property score the sum of two logits
 */
class Answer(val text: String, val start: Int, val end: Int, val score: Double)

/** The answers to a question. */
class Answers(
    /** Of different texts, the best first; empty only if the context has no token. */
    val answers: List<Answer>,
    /** What [Answer.score] would be of no answer. */
    val noAnswerScore: Float,
    private val hasUnanswerable: Boolean,
    /** How many parts the context was read in. */
    val windowCount: Int,
    tokens: List<String>,
    isTruncated: Boolean,
    signatureLength: Int,
    nanoseconds: Long,
) : Outcome(tokens, isTruncated, signatureLength, nanoseconds) {
    /** How likely no answer is beside the best one, from 0 to 1. */
    val noAnswerProbability: Double
        get() {
            val best = answers.firstOrNull() ?: return 1.0
            return 0.5 * (1.0 - tanh(0.5 * (best.score - noAnswerScore)))
        }

    /** The best answer; null where the model may say that there is none, and it is likelier. */
    val answer: Answer?
        get() = answers.firstOrNull().takeUnless { hasUnanswerable && noAnswerProbability > 0.5 }
}
