package org.tinybert.demo.core

/**
 * Turns text into the WordPiece ids of original BERT, token for token as the Python tokenizer.
 *
 * A text is cleaned (control and format characters dropped, every separator made a space),
 * normalized if [lowercase] (lower case, canonical decomposition, accents dropped), split at
 * spaces, punctuation and Chinese characters, and every word is cut into the longest pieces of the
 * vocabulary, from the left. A word that cannot be cut, or of more than [maxCharactersPerWord] code
 * points, is `[UNK]`. No special tokens are added, and a text that spells one is plain text. A lone
 * surrogate is no character, as an invalid byte is none in UTF-8: it is read as U+FFFD, and
 * dropped.
 *
 * It is safe to use from several threads.
 *
 * @param lowercase whether the model is uncased; it must be what the model was trained with
 */
class BertTokenizer(
    val vocabulary: Vocabulary,
    val lowercase: Boolean,
    private val maxCharactersPerWord: Int = 100,
) {
    private val unicode = UnicodeTable.instance

    init {
        require(maxCharactersPerWord >= 1) {
            "maxCharactersPerWord is $maxCharactersPerWord, expected at least 1."
        }
    }

    /** The token of an id. @throws IllegalArgumentException if there is none */
    fun token(id: Int): String = vocabulary.token(id)

    /**
     * Returns the ids of a text, without special tokens.
     *
     * @param maxTokens where to stop: a model takes some hundred tokens, however long the text is
     */
    fun tokenize(text: String, maxTokens: Int = Int.MAX_VALUE): IntArray {
        val words = Words(maxTokens)
        var isAfterCased = false
        var i = 0
        while (i < text.length && !words.isFull) {
            val codePoint = text.codePointAt(i)
            val record = unicode.record(codePoint)
            i += Character.charCount(codePoint)
            if (unicode.has(record, UnicodeTable.DROPPED)) continue
            if (unicode.has(record, UnicodeTable.SPACE)) {
                words.endWord()
                isAfterCased = false
                continue
            }
            if (!lowercase) {
                words.add(codePoint, record)
                continue
            }
            if (codePoint == CAPITAL_SIGMA && isAfterCased && !isCasedNext(text, i)) {
                words.add(FINAL_SIGMA, unicode.record(FINAL_SIGMA))
            } else {
                addNormalized(words, codePoint, record)
            }
            if (!unicode.has(record, UnicodeTable.CASE_IGNORABLE)) {
                isAfterCased = unicode.has(record, UnicodeTable.CASED)
            }
        }
        return words.finish()
    }

    /** Whether a cased character follows, with nothing but case-ignorable ones between. */
    private fun isCasedNext(text: String, start: Int): Boolean {
        var i = start
        while (i < text.length) {
            val codePoint = text.codePointAt(i)
            val record = unicode.record(codePoint)
            val isSkipped = UnicodeTable.DROPPED or UnicodeTable.CASE_IGNORABLE
            if (!unicode.has(record, isSkipped)) return unicode.has(record, UnicodeTable.CASED)
            i += Character.charCount(codePoint)
        }
        return false
    }

    private fun addNormalized(words: Words, codePoint: Int, record: Int) {
        if (codePoint in FIRST_HANGUL..LAST_HANGUL) {
            addHangul(words, codePoint - FIRST_HANGUL)
        } else if (!unicode.has(record, UnicodeTable.MAPPED)) {
            words.add(codePoint, record)
        } else {
            for (i in unicode.mappingStart(record) until unicode.mappingEnd(record)) {
                val mapped = unicode.mappedCodePoint(i)
                if (mapped == UnicodeTable.DROPPED_STARTER) {
                    words.keepMarksApart()
                } else {
                    words.add(mapped, unicode.record(mapped))
                }
            }
        }
    }

    private fun addHangul(words: Words, syllable: Int) {
        val leading = FIRST_LEADING_JAMO + syllable / (VOWELS * TRAILINGS)
        val vowel = FIRST_VOWEL_JAMO + syllable / TRAILINGS % VOWELS
        val trailing = syllable % TRAILINGS
        words.add(leading, unicode.record(leading))
        words.add(vowel, unicode.record(vowel))
        if (trailing > 0) {
            val jamo = BEFORE_TRAILING_JAMO + trailing
            words.add(jamo, unicode.record(jamo))
        }
    }

    /** The word that is being read, and the ids of those before it. */
    private inner class Words(private val maxTokens: Int) {
        private val word = IntArray(maxCharactersPerWord)

        /** May exceed the array's: a longer word is only counted. */
        private var length = 0

        /** Where the combining marks begin that may still be sorted. */
        private var marksStart = 0

        private var ids = IntArray(INITIAL_TOKENS)
        private var count = 0

        val isFull: Boolean
            get() = count >= maxTokens

        fun add(codePoint: Int, record: Int) {
            if (unicode.has(record, UnicodeTable.WORD_OF_ITS_OWN)) {
                endWord()
                word[0] = codePoint
                length = 1
                endWord()
                return
            }
            if (length < word.size) insert(codePoint, record)
            length++
        }

        /** Appends; in a normalized text sorts a mark in before those of higher rank. */
        private fun insert(codePoint: Int, record: Int) {
            val rank = if (lowercase) unicode.combiningRank(record) else 0
            if (rank == 0) {
                word[length] = codePoint
                marksStart = length + 1
                return
            }
            var i = length
            while (i > marksStart && unicode.combiningRank(unicode.record(word[i - 1])) > rank) {
                word[i] = word[i - 1]
                i--
            }
            word[i] = codePoint
        }

        fun keepMarksApart() {
            marksStart = length
        }

        fun endWord() {
            if (length > word.size) {
                addId(vocabulary.unknownId)
            } else if (length > 0) {
                addPieces()
            }
            length = 0
            marksStart = 0
        }

        private fun addPieces() {
            val countBefore = count
            var root = Vocabulary.WORD
            var start = 0
            while (start < length) {
                var node = root
                var longest = Vocabulary.NO_TOKEN
                var end = start
                for (i in start until length) {
                    node = vocabulary.next(node, word[i])
                    if (node == Vocabulary.NOWHERE) break
                    val id = vocabulary.idAt(node)
                    if (id != Vocabulary.NO_TOKEN) {
                        longest = id
                        end = i + 1
                    }
                }
                if (longest == Vocabulary.NO_TOKEN) {
                    count = countBefore
                    addId(vocabulary.unknownId)
                    return
                }
                addId(longest)
                start = end
                root = Vocabulary.CONTINUATION
            }
        }

        private fun addId(id: Int) {
            if (count == ids.size) ids = ids.copyOf(2 * count)
            ids[count++] = id
        }

        fun finish(): IntArray {
            endWord()
            return ids.copyOf(minOf(count, maxTokens))
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

        const val INITIAL_TOKENS = 64
    }
}
