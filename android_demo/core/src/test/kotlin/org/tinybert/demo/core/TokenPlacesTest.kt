package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class TokenPlacesTest {
    private val vocabulary =
        vocabularyOf(listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "caf", "##e", "!", "\u4e2d", "ss"))

    private fun pieces(text: String, tokenizer: BertTokenizer): List<String> {
        val tokens = tokenizer.tokenizeWithPlaces(text)
        assertEquals(tokenizer.tokenize(text).toList(), tokens.ids.toList())
        return tokens.ids.indices.map { text.substring(tokens.starts[it], tokens.ends[it]) }
    }

    private fun pieces(text: String) = pieces(text, BertTokenizer(vocabulary, lowercase = true))

    @Test
    fun `tokens are parts of the text as it was given`() {
        assertEquals(listOf("CAF", "É", "!"), pieces("  CAFÉ! "))
        assertEquals(listOf("\u4e2d", "caf", "e"), pieces("\u4e2dcafe"))
        // Beyond the characters of one half in UTF-16.
        assertEquals(listOf("\uD83D\uDE00", "!"), pieces("\uD83D\uDE00!"))
        assertEquals(emptyList<String>(), pieces("\u0301 \u200B"))
    }

    @Test
    fun `accents that are dropped belong to their letter, other characters to none`() {
        assertEquals(listOf("ca\u0301f", "e\u0301\u0323", "!"), pieces("ca\u0301fe\u0301\u0323!"))
        assertEquals(listOf("c\u00ADaf", "e"), pieces("c\u00ADaf\u00ADe\u200B"))
    }

    @Test
    fun `a word that is not known, or too long, is one token`() {
        assertEquals(listOf("xy\u0301z", "!"), pieces("xy\u0301z!"))
        val long = "x".repeat(300)
        assertEquals(listOf(long, "caf"), pieces("$long caf"))
    }

    @Test
    fun `an accent that stays is a character of the word`() {
        val keeping = BertTokenizer(vocabulary, lowercase = true, stripAccents = false)
        assertEquals(listOf("cafe\u0301"), pieces("cafe\u0301", keeping))
    }

    @Test
    fun `added tokens have no place`() {
        val added = listOf(AddedToken("ss", normalized = false))
        val tokenizer = BertTokenizer(vocabulary, lowercase = true, addedTokens = added)
        assertThrows<IllegalArgumentException> { tokenizer.tokenizeWithPlaces("ss") }
    }
}
