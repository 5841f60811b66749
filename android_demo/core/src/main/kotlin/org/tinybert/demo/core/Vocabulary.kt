package org.tinybert.demo.core

import java.nio.ByteBuffer
import java.nio.CharBuffer

/**
 * The tokens of a BERT vocabulary, by id, and the trie that words are matched against.
 *
 * A token `##x` continues a word and is found from [CONTINUATION]; every other one begins a word
 * and is found from [WORD].
 */
class Vocabulary private constructor(private val tokens: List<String>, private val trie: Trie) {
    /** The number of tokens. */
    val size: Int
        get() = tokens.size

    val padId: Int = requireNotNull(idOf(PAD))
    val unknownId: Int = requireNotNull(idOf(UNKNOWN))
    val classificationId: Int = requireNotNull(idOf(CLASSIFICATION))
    val separatorId: Int = requireNotNull(idOf(SEPARATOR))

    /**
     * The token of an id.
     *
     * @throws IllegalArgumentException if the id is outside of the vocabulary
     */
    fun token(id: Int): String {
        require(id in tokens.indices) { "There is no token of id $id, expected 0 to ${size - 1}." }
        return tokens[id]
    }

    /** Goes on from a node of the trie by one code point; [NOWHERE] if no token does. */
    internal fun next(node: Int, codePoint: Int): Int = trie.next(node, codePoint)

    /** The id of the token that ends at a node, or [NO_TOKEN]. */
    internal fun idAt(node: Int): Int = trie.ids[node]

    private fun idOf(token: String): Int? = trie.ids[trie.find(token)].takeIf { it != NO_TOKEN }

    companion object {
        private const val PAD = "[PAD]"
        private const val UNKNOWN = "[UNK]"
        private const val CLASSIFICATION = "[CLS]"
        private const val SEPARATOR = "[SEP]"

        internal const val NOWHERE = 0
        internal const val WORD = 1
        internal const val CONTINUATION = 2
        internal const val NO_TOKEN = -1

        /**
         * Reads a vocabulary file: UTF-8, one token a line, the line number is the id.
         *
         * Lines end with `\n` or `\r\n`; the other line ends that Unicode knows do not split.
         *
         * @param name the file's name, to begin messages with
         * @throws BundleException if the file is not UTF-8, has an empty line or a token twice, or
         *   lacks `[PAD]`, `[UNK]`, `[CLS]` or `[SEP]`
         */
        fun read(bytes: ByteArray, name: String): Vocabulary {
            val text = decodeUtf8(bytes, name).removePrefix("\uFEFF")
            val tokens = ArrayList<String>()
            val trie = Trie()
            var start = 0
            while (start < text.length) {
                val newline = text.indexOf('\n', start)
                val end = if (newline < 0) text.length else newline
                val token = text.substring(start, end).removeSuffix("\r")
                val line = tokens.size + 1
                if (token.isEmpty()) {
                    throw BundleException("$name, line $line: is empty, expected one token a line.")
                }
                val earlier = trie.add(token, tokens.size)
                if (earlier != NO_TOKEN) {
                    throw BundleException(
                        "$name, line $line: token \"$token\" is already on line ${earlier + 1}, " +
                            "expected every token once."
                    )
                }
                tokens.add(token)
                start = end + 1
            }
            val missing =
                listOf(PAD, UNKNOWN, CLASSIFICATION, SEPARATOR).filter {
                    trie.ids[trie.find(it)] == NO_TOKEN
                }
            if (missing.isNotEmpty()) {
                throw BundleException(
                    "$name: has no ${missing.joinToString()}. Take the vocabulary that belongs " +
                        "to the model."
                )
            }
            return Vocabulary(tokens, trie)
        }
    }

    /**
     * A trie over code points.
     *
     * The children of all nodes share one open-addressing hash table, so that a step costs no
     * object and reads two or three integers.
     */
    private class Trie {
        private var parents = IntArray(INITIAL_NODES)
        private var codePoints = IntArray(INITIAL_NODES)
        var ids = IntArray(INITIAL_NODES) { NO_TOKEN }
            private set

        private var size = CONTINUATION + 1
        private var slots = IntArray(4 * INITIAL_NODES)

        fun next(node: Int, codePoint: Int): Int = slots[slotOf(node, codePoint)]

        /** The node of a token, or [NOWHERE]. */
        fun find(token: String): Int = walk(token) { node, codePoint -> next(node, codePoint) }

        /** Adds a token; returns the id that it already had, or [NO_TOKEN]. */
        fun add(token: String, id: Int): Int {
            val node = walk(token) { node, codePoint -> nextOrNew(node, codePoint) }
            val earlier = ids[node]
            ids[node] = id
            return earlier
        }

        private inline fun walk(token: String, step: (Int, Int) -> Int): Int {
            val continues = token.length > 2 && token.startsWith("##")
            var node = if (continues) CONTINUATION else WORD
            var i = if (continues) 2 else 0
            while (i < token.length) {
                val codePoint = token.codePointAt(i)
                node = step(node, codePoint)
                i += Character.charCount(codePoint)
            }
            return node
        }

        private fun nextOrNew(node: Int, codePoint: Int): Int {
            val slot = slotOf(node, codePoint)
            if (slots[slot] != NOWHERE) return slots[slot]
            if (size == parents.size) grow()
            parents[size] = node
            codePoints[size] = codePoint
            slots[slotOf(node, codePoint)] = size
            return size++
        }

        /** The slot that holds the child, or the free one where it would go. */
        private fun slotOf(node: Int, codePoint: Int): Int {
            val mask = slots.size - 1
            val product = (node * 31 + codePoint) * GOLDEN_RATIO
            var slot = (product xor (product ushr 15)) and mask
            while (true) {
                val child = slots[slot]
                if (child == NOWHERE) return slot
                if (parents[child] == node && codePoints[child] == codePoint) return slot
                slot = (slot + 1) and mask
            }
        }

        private fun grow() {
            parents = parents.copyOf(2 * size)
            codePoints = codePoints.copyOf(2 * size)
            ids = ids.copyOf(2 * size)
            ids.fill(NO_TOKEN, size)
            slots = IntArray(8 * size)
            for (child in CONTINUATION + 1 until size) {
                slots[slotOf(parents[child], codePoints[child])] = child
            }
        }

        private companion object {
            const val INITIAL_NODES = 1 shl 12
            const val GOLDEN_RATIO = -0x61c88647
        }
    }
}

/** Decodes a file strictly. @throws BundleException that names the file and the line */
internal fun decodeUtf8(bytes: ByteArray, name: String): String {
    val input = ByteBuffer.wrap(bytes)
    val output = CharBuffer.allocate(bytes.size)
    val result = Charsets.UTF_8.newDecoder().decode(input, output, true)
    if (result.isError) {
        val position = input.position()
        val line = 1 + (0 until position).count { bytes[it] == '\n'.code.toByte() }
        val byte = Integer.toHexString(bytes[position].toInt() and 0xFF)
        throw BundleException("$name, line $line: byte 0x$byte is not UTF-8.")
    }
    output.flip()
    return output.toString()
}
