package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class VocabularyTest {
    private val tokens = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b")

    private fun read(content: String) = Vocabulary.read(content.toByteArray(), "vocab.txt")

    private fun assertTokens(expected: List<String>, vocabulary: Vocabulary) =
        assertEquals(expected, List(vocabulary.size) { vocabulary.token(it) })

    @Test
    fun `reads one token a line`() {
        assertTokens(tokens, read(tokens.joinToString("\n") + "\n"))
        assertTokens(tokens, read(tokens.joinToString("\n")))
        assertTokens(tokens, read(tokens.joinToString("\r\n") + "\r\n"))
        assertTokens(tokens, read("\uFEFF" + tokens.joinToString("\n") + "\n"))
    }

    @Test
    fun `splits at newlines only`() {
        val odd = tokens + listOf("\u0085", "\u2028", "\u2029", "\u000B", "\u001C", "\u3000", "##")
        assertTokens(odd, read(odd.joinToString("\n") + "\n"))
    }

    @Test
    fun `special tokens may have any id`() {
        val vocabulary = read("the\n[SEP]\n[UNK]\n[PAD]\n[CLS]")
        assertEquals(3, vocabulary.padId)
        assertEquals(2, vocabulary.unknownId)
        assertEquals(4, vocabulary.classificationId)
        assertEquals(1, vocabulary.separatorId)
    }

    @Test
    fun `holds many tokens`() {
        val words = List(40_000) { it.toString(7) + "x" }
        val many = tokens + words.map { "##$it" } + words
        val vocabulary = read(many.joinToString("\n"))
        assertTokens(many, vocabulary)
        val tokenizer = BertTokenizer(vocabulary, lowercase = true)
        assertEquals(words, tokenizer.tokenize(words.joinToString(" ")).map { tokenizer.token(it) })
    }

    @Test
    fun `refuses with file and line`() {
        val messages =
            listOf(
                "[PAD]\n[UNK]\na\n" to "has no [CLS], [SEP].",
                "" to "has no [PAD], [UNK], [CLS], [SEP].",
                tokens.joinToString("\n") + "\na" to "line 8: token “a” is already on line 6",
                "[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n" to "line 3: is empty",
                "[PAD]\n[UNK]\n[CLS]\n[SEP]\n\n" to "line 5: is empty",
                "[PAD]\r\n\r\n[UNK]\r\n" to "line 2: is empty",
            )
        for ((content, message) in messages) {
            val failure = assertThrows<BundleException>(content) { read(content) }
            assertTrue(failure.message!!.startsWith("vocab.txt"), failure.message)
            assertTrue(message in failure.message!!, failure.message)
        }
    }

    @Test
    fun `refuses what is not UTF-8`() {
        val wrong =
            listOf(
                "caf\u00E9".toByteArray(Charsets.ISO_8859_1) to "byte 0xe9",
                // A surrogate, an overlong slash, and a character that the end cuts.
                byteArrayOf(0xED.toByte(), 0xA0.toByte(), 0x80.toByte()) to "byte 0xed",
                byteArrayOf(0xC0.toByte(), 0xAF.toByte()) to "byte 0xc0",
                byteArrayOf(0xE2.toByte(), 0x82.toByte()) to "byte 0xe2",
            )
        for ((bytes, message) in wrong) {
            val failure =
                assertThrows<BundleException> {
                    Vocabulary.read("[PAD]\n[UNK]\n".toByteArray() + bytes, "vocab.txt")
                }
            assertTrue("vocab.txt, line 3: $message" in failure.message!!, failure.message)
        }
    }

    @Test
    fun `refuses an id outside`() {
        for (id in listOf(-1, 7)) {
            val failure = assertThrows<IllegalArgumentException> { vocabularyOf(tokens).token(id) }
            assertEquals("There is no token of id $id, expected 0 to 6.", failure.message)
        }
    }
}
