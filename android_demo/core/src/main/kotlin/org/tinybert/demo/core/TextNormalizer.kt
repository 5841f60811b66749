package org.tinybert.demo.core

/**
 * Cleans and normalizes text as the Python tokenizer does.
 *
 * Control and format characters are dropped, and every separator is a space. What is left is put
 * into lower case if [lowercase], and decomposed, without its accents, if [stripAccents].
 */
internal class TextNormalizer(private val lowercase: Boolean, val stripAccents: Boolean) {
    private val unicode = UnicodeTable.instance

    /** Takes what a text becomes, piece by piece. */
    interface Output {
        /** Whether it has enough. */
        val isFull: Boolean

        /** What is added next comes from the character at a place of the text. */
        fun startCharacter(index: Int)

        fun add(codePoint: Int, record: Int)

        fun addSpace()

        /** What follows is not sorted in before what was added. */
        fun keepMarksApart()
    }

    /** Normalizes a part of a text, as if it stood alone. */
    fun normalize(text: String, start: Int, end: Int, output: Output) {
        var isAfterCased = false
        var i = start
        while (i < end && !output.isFull) {
            val codePoint = text.codePointAt(i)
            val record = unicode.record(codePoint)
            output.startCharacter(i)
            i += Character.charCount(codePoint)
            if (unicode.has(record, UnicodeTable.DROPPED)) continue
            if (unicode.has(record, UnicodeTable.SPACE)) {
                output.addSpace()
                isAfterCased = false
                continue
            }
            if (!lowercase) {
                addStripped(codePoint, record, output)
                continue
            }
            if (codePoint == CAPITAL_SIGMA && isAfterCased && !isCasedNext(text, i, end)) {
                output.add(FINAL_SIGMA, unicode.record(FINAL_SIGMA))
            } else {
                addLowered(codePoint, record, output)
            }
            if (!unicode.has(record, UnicodeTable.CASE_IGNORABLE)) {
                isAfterCased = unicode.has(record, UnicodeTable.CASED)
            }
        }
    }

    /** Whether a character is an accent, of which nothing is left. */
    fun isDroppedAccent(codePoint: Int): Boolean {
        val record = unicode.record(codePoint)
        if (!stripAccents || !unicode.has(record, UnicodeTable.STRIPPED)) return false
        val mapping = unicode.stripped(record)
        return (unicode.mappingStart(mapping) until unicode.mappingEnd(mapping)).all {
            unicode.mappedCodePoint(it) == UnicodeTable.DROPPED_STARTER
        }
    }

    /** Whether a cased character follows, with nothing but case-ignorable ones between. */
    private fun isCasedNext(text: String, start: Int, end: Int): Boolean {
        var i = start
        while (i < end) {
            val codePoint = text.codePointAt(i)
            val record = unicode.record(codePoint)
            val isSkipped = UnicodeTable.DROPPED or UnicodeTable.CASE_IGNORABLE
            if (!unicode.has(record, isSkipped)) return unicode.has(record, UnicodeTable.CASED)
            i += Character.charCount(codePoint)
        }
        return false
    }

    private fun addLowered(codePoint: Int, record: Int, output: Output) {
        if (!unicode.has(record, UnicodeTable.LOWERED)) {
            addStripped(codePoint, record, output)
            return
        }
        val mapping = unicode.lowered(record)
        for (i in unicode.mappingStart(mapping) until unicode.mappingEnd(mapping)) {
            val lowered = unicode.mappedCodePoint(i)
            addStripped(lowered, unicode.record(lowered), output)
        }
    }

    private fun addStripped(codePoint: Int, record: Int, output: Output) {
        if (!stripAccents) {
            output.add(codePoint, record)
        } else if (codePoint in FIRST_HANGUL..LAST_HANGUL) {
            addHangul(codePoint - FIRST_HANGUL, output)
        } else if (!unicode.has(record, UnicodeTable.STRIPPED)) {
            output.add(codePoint, record)
        } else {
            val mapping = unicode.stripped(record)
            for (i in unicode.mappingStart(mapping) until unicode.mappingEnd(mapping)) {
                val mapped = unicode.mappedCodePoint(i)
                if (mapped == UnicodeTable.DROPPED_STARTER) {
                    output.keepMarksApart()
                } else {
                    output.add(mapped, unicode.record(mapped))
                }
            }
        }
    }

    private fun addHangul(syllable: Int, output: Output) {
        val leading = FIRST_LEADING_JAMO + syllable / (VOWELS * TRAILINGS)
        val vowel = FIRST_VOWEL_JAMO + syllable / TRAILINGS % VOWELS
        val trailing = syllable % TRAILINGS
        output.add(leading, unicode.record(leading))
        output.add(vowel, unicode.record(vowel))
        if (trailing > 0) {
            val jamo = BEFORE_TRAILING_JAMO + trailing
            output.add(jamo, unicode.record(jamo))
        }
    }

    private companion object {
        const val CAPITAL_SIGMA = 0x3A3
        const val FINAL_SIGMA = 0x3C2

        const val FIRST_HANGUL = 0xAC00
        const val LAST_HANGUL = 0xD7A3
        const val FIRST_LEADING_JAMO = 0x1100
        const val FIRST_VOWEL_JAMO = 0x1161
        const val BEFORE_TRAILING_JAMO = 0x11A7
        const val VOWELS = 21
        const val TRAILINGS = 28
    }
}

/**
 * Code points in the order that canonical decomposition gives them.
 *
 * @param sortsMarks whether a combining mark goes before those of higher rank
 */
internal class CodePoints(capacity: Int, private val sortsMarks: Boolean) {
    private val unicode = UnicodeTable.instance
    private var values = IntArray(capacity)

    /** Where the combining marks begin that may still be sorted. */
    private var marksStart = 0

    var size = 0
        private set

    operator fun get(index: Int): Int = values[index]

    fun add(codePoint: Int, record: Int) {
        if (size == values.size) values = values.copyOf(2 * size)
        val rank = if (sortsMarks) unicode.combiningRank(record) else 0
        var i = size++
        if (rank == 0) {
            marksStart = size
        } else {
            while (i > marksStart && unicode.combiningRank(unicode.record(values[i - 1])) > rank) {
                values[i] = values[i - 1]
                i--
            }
        }
        values[i] = codePoint
    }

    fun keepMarksApart() {
        marksStart = size
    }

    fun clear() {
        size = 0
        marksStart = 0
    }

    /** All of them as a text. */
    override fun toString(): String = String(values, 0, size)
}
