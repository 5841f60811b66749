package org.tinybert.demo.core

import java.util.PriorityQueue

/**
 * Finds the best spans of a context, as Python's `decode_spans` does.
 *
 * A span lies in one window, begins at a token that this window shows best, and has at most
 * [maxAnswerTokens] tokens.
 */
internal class AnswerFinder(
    private val context: String,
    private val tokens: PlacedTokens,
    private val windows: ContextWindows,
    private val maxAnswerTokens: Int,
) {
    /** Of the context's tokens [first] to [last]. */
    private class Span(val score: Double, val window: Int, val first: Int, val last: Int)

    private val spans = ArrayList<Span>()

    /** The sum of both logits at `[CLS]`, the least of all windows. */
    var noAnswerScore = Float.POSITIVE_INFINITY
        private set

    /** The window of the best answer; the first one if there is none. */
    val bestWindow: Int
        get() = spans.minWithOrNull(order)?.window ?: 0

    // The best first; on a tie what is earliest in the context.
    private val order =
        compareByDescending<Span> { it.score }
            .thenBy { tokens.starts[it.first] }
            .thenBy { tokens.ends[it.last] }

    /**
     * Takes what a model gave for a window.
     *
     * @param start the logits of its tokens, `[CLS]` first
     * @param before how many tokens there are before the context's
     */
    fun add(window: Int, before: Int, start: FloatArray, end: FloatArray) {
        noAnswerScore = minOf(noAnswerScore, start[0] + end[0])
        val range = windows.ranges[window]
        // The worst of those that are kept comes out first.
        val best = PriorityQueue<Span>(MOST_ANSWERS + 1, order.reversed())
        for (first in range) {
            if (!windows.isBest(window, first)) continue
            val startLogit = start[before + first - range.first].toDouble()
            for (last in first..minOf(first + maxAnswerTokens - 1, range.last)) {
                val score = startLogit + end[before + last - range.first]
                if (best.size == MOST_ANSWERS && score < best.peek()!!.score) continue
                best += Span(score, window, first, last)
                if (best.size > MOST_ANSWERS) best.poll()
            }
        }
        spans += best
    }

    /** The answers, of different texts, the best first. */
    fun answers(): List<Answer> =
        spans
            .sortedWith(order)
            .map { span ->
                val start = tokens.starts[span.first]
                val end = tokens.ends[span.last]
                Answer(context.substring(start, end), start, end, span.score)
            }
            .distinctBy { it.text }
            .take(MOST_ANSWERS)

    private companion object {
        const val MOST_ANSWERS = 20
    }
}
