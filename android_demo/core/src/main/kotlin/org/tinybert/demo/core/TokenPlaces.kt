package org.tinybert.demo.core

/**
 * The tokens of a text and where each is in it: `text.substring(starts[i], ends[i])`.
 *
 * An accent belongs to the token of its letter, even where it is dropped.
 */
class PlacedTokens(val ids: IntArray, val starts: IntArray, val ends: IntArray)

/** Keeps book of the characters that words, and then their tokens, come from. */
internal class TokenPlaces(private val text: String, private val normalizer: TextNormalizer) {
    /** Where the character is that is being normalized. */
    var character = 0

    /** The characters that the code points of the word come from. */
    private var word = IntArray(INITIAL)
    private var wordLength = 0

    private var starts = IntArray(INITIAL)
    private var ends = IntArray(INITIAL)

    /** Adds a code point to the word, from the present character. */
    fun addToWord() {
        if (wordLength == word.size) word = word.copyOf(2 * wordLength)
        word[wordLength++] = character
    }

    fun endWord() {
        wordLength = 0
    }

    /** Sets the place of a token: the word's code points from [first] to before [after]. */
    fun place(token: Int, first: Int, after: Int) {
        if (token == starts.size) {
            starts = starts.copyOf(2 * token)
            ends = ends.copyOf(2 * token)
        }
        starts[token] = word[first]
        ends[token] = endOf(word[after - 1])
    }

    fun starts(count: Int): IntArray = starts.copyOf(count)

    fun ends(count: Int): IntArray = ends.copyOf(count)

    /** Where a character ends, with the accents that are dropped after it. */
    private fun endOf(start: Int): Int {
        var end = start + Character.charCount(text.codePointAt(start))
        while (end < text.length && normalizer.isDroppedAccent(text.codePointAt(end))) {
            end += Character.charCount(text.codePointAt(end))
        }
        return end
    }

    private companion object {
        const val INITIAL = 128
    }
}
