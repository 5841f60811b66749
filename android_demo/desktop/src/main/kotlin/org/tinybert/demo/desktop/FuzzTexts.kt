package org.tinybert.demo.desktop

import org.tinybert.demo.core.AddedToken

/**
 * Texts over all of Unicode, the same as those of `tools/fuzz_tokenizer.py` for the same seed.
 *
 * Every number is drawn in the same order there; whoever changes one side changes the other.
 *
 * @param vocabulary whose tokens occur in the texts
 */
class FuzzTexts(seed: Long, private val vocabulary: List<String>) {
    private val random = SplitMix64(seed)

    /** A number from 0 to [limit] - 1. */
    fun below(limit: Int): Int = random.below(limit)

    /** The next text; it may hold lone surrogates. */
    fun next(): String {
        val text = StringBuilder()
        val pieces = if (below(16) == 0) below(300) else below(24)
        repeat(pieces) {
            addPiece(text)
            if (below(2) == 0) text.append(' ')
        }
        return text.toString()
    }

    private fun addPiece(text: StringBuilder) {
        when (below(14)) {
            0 -> addAll(text, 1 + below(12), ASCII_LETTERS)
            1,
            2 -> text.append(vocabulary[below(vocabulary.size)].removePrefix("##"))
            3 -> text.append(vocabulary[below(vocabulary.size)].uppercaseAscii())
            4 -> addAll(text, 1 + below(6), EVERYTHING)
            5 -> addAll(text, 1 + below(8), listOf(SCRIPTS[below(SCRIPTS.size)]))
            6 -> {
                addAll(text, 1, BASES)
                addAll(text, 1 + below(6), MARKS)
            }
            7 -> addLongWord(text)
            8 -> addAll(text, 1 + below(6), GREEK_WITH_SIGMAS)
            9 -> addAll(text, 1 + below(4), HANGUL)
            10 -> addAll(text, 1 + below(3), CONTROLS_AND_SPACES)
            11 -> addAll(text, 1 + below(3), PUNCTUATION)
            12 -> addAll(text, 1 + below(3), SURROGATES)
            13 -> text.append(SPELLED[below(SPELLED.size)])
        }
    }

    /** About as long as a word may be, so that both sides of the limit occur. */
    private fun addLongWord(text: StringBuilder) {
        val letter = 'a' + below(26)
        val marked = below(2) == 0
        repeat(90 + below(20)) {
            text.append(letter)
            if (marked && below(8) == 0) addAll(text, 1, MARKS)
        }
    }

    private fun addAll(text: StringBuilder, count: Int, ranges: List<IntRange>) {
        repeat(count) {
            val range = ranges[below(ranges.size)]
            text.appendCodePoint(range.first + below(range.last - range.first + 1))
        }
    }

    private fun String.uppercaseAscii(): String =
        map { if (it in 'a'..'z') it - 32 else it }.joinToString("")

