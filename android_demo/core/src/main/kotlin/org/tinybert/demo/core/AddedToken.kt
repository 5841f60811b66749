package org.tinybert.demo.core

/**
 * A token that was added to a vocabulary: one token wherever a text spells it, within words, too.
 *
 * @param content the token; it stands in the vocabulary
 * @param normalized whether it is looked for in the normalized text, itself normalized, or in the
 *   text as it was given
 */
class AddedToken(val content: String, val normalized: Boolean)

/** The spellings of added tokens, where two begin at the same place the longer one. */
internal class Spellings {
    private val trie = Trie(roots = 1, nodes = INITIAL_NODES)

    var isEmpty = true
        private set

    /** Adds a spelling; of two that are the same the later one counts. */
    fun add(spelling: String, id: Int) {
        trie.add(spelling, id, ROOT)
        isEmpty = false
    }

    /**
     * Goes through a text from left to right.
     *
     * @param onToken gets the id of each added token
     * @param onText gets start and end of what is before, between and after them
     */
    inline fun split(text: String, onToken: (Int) -> Unit, onText: (Int, Int) -> Unit) {
        var textStart = 0
        var i = 0
        while (i < text.length && !isEmpty) {
            val end = endOfLongest(text, i)
            if (end == i) {
                i += Character.charCount(text.codePointAt(i))
                continue
            }
            if (textStart < i) onText(textStart, i)
            onToken(idOf(text, i, end))
            textStart = end
            i = end
        }
        if (textStart < text.length) onText(textStart, text.length)
    }

    /** Where the longest spelling that starts at a place ends; the place itself if none does. */
    fun endOfLongest(text: String, start: Int): Int {
        var node = ROOT
        var longest = start
        var i = start
        while (i < text.length) {
            val codePoint = text.codePointAt(i)
            node = trie.next(node, codePoint)
            if (node == Trie.NOWHERE) break
            i += Character.charCount(codePoint)
            if (trie.idAt(node) != Trie.NO_TOKEN) longest = i
        }
        return longest
    }

    fun idOf(text: String, start: Int, end: Int): Int =
        trie.idAt(trie.find(text.substring(start, end), ROOT))

    private companion object {
        const val ROOT = 1
        const val INITIAL_NODES = 64
    }
}
