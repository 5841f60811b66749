package org.tinybert.demo.core

/**
 * The overlapping windows over a context that is longer than a model reads at once, as original
 * BERT has them.
 *
 * @param tokenCount of the context
 * @param length the most tokens of a window
 * @param stride tokens from the start of a window to that of the next
 */
internal class ContextWindows(tokenCount: Int, length: Int, stride: Int) {
    /** The context's tokens that each window shows. */
    val ranges: List<IntRange>

    /** For each token the window that shows most around it. */
    private val best: IntArray

    init {
        val windows = ArrayList<IntRange>()
        var start = 0
        windows += 0 until minOf(length, tokenCount)
        while (windows.last().last + 1 < tokenCount) {
            start += minOf(length, stride)
            windows += start until minOf(start + length, tokenCount)
        }
        ranges = windows
        best = IntArray(tokenCount) { token ->
            windows.indices.filter { token in windows[it] }.maxByOrNull { surroundings(it, token) }!!
        }
    }

    fun isBest(window: Int, token: Int): Boolean = best[token] == window

    /**
     * The lesser of the tokens to the left and to the right, and a hundredth of the window's
     * length, as in Google's `run_squad.py`; on a tie the first window has the token.
     */
    private fun surroundings(window: Int, token: Int): Double {
        val range = ranges[window]
        val least = minOf(token - range.first, range.last - token)
        return least + 0.01 * (range.last + 1 - range.first)
    }
}
