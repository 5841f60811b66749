package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

/** Literal ids; most are those of the Python tokenizer's tests. */
class BertTokenizerTest {
    private val special = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    private val words =
        listOf(
            "un",
            "##aff",
            "##able",
            "the",
            "cafe",
            ",",
            "!",
            "[",
            "]",
            "sep",
            "中",
            "国",
            "я",
            "##я",
        )
    private val tokenizer = tokenizer(special + words)

    private fun tokenizer(tokens: List<String>, lowercase: Boolean = true, limit: Int = 100) =
        BertTokenizer(vocabularyOf(tokens), lowercase, limit)

    private fun assertIds(expected: List<Int>, text: String, by: BertTokenizer = tokenizer) =
        assertEquals(expected, by.tokenize(text).toList(), text)

    @Test
    fun texts() {
        val expected =
            listOf(
                "" to listOf(),
                " \t\r\n\u3000\u2028" to listOf(),
                "Unaffable, the CAFÉ!" to listOf(5, 6, 7, 10, 8, 9, 11),
                "cafe\u0301" to listOf(9),
                "th\u00ADe" to listOf(8),
                "the\u200Bcafe" to listOf(1),
                "the\u00A0cafe\tthe\ncafe" to listOf(8, 9, 8, 9),
                "the\u0000\uFFFD\u0007" to listOf(8),
                "中国the" to listOf(15, 16, 8),
                "[SEP] [sep]" to listOf(12, 14, 13, 12, 14, 13),
                "[UNK]" to listOf(12, 1, 13),
                "unaff unaffx" to listOf(5, 6, 1),
                "\uD83D\uDE00" to listOf(1),
            )
        for ((text, ids) in expected) assertIds(ids, text)
    }

    @Test
    fun `a cased model keeps case and accents`() {
        val cased =
            tokenizer(
                special.take(4) + listOf("the", "The", "é", "É", "e", "\u0301", "##\u0301", "Ä"),
                lowercase = false,
            )
        assertIds(listOf(4, 5, 1), "the The THE", cased)
        assertIds(listOf(6, 7, 1), "é É E", cased)
        assertIds(listOf(8, 10), "e\u0301", cased)
        assertIds(listOf(9), "\u0301", cased)
        assertIds(listOf(11, 1), "Ä \u0391", cased)
        assertIds(listOf(4, 5), "t\u00ADhe\u00A0The\u0007", cased)
    }

    @Test
    fun `a cased model does not sort marks`() {
        // U+302E has class 224, U+1D165 class 216.
        val marks = listOf("a\u302E\uD834\uDD65", "a\uD834\uDD65\u302E")
        val cased = tokenizer(special + marks, lowercase = false)
        assertIds(listOf(5, 6), marks.joinToString(" "), cased)
        assertIds(listOf(6, 6), marks.joinToString(" "), tokenizer(special + marks))
    }

    @Test
    fun `marks are not sorted across a dropped starter`() {
        // U+034F is an accent of class 0.
        val marks = listOf("a\u302E\uD834\uDD65", "a\uD834\uDD65\u302E")
        assertIds(listOf(5), "a\u302E\u034F\uD834\uDD65", tokenizer(special + marks))
    }

    @Test
    fun `words are limited to 100 characters, not bytes or chars`() {
        assertIds(listOf(17) + List(99) { 18 }, "я".repeat(100))
        assertIds(listOf(1), "я".repeat(101))
        assertIds(listOf(17) + List(99) { 18 }, "я" + "я\u0301".repeat(99))
        assertIds(listOf(8, 1, 8), "the ${"x".repeat(101)} the")
        val deseret = tokenizer(special + listOf("\uD801\uDC28", "##\uD801\uDC28"))
        assertIds(listOf(5) + List(99) { 6 }, "\uD801\uDC00".repeat(100), deseret)
        assertIds(listOf(1), "\uD801\uDC00".repeat(101), deseret)
    }

    @Test
    fun `the limit may be another`() {
        val short = tokenizer(special + listOf("a", "##a"), limit = 2)
        assertIds(listOf(5, 6, 1), "aa aaa", short)
        assertThrows<IllegalArgumentException> { tokenizer(special, limit = 0) }
    }

    @Test
    fun `a lone surrogate is dropped`() {
        for (surrogate in listOf("\uD800", "\uDBFF", "\uDC00", "\uDFFF", "\uDC00\uD800")) {
            assertIds(listOf(8, 9), "${surrogate}th${surrogate}e caf${surrogate}e$surrogate")
            assertIds(listOf(), surrogate)
        }
        val cased = tokenizer(special + "the", lowercase = false)
        assertIds(listOf(5), "th\uD800e", cased)
    }

    @Test
    fun `a sigma is final after a letter and before none`() {
        val sigmas =
            tokenizer(special + listOf("σας", "σασ", "σ", "ς", "ας", "ασ", "α", ".", "-", "ασα"))
        assertIds(listOf(5), "ΣΑΣ", sigmas)
        assertIds(listOf(5), "ΣΑΣ\u0301\u200D", sigmas)
        assertIds(listOf(5, 12), "ΣΑΣ.", sigmas)
        // A full stop is ignored between letters, a hyphen is not.
        assertIds(listOf(6, 12, 8), "ΣΑΣ.Σ", sigmas)
        assertIds(listOf(9, 13, 7), "ΑΣ-Σ", sigmas)
        assertIds(listOf(10, 12, 11), "ΑΣ.Α", sigmas)
        assertIds(listOf(7), "Σ", sigmas)
        // What cleaning drops does not stand between.
        assertIds(listOf(14, 14), "ΑΣ\u0007Α ΑΣ\uD800Α", sigmas)
        assertIds(listOf(5), "ΣΑΣ\u0007", sigmas)
    }

    @Test
    fun `tokens may hold any character, and piece by piece the longest wins`() {
        val letters = tokenizer(special + listOf("a", "ab", "##b", "##bc", "##c", "##", "#"))
        assertIds(listOf(6, 9), "abc", letters)
        assertIds(listOf(5, 1, 11, 11), "a ad# #", letters)
    }

    @Test
    fun `stops at the tokens that are asked for`() {
        val text = "Unaffable, the CAFÉ! "
        for (most in 0..20) {
            val all = tokenizer.tokenize(text.repeat(2))
            val expected = all.copyOf(minOf(most, all.size))
            assertArrayEquals(expected, tokenizer.tokenize(text.repeat(2), most))
        }
    }

    @Test
    fun `a megabyte is tokenized to its end`() {
        val text = "Unaffable, the CAFÉ! ".repeat(50_000)
        val ids = tokenizer.tokenize(text)
        assertEquals(7 * 50_000, ids.size)
        assertArrayEquals(intArrayOf(8, 9, 11), ids.copyOfRange(ids.size - 3, ids.size))
        assertIds(listOf(1), "x".repeat(1 shl 20))
        assertIds(listOf(), "\uD800".repeat(1 shl 20))
    }

    @Test
    fun `is safe to share between threads`() {
        val text = "Unaffable, the CAFÉ! я\u0301中国 ".repeat(2000)
        val expected = tokenizer.tokenize(text)
        val results = arrayOfNulls<IntArray>(4)
        val threads = results.indices.map { i -> Thread { results[i] = tokenizer.tokenize(text) } }
        threads.forEach { it.start() }
        threads.forEach { it.join() }
        for (result in results) assertArrayEquals(expected, result)
    }
}
