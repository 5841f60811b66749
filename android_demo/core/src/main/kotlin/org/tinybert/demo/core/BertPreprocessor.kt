package org.tinybert.demo.core

/** Tokens of one example: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, not padded. */
class Encoded(
    val ids: IntArray,
    /** 0 up to the first `[SEP]`, 1 for the second text and its `[SEP]`; as long as [ids]. */
    val segmentIds: IntArray,
    /** Whether tokens were left out to keep the length. */
    val isTruncated: Boolean,
)

/** Turns a text, or a pair of texts, into what a BERT encoder reads, as the Python one does. */
class BertPreprocessor(private val tokenizer: BertTokenizer) {
    /**
     * Encodes one example.
     *
     * What does not fit is truncated as in original BERT: tokens leave the end of the longer text,
     * and of the second one where both are as long.
     *
     * @param texts one text, or two
     * @param maxLength in tokens, special ones included, at least 3
     * @throws IllegalArgumentException if there are more texts or the length is less
     */
    fun encode(texts: List<String>, maxLength: Int): Encoded {
        require(texts.size in 1..2) { "Got ${texts.size} texts, expected one or two." }
        require(maxLength >= 3) { "maxLength is $maxLength, expected at least 3." }
        val room = maxLength - 1 - texts.size
        // One token more than fits tells that there is one.
        val segments = texts.map { tokenizer.tokenize(it, maxTokens = room + 1) }
        val lengths = truncatedLengths(segments, room)

        val ids = IntArray(1 + lengths.sum() + lengths.size)
        val segmentIds = IntArray(ids.size)
        ids[0] = tokenizer.vocabulary.classificationId
        var end = 1
        for ((segment, tokens) in segments.withIndex()) {
            val start = end
            tokens.copyInto(ids, start, 0, lengths[segment])
            end += lengths[segment]
            ids[end++] = tokenizer.vocabulary.separatorId
            segmentIds.fill(segment, if (segment == 0) 0 else start, end)
        }
        return Encoded(ids, segmentIds, lengths.sum() < segments.sumOf { it.size })
    }

    private fun truncatedLengths(segments: List<IntArray>, room: Int): List<Int> {
        val first = segments[0].size
        if (segments.size == 1) return listOf(minOf(first, room))
        val second = segments[1].size
        val kept =
            when {
                first + second <= room -> first
                second <= room / 2 -> room - second
                else -> minOf(first, (room + 1) / 2)
            }
        return listOf(kept, minOf(second, room - kept))
    }
}