    companion object {
        /** Tokens that the vocabularies of some blocks have beside their own. */
        val ADDED =
            listOf(
                AddedToken("[URL]", normalized = false),
                AddedToken("<b", normalized = false),
                AddedToken("<b>", normalized = false),
                AddedToken("e\u0301", normalized = false),
                AddedToken("\u4E2D", normalized = false),
                AddedToken("covid-19", normalized = true),
                AddedToken("new york", normalized = true),
                AddedToken("na\u00EFve", normalized = true),
                AddedToken("\u039F\u0394\u039F\u03A3", normalized = true),
                AddedToken("\u4E2D\u56FD", normalized = true),
                AddedToken("\uAC01", normalized = true),
                AddedToken("ing", normalized = true),
                AddedToken("Q", normalized = true),
                AddedToken("QUIZ", normalized = true),
                AddedToken("quiz", normalized = true),
            )

        private val ASCII_LETTERS = listOf(0x61..0x7A, 0x61..0x7A, 0x41..0x5A)
        private val EVERYTHING = listOf(0x0..0x10FFFF, 0x0..0xFFFF, 0x0..0x2FFF)
        private val SCRIPTS =
            listOf(
                0xC0..0x24F,
                0x370..0x3FF,
                0x400..0x52F,
                0x530..0x58F,
                0x590..0x5FF,
                0x600..0x6FF,
                0x900..0x97F,
                0x980..0x9FF,
                0xB80..0xBFF,
                0xE00..0xE7F,
                0xF00..0xFFF,
                0x1000..0x109F,
                0x10A0..0x10FF,
                0x13A0..0x13FF,
                0x1780..0x17FF,
                0x1B00..0x1B7F,
                0x1C80..0x1CBF,
                0x1E00..0x1EFF,
                0x1F00..0x1FFF,
                0x2100..0x214F,
                0x2150..0x218F,
                0x2460..0x24FF,
                0x2C00..0x2C5F,
                0x3040..0x30FF,
                0x3400..0x4DBF,
                0x4E00..0x9FFF,
                0xA640..0xA69F,
                0xA720..0xA7FF,
                0xAB30..0xABBF,
                0xF900..0xFAFF,
                0xFB00..0xFB4F,
                0xFF00..0xFFEF,
                0x10400..0x1044F,
                0x104B0..0x104FF,
                0x11080..0x110CF,
                0x11300..0x1137F,
                0x16E40..0x16E9F,
                0x1D100..0x1D1FF,
                0x1D400..0x1D7FF,
                0x1E900..0x1E95F,
                0x1F300..0x1F6FF,
                0x20000..0x2A6DF,
                0x2F800..0x2FA1F,
                0xE0000..0xE01EF,
            )
        private val BASES =
            listOf(0x41..0x5A, 0x61..0x7A, 0xC0..0xFF, 0x1E00..0x1EFF, 0x1D157..0x1D158)
        private val MARKS =
            listOf(
                0x300..0x36F,
                0x300..0x36F,
                0x483..0x489,
                0x591..0x5BD,
                0x64B..0x65F,
                0x93C..0x94D,
                0xE38..0xE4B,
                0xF71..0xF84,
                0x135D..0x135F,
                0x1A55..0x1A7F,
                0x1AB0..0x1ACE,
                0x1B34..0x1B44,
                0x1BE6..0x1BF3,
                0x1DC0..0x1DFF,
                0x20D0..0x20F0,
                0x302A..0x302F,
                0xA8C4..0xA8C5,
                0xA953..0xA953,
                0xFE20..0xFE2F,
                0x110B9..0x110BA,
                0x16FF0..0x16FF1,
                0x1D165..0x1D172,
                0x1D165..0x1D172,
                0x1E8D0..0x1E8D6,
                0x1E944..0x1E94A,
            )
        private val GREEK_WITH_SIGMAS =
            listOf(
                0x3A3..0x3A3,
                0x3A3..0x3A3,
                0x3C2..0x3C3,
                0x391..0x3C9,
                0x386..0x390,
                0x1F00..0x1FFE,
                0x41..0x42,
                0x20..0x20,
                0x27..0x27,
                0x2E..0x2E,
                0x3A..0x3A,
                0xAD..0xAD,
                0xB7..0xB7,
                0x2019..0x2019,
                0x300..0x301,
                0x345..0x345,
                0x31..0x32,
                0x200D..0x200D,
                0x2B0..0x2B2,
                0x130..0x131,
            )
        private val HANGUL =
            listOf(0xAC00..0xD7A3, 0xAC00..0xD7A3, 0x1100..0x11FF, 0x3130..0x318F)
        private val CONTROLS_AND_SPACES =
            listOf(
                0x0..0x20,
                0x7F..0xA0,
                0xAD..0xAD,
                0x600..0x605,
                0x1680..0x1680,
                0x180E..0x180E,
                0x2000..0x200F,
                0x2028..0x202F,
                0x205F..0x206F,
                0x3000..0x3000,
                0xFEFF..0xFEFF,
                0xFFF0..0xFFFF,
                0xE0001..0xE007F,
                0x10FFFE..0x10FFFF,
            )
        private val PUNCTUATION =
            listOf(
                0x21..0x2F,
                0x3A..0x40,
                0x5B..0x60,
                0x7B..0x7E,
                0xA1..0xBF,
                0x37E..0x387,
                0x2010..0x2027,
                0x2030..0x205E,
                0x3001..0x3030,
                0xFE10..0xFE6F,
                0x1FED..0x1FFE,
            )
        private val SURROGATES = listOf(0xD800..0xDBFF, 0xDC00..0xDFFF, 0x61..0x63)
        private val SPELLED =
            listOf(
                "[SEP]",
                "[CLS]",
                "[UNK]",
                "[PAD]",
                "[MASK]",
                "[sep]",
                "##",
                "##s",
                "#",
                "\u1E9E",
                "\u0130",
                "[url]",
                "<B>",
                "COVID\u00AD-19",
                "New York",
                "nai\u0308ve",
                "\u03BF\u03B4\u03BF\u03C3",
                "\u4E2D\u56FD\u4E2D",
            ) + ADDED.map { it.content }
    }
}

/** The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators". */
private class SplitMix64(private var state: Long) {
    fun below(limit: Int): Int {
        state += -0x61c8864680b583ebL
        var z = state
        z = (z xor (z ushr 30)) * -0x40a7b892e31b1a47L
        z = (z xor (z ushr 27)) * -0x6b2fb644ecceee15L
        z = z xor (z ushr 31)
        return ((z ushr 33) % limit).toInt()
    }
}
