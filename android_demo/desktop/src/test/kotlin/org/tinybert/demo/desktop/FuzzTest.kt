package org.tinybert.demo.desktop

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.tinybert.demo.core.Vocabulary

/** 6,400 texts and pairs against hashes that `tools/fuzz_tokenizer.py --write_expected` made. */
class FuzzTest {
    private val vocabulary = Vocabulary.read(resource("vocab.txt").readBytes(), "vocab.txt")
    private val fuzz = Fuzz(seed = 20, vocabulary)

    @Test
    fun `as the Python tokenizer`() {
        val expected = resource("fuzz_hashes.txt").readText().trim().lines()
        assertEquals(64, expected.size)
        assertEquals(expected, List(expected.size) { fuzz.hashOfBlock(it) })
    }

    @Test
    fun `the blocks are of every kind`() {
        val blocks = List(64) { fuzz.encodeBlock(it) }
        val examples = blocks.flatten()
        val unknown = examples.sumOf { encoded -> encoded.ids.count { it == vocabulary.unknownId } }
        assertTrue(unknown < examples.sumOf { it.ids.size } / 2, "$unknown ids are [UNK]")
        assertTrue(examples.count { it.isTruncated } in 640..5760)
        val lengths = blocks.map { block -> block.maxOf { it.ids.size } }
        assertTrue(lengths.min() < 40 && lengths.max() > 450, "$lengths")
    }
}
