package org.tinybert.demo.core

import java.lang.management.ManagementFactory
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What the tokenizer allocates does not grow with the characters, only with the ids. */
class TokenizerAllocationTest {
    private val tokenizer =
        BertTokenizer(
            vocabularyOf(listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a", "##b", ",")),
            lowercase = true,
        )

    /** Bytes that the second run of a text allocates; the first may load classes. */
    private fun allocatedBytes(text: String): Long {
        val bean = ManagementFactory.getThreadMXBean() as com.sun.management.ThreadMXBean
        val thread = Thread.currentThread().id
        tokenizer.tokenize(text)
        val before = bean.getThreadAllocatedBytes(thread)
        tokenizer.tokenize(text)
        return bean.getThreadAllocatedBytes(thread) - before
    }

    @Test
    fun `nothing is allocated per character`() {
        // Each is a million characters and gives one id, or none.
        val texts = listOf("x", "É", "\u1F82", "각", "Σ", "\u0301", "\uD834\uDD65", " ", "\uD800")
        for (text in texts) {
            val bytes = allocatedBytes(text.repeat(1_000_000 / text.length))
            assertTrue(bytes < 4096, "$bytes bytes for a million of \"$text\"")
        }
    }

    @Test
    fun `the ids are what is allocated`() {
        // An array that doubles, and the result: at most 4 (2 + 2 + 1) bytes an id.
        val text = "The Áb, ".repeat(150_000)
        val ids = 4 * 150_000
        assertEquals(ids, tokenizer.tokenize(text).size)
        val bytes = allocatedBytes(text)
        assertTrue(bytes < 20L * ids + 4096, "$bytes bytes for $ids ids")
    }
}
