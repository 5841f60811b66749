package org.tinybert.demo.core

import kotlin.random.Random
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class BertPreprocessorTest {
    // Ids 5 to 30 and, of capital letters, 31 to 56.
    private val letters = ('a'..'z').joinToString("") + ('A'..'Z').joinToString("")
    private val tokens =
        listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") + letters.map { "$it" }
    private val preprocessor =
        BertPreprocessor(BertTokenizer(vocabularyOf(tokens), lowercase = false))

    private fun assertEncoded(
        texts: List<String>,
        length: Int,
        ids: List<Int>,
        segmentIds: List<Int>,
        isTruncated: Boolean,
    ) {
        val encoded = preprocessor.encode(texts.map { it.toList().joinToString(" ") }, length)
        assertEquals(ids, encoded.ids.toList(), "$texts $length")
        assertEquals(segmentIds, encoded.segmentIds.toList(), "$texts $length")
        assertEquals(isTruncated, encoded.isTruncated, "$texts $length")
    }

    @Test
    fun `single texts`() {
        assertEncoded(listOf("ab"), 8, listOf(2, 5, 6, 3), List(4) { 0 }, false)
        assertEncoded(listOf(""), 8, listOf(2, 3), List(2) { 0 }, false)
        assertEncoded(listOf("abcdef"), 8, listOf(2, 5, 6, 7, 8, 9, 10, 3), List(8) { 0 }, false)
        assertEncoded(listOf("abcdefg"), 8, listOf(2, 5, 6, 7, 8, 9, 10, 3), List(8) { 0 }, true)
    }

    /** `_truncate_seq_pair` of original BERT. */
    private fun truncate(first: MutableList<Int>, second: MutableList<Int>, length: Int) {
        while (first.size + second.size > length) {
            (if (first.size > second.size) first else second).removeLast()
        }
    }

    @Test
    fun `pairs are truncated longest first`() {
        val random = Random(0)
        val lengths =
            List(8) { a -> List(8) { b -> a to b } }.flatten() +
                List(200) { random.nextInt(27) to random.nextInt(27) }
        for (maxLength in listOf(3, 4, 5, 8, 11, 16, 23, 40)) {
            for ((a, b) in lengths) {
                val first = (5 until 5 + a).toMutableList()
                val second = (31 until 31 + b).toMutableList()
                truncate(first, second, maxLength - 3)
                assertEncoded(
                    listOf(letters.take(a), letters.drop(26).take(b)),
                    maxLength,
                    listOf(2) + first + 3 + second + 3,
                    List(first.size + 2) { 0 } + List(second.size + 1) { 1 },
                    isTruncated = a + b > maxLength - 3,
                )
            }
        }
    }

    @Test
    fun `a text that spells special tokens is plain`() {
        val encoded = preprocessor.encode(listOf("[PAD][SEP]"), 16)
        assertEquals(listOf(2, 1, 1, 1, 1, 1, 1, 3), encoded.ids.toList())
    }

    @Test
    fun `refuses other texts and lengths`() {
        assertThrows<IllegalArgumentException> { preprocessor.encode(listOf(), 8) }
        assertThrows<IllegalArgumentException> { preprocessor.encode(listOf("a", "b", "c"), 8) }
        assertThrows<IllegalArgumentException> { preprocessor.encode(listOf("a"), 2) }
    }
}
