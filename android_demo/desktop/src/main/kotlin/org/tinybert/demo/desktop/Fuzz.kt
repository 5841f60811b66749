package org.tinybert.demo.desktop

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import kotlin.system.exitProcess
import org.tinybert.demo.core.BertPreprocessor
import org.tinybert.demo.core.BertTokenizer
import org.tinybert.demo.core.Encoded
import org.tinybert.demo.core.Vocabulary

/**
 * The Kotlin side of `tools/fuzz_tokenizer.py`: texts in blocks, and the hash of what the tokenizer
 * and the preprocessor make of a block.
 */
class Fuzz(private val seed: Long, vocabulary: Vocabulary) {
    private val tokens =
        (List(vocabulary.size) { vocabulary.token(it) } + FuzzTexts.ADDED.map { it.content })
            .distinct()
    private val preprocessors = tokenizers().map { BertPreprocessor(it) }

    /** As `Fuzz.tokenizers` of `tools/fuzz_tokenizer.py`, in the same order. */
    private fun tokenizers(): List<BertTokenizer> {
        val vocabulary = Vocabulary.read(tokens.joinToString("\n").toByteArray(), "vocab.txt")
        val added = FuzzTexts.ADDED
        return listOf(
            BertTokenizer(vocabulary, lowercase = true),
            BertTokenizer(vocabulary, lowercase = false),
            BertTokenizer(vocabulary, lowercase = true, stripAccents = false),
            BertTokenizer(
                vocabulary,
                lowercase = false,
                stripAccents = true,
                tokenizeChineseCharacters = false,
            ),
            BertTokenizer(vocabulary, lowercase = true, addedTokens = added),
            BertTokenizer(
                vocabulary,
                lowercase = true,
                stripAccents = false,
                tokenizeChineseCharacters = false,
                addedTokens = added,
            ),
            BertTokenizer(vocabulary, lowercase = false, addedTokens = added),
            BertTokenizer(vocabulary, lowercase = true, tokenizeChineseCharacters = false),
        )
    }

    /**
     * Encodes the texts of a block, of one length from 8 to 512: each of eight blocks has another
     * tokenizer, every other eight have pairs.
     */
    fun encodeBlock(block: Int): List<Encoded> {
        val texts = FuzzTexts(seed + block, tokens)
        val length = 8 + texts.below(505)
        val textCount = if (block / preprocessors.size % 2 == 0) 1 else 2
        val preprocessor = preprocessors[block % preprocessors.size]
        return List(TEXTS_PER_BLOCK) {
            preprocessor.encode(List(textCount) { texts.next() }, length)
        }
    }

    /** SHA-256 of, for each example, the number of tokens, the ids and the segment ids, int32. */
    fun hashOfBlock(block: Int): String {
        val digest = MessageDigest.getInstance("SHA-256")
        for (encoded in encodeBlock(block)) {
            val numbers = intArrayOf(encoded.ids.size) + encoded.ids + encoded.segmentIds
            val bytes = ByteBuffer.allocate(4 * numbers.size).order(ByteOrder.LITTLE_ENDIAN)
            bytes.asIntBuffer().put(numbers)
            digest.update(bytes)
        }
        return digest.digest().joinToString("") { "%02x".format(it) }
    }

    companion object {
        const val TEXTS_PER_BLOCK = 100
    }
}

/**
 * `FuzzKt VOCABULARY SEED hashes BLOCKS` prints the hash of every block, `FuzzKt VOCABULARY SEED
 * ids BLOCK` the ids of every example of one.
 */
fun main(arguments: Array<String>) {
    if (arguments.size != 4 || arguments[2] !in setOf("hashes", "ids")) {
        System.err.println("usage: FuzzKt VOCABULARY SEED hashes|ids NUMBER")
        exitProcess(2)
    }
    val (path, seed, command, number) = arguments
    val fuzz = Fuzz(seed.toLong(), Vocabulary.read(File(path).readBytes(), path))
    when (command) {
        "hashes" -> for (block in 0 until number.toInt()) println(fuzz.hashOfBlock(block))
        "ids" -> fuzz.encodeBlock(number.toInt()).forEach { println(it.ids.joinToString(" ")) }
    }
}
