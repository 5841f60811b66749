package org.tinybert.demo.core

import java.io.DataInputStream

/**
 * What the tokenizer needs to know of a code point, of one Unicode version on every phone.
 *
 * The table is made by `tools/make_unicode_table.py`, which describes the file. A code point
 * belongs to a block, the block names its record, and the record holds its properties, its lower
 * case, and its canonical decomposition without accents.
 */
internal class UnicodeTable private constructor(input: DataInputStream) {
    private val blockSize = input.readUnsignedShort()
    private val blockShift = Integer.numberOfTrailingZeros(blockSize)
    private val blocks = CharArray(input.readUnsignedShort() * blockSize)
    private val blockOfCodePoint = input.readChars(CharArray(CODE_POINTS / blockSize))
    private val properties: CharArray
    private val mappingEnds: CharArray
    private val mappings: IntArray

    init {
        input.readChars(blocks)
        val records = input.readUnsignedShort()
        properties = input.readChars(CharArray(records))
        mappingEnds = input.readChars(CharArray(MAPPINGS * records))
        mappings = IntArray(input.readUnsignedShort()) { input.readInt() }
    }

    /** The record of a code point; a lone surrogate is like U+FFFD, which cleaning drops. */
    fun record(codePoint: Int): Int {
        val block = blockOfCodePoint[codePoint ushr blockShift].code
        return blocks[(block shl blockShift) or (codePoint and (blockSize - 1))].code
    }

    /** Whether a record has one of the constants below. */
    fun has(record: Int, property: Int): Boolean = properties[record].code and property != 0

    /** Compares canonical combining classes; 0 is a starter. */
    fun combiningRank(record: Int): Int = properties[record].code ushr RANK_SHIFT

    /** The mapping to a record's lower case. */
    fun lowered(record: Int): Int = MAPPINGS * record

    /** The mapping to a record's decomposition without accents. */
    fun stripped(record: Int): Int = MAPPINGS * record + 1

    /** Where a mapping begins among all mappings; it goes on to [mappingEnd]. */
    fun mappingStart(mapping: Int): Int = if (mapping == 0) 0 else mappingEnds[mapping - 1].code

    fun mappingEnd(mapping: Int): Int = mappingEnds[mapping].code

    /** A code point of a mapping, or [DROPPED_STARTER]. */
    fun mappedCodePoint(index: Int): Int = mappings[index]

    companion object {
        const val DROPPED = 1
        const val SPACE = 2
        const val PUNCTUATION = 4
        const val CHINESE = 8
        const val CASED = 16
        const val CASE_IGNORABLE = 32
        const val LOWERED = 64
        const val STRIPPED = 128

        /** Stands in a mapping for an accent of class 0, which marks are not sorted across. */
        const val DROPPED_STARTER = 0

        private const val RANK_SHIFT = 8
        private const val MAPPINGS = 2
        private const val CODE_POINTS = 0x110000

        // From the root: R8 gives the class another package, and leaves resources where they are.
        private const val RESOURCE = "/org/tinybert/demo/core/unicode.bin"

        /** The table, read once, when the first tokenizer is made. */
        val instance: UnicodeTable by lazy {
            val stream = UnicodeTable::class.java.getResourceAsStream(RESOURCE)
            checkNotNull(stream) {
                "The resource $RESOURCE is missing. The build must " +
                    "package the Java resources of core."
            }
            DataInputStream(stream.buffered()).use { UnicodeTable(it) }
        }

        private fun DataInputStream.readChars(chars: CharArray): CharArray {
            for (i in chars.indices) chars[i] = readChar()
            return chars
        }
    }
}
