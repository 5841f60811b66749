package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

/** Accents, Chinese characters and added tokens; what texts become is as in Hugging Face's tokenizers. */
class TokenizerSettingsTest {
    private val special = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

    private fun assertPieces(tokenizer: BertTokenizer, vararg expected: Pair<String, List<String>>) {
        for ((text, pieces) in expected) {
            assertEquals(pieces, tokenizer.tokenize(text).map { tokenizer.token(it) }, text)
        }
    }

    @Test
    fun `accents are kept under lower case`() {
        val words = listOf("cafe", "café", "cafe\u0301", "über", "uber", "##s", "中", "国")
        assertPieces(
            BertTokenizer(vocabularyOf(special + words), lowercase = true, stripAccents = false),
            "Café cafe CAFÉ" to listOf("café", "cafe", "café"),
            "ÜBERs Uber" to listOf("über", "##s", "uber"),
            "CAFE\u0301 中国" to listOf("cafe\u0301", "中", "国"),
        )
    }

    @Test
    fun `accents are dropped and case is kept`() {
        val words = listOf("Cafe", "cafe", "Café", "café", "uber", "The", "the")
        assertPieces(
            BertTokenizer(vocabularyOf(special + words), lowercase = false, stripAccents = true),
            "Café cafe\u0301 café" to listOf("Cafe", "cafe", "cafe"),
            "über ÜBER The the" to listOf("uber", "[UNK]", "The", "the"),
        )
    }

    @Test
    fun `marks are sorted where accents are dropped, and there alone`() {
        // U+302E has class 224, U+1D165 class 216; U+034F is an accent of class 0.
        val marks = listOf("a\u302E\uD834\uDD65", "a\uD834\uDD65\u302E", "q")
        val vocabulary = vocabularyOf(special + marks)
        val texts = marks.take(2).joinToString(" ") + " a\u302E\u034F\uD834\uDD65"
        for (added in listOf(emptyList(), listOf(AddedToken("q", normalized = true)))) {
            for (lowercase in listOf(true, false)) {
                val strips = BertTokenizer(vocabulary, lowercase, 100, true, true, added)
                assertEquals(listOf(6, 6, 5), strips.tokenize(texts).toList())
                val keeps = BertTokenizer(vocabulary, lowercase, 100, false, true, added)
                assertEquals(listOf(5, 6, 1), keeps.tokenize(texts).toList())
            }
        }
    }

    @Test
    fun `Chinese characters stay together`() {
        val words = listOf("中", "国", "中国", ",", "the")
        val vocabulary = vocabularyOf(special + words)
        assertPieces(
            BertTokenizer(vocabulary, lowercase = true, tokenizeChineseCharacters = false),
            "中国 中,国" to listOf("中国", "中", ",", "国"),
            "国 国中 the中国" to listOf("国", "[UNK]", "[UNK]"),
        )
        assertPieces(
            BertTokenizer(vocabulary, lowercase = true),
            "中国 the中国" to listOf("中", "国", "the", "中", "国"),
        )
    }

    private val added =
        listOf(
            AddedToken("[URL]", normalized = false),
            AddedToken("covid", normalized = true),
            AddedToken("new york", normalized = true),
            AddedToken("naïve", normalized = true),
            AddedToken("<b", normalized = false),
            AddedToken("<b>", normalized = false),
            AddedToken("ΟΔΟΣ", normalized = true),
        )
    private val vocabulary =
        vocabularyOf(
            special +
                added.map { it.content } +
                listOf("the", "url", "[", "]", "x", "a", ",", "new", "york", "οδοσα")
        )

    private fun withAdded(lowercase: Boolean) =
        BertTokenizer(vocabulary, lowercase, addedTokens = added)

    @Test
    fun `added tokens are found as given or normalized, the longest first`() =
        assertPieces(
            withAdded(lowercase = true),
            "see [URL] the[URL]s" to listOf("[UNK]", "[URL]", "the", "[URL]", "[UNK]"),
            "[url] [U\u00ADRL]" to listOf("[", "url", "]", "[", "url", "]"),
            "COVID xcovidx co\u00ADvid" to listOf("covid", "x", "covid", "x", "covid"),
            "New York, new  york" to listOf("new york", ",", "new", "york"),
            "Naïve NAÏVE naive" to listOf("naïve", "naïve", "naïve"),
            "a<b>a <b a" to listOf("a", "<b>", "a", "<b", "a"),
            "[URL][URL] the [URL" to listOf("[URL]", "[URL]", "the", "[", "url"),
            "covidcovid" to listOf("covid", "covid"),
            "" to listOf(),
            "[URL]" to listOf("[URL]"),
            // Neither may be a character's half.
            "\uD83D[URL]\uDE00 covid\uD83D" to listOf("[URL]", "covid"),
        )

    @Test
    fun `a cased model's added tokens keep case and accents`() =
        assertPieces(
            withAdded(lowercase = false),
            "COVID xcovidx co\u00ADvid" to listOf("[UNK]", "x", "covid", "x", "covid"),
            "Naïve naïvex naive nai\u0308ve" to
                listOf("[UNK]", "naïve", "x", "[UNK]", "[UNK]"),
            "[URL] [url]" to listOf("[URL]", "[", "url", "]"),
        )

    @Test
    fun `a sigma is final before an added token`() =
        assertPieces(
            withAdded(lowercase = true),
            "ΟΔΟΣ ΟΔΟΣ[URL]Α ΟΔΟΣΑ" to listOf("ΟΔΟΣ", "ΟΔΟΣ", "[URL]", "[UNK]", "οδοσα"),
        )

    @Test
    fun `with added tokens it stops at the tokens that are asked for, too`() {
        val tokenizer = withAdded(lowercase = true)
        val text = "the [URL]covid, xcovidx New York naïve[URL] "
        val all = tokenizer.tokenize(text)
        assertEquals(10, all.size)
        for (most in 0..12) {
            val expected = all.copyOf(minOf(most, all.size))
            assertArrayEquals(expected, tokenizer.tokenize(text, most))
        }
    }

    @Test
    fun `refuses an added token that no text can become`() {
        val wrong =
            listOf(
                AddedToken("other", normalized = false) to "is not in the vocabulary",
                AddedToken("\u0301", normalized = true) to "is empty in a text",
            )
        for ((token, message) in wrong) {
            val failure =
                assertThrows<BundleException> {
                    val tokens = vocabularyOf(special + "\u0301")
                    BertTokenizer(tokens, lowercase = true, addedTokens = listOf(token))
                }
            assertTrue("“${token.content}” $message" in failure.message!!, failure.message)
        }
    }
}
