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

    /** Goes on from a node of the trie by one code point; [Trie.NOWHERE] if no token does. */
    internal fun next(node: Int, codePoint: Int): Int = trie.next(node, codePoint)

    /** The id of the token that ends at a node, or [Trie.NO_TOKEN]. */
    internal fun idAt(node: Int): Int = trie.idAt(node)

    /** The id of a token, or null. */
    internal fun idOf(token: String): Int? = trie.idOf(token).takeIf { it != Trie.NO_TOKEN }

    companion object {
        private const val PAD = "[PAD]"
        private const val UNKNOWN = "[UNK]"
        private const val CLASSIFICATION = "[CLS]"
        private const val SEPARATOR = "[SEP]"
        private const val INITIAL_NODES = 1 shl 12

        internal const val WORD = 1
        internal const val CONTINUATION = 2

        private fun Trie.idOf(token: String): Int =
            if (isContinuation(token)) idAt(find(token, CONTINUATION, start = 2))
            else idAt(find(token, WORD))

        private fun Trie.addToken(token: String, id: Int): Int =
            if (isContinuation(token)) add(token, id, CONTINUATION, start = 2)
            else add(token, id, WORD)

        private fun isContinuation(token: String) = token.length > 2 && token.startsWith("##")

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
            val trie = Trie(roots = 2, nodes = INITIAL_NODES)
            var start = 0
            while (start < text.length) {
                val newline = text.indexOf('\n', start)
                val end = if (newline < 0) text.length else newline
                val token = text.substring(start, end).removeSuffix("\r")
                val line = tokens.size + 1
                if (token.isEmpty()) {
                    throw BundleException(Problem.TOKEN_EMPTY, name, line)
                }
                val earlier = trie.addToken(token, tokens.size)
                if (earlier != Trie.NO_TOKEN) {
                    throw BundleException(Problem.TOKEN_REPEATED, name, line, token, earlier + 1)
                }
                tokens.add(token)
                start = end + 1
            }
            val missing =
                listOf(PAD, UNKNOWN, CLASSIFICATION, SEPARATOR).filter {
                    trie.idOf(it) == Trie.NO_TOKEN
                }
            if (missing.isNotEmpty()) {
                throw BundleException(Problem.TOKEN_MISSING, name, missing.joinToString())
            }
            return Vocabulary(tokens, trie)
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
        throw BundleException(Problem.NOT_UTF8, name, line, byte)
    }
    output.flip()
    return output.toString()
}
