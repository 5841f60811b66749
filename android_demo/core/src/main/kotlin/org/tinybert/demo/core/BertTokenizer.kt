package org.tinybert.demo.core

/**
 * Turns text into the WordPiece ids of original BERT, token for token as the Python tokenizer.
 *
 * A text is cleaned (control and format characters dropped, every separator made a space),
 * normalized as [lowercase] and [stripAccents] say, split at spaces, punctuation and Chinese
 * characters, and every word is cut into the longest pieces of the vocabulary, from the left. A
 * word that cannot be cut, or of more than [maxCharactersPerWord] code points, is `[UNK]`. No
 * special tokens are added, and a text that spells one is plain text. A lone surrogate is no
 * character, as an invalid byte is none in UTF-8: it is read as U+FFFD, and dropped.
 *
 * It is safe to use from several threads.
 *
 * @param lowercase whether the model is uncased; it must be what the model was trained with, as all
 *   that follows
 * @param stripAccents whether texts are decomposed and their accents dropped
 * @param tokenizeChineseCharacters whether a Chinese character is a word of its own
 * @param addedTokens are found before a text is split, the longest first; what is around one is
 *   words of its own
 * @throws BundleException if an added token is not in the vocabulary, or cannot be found in a text
 */
class BertTokenizer(
    val vocabulary: Vocabulary,
    val lowercase: Boolean,
    private val maxCharactersPerWord: Int = 100,
    stripAccents: Boolean = lowercase,
    tokenizeChineseCharacters: Boolean = true,
    addedTokens: List<AddedToken> = emptyList(),
) {
    private val unicode = UnicodeTable.instance
    private val normalizer = TextNormalizer(lowercase, stripAccents)
    private val wordOfItsOwn =
        UnicodeTable.PUNCTUATION or if (tokenizeChineseCharacters) UnicodeTable.CHINESE else 0

    /** Of the added tokens that are looked for in the text as it was given. */
    private val given = Spellings()

    /** Of those that are looked for in the normalized text. */
    private val normalized = Spellings()

    init {
        require(maxCharactersPerWord >= 1) {
            "maxCharactersPerWord is $maxCharactersPerWord, expected at least 1."
        }
        for (token in addedTokens) addSpelling(token)
    }

    private fun addSpelling(token: AddedToken) {
        val content = token.content
        val id = vocabulary.idOf(content)
        val spelling =
            if (token.normalized) normalize(content, 0, content.length) else content
        if (id == null) throw BundleException(Problem.ADDED_TOKEN_UNKNOWN, content)
        if (spelling.isBlank()) throw BundleException(Problem.ADDED_TOKEN_EMPTY, content)
        (if (token.normalized) normalized else given).add(spelling, id)
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
        given.split(text, words::addId) { start, end -> addGiven(text, start, end, words) }
        return words.ids()
    }

    /**
     * Returns the tokens of a text, without special tokens, and where each is in it.
     *
     * @throws IllegalArgumentException if there are added tokens, whose places are not known
     */
    fun tokenizeWithPlaces(text: String): PlacedTokens {
        require(given.isEmpty && normalized.isEmpty) { "The tokenizer has added tokens." }
        val places = TokenPlaces(text, normalizer)
        val words = Words(Int.MAX_VALUE, places)
        normalizer.normalize(text, 0, text.length, words)
        words.endWord()
        val ids = words.ids()
        return PlacedTokens(ids, places.starts(ids.size), places.ends(ids.size))
    }

    private fun addGiven(text: String, start: Int, end: Int, words: Words) {
        if (words.isFull) return
        if (normalized.isEmpty) {
            normalizer.normalize(text, start, end, words)
            words.endWord()
            return
        }
        val copy = normalize(text, start, end)
        normalized.split(copy, words::addId) { from, to -> words.addNormalized(copy, from, to) }
    }

    /** A part of a text normalized, as if it stood alone. */
    private fun normalize(text: String, start: Int, end: Int): String {
        val copy = NormalizedCopy(end - start)
        normalizer.normalize(text, start, end, copy)
        return copy.toString()
    }

    private inner class NormalizedCopy(length: Int) : TextNormalizer.Output {
        private val codePoints = CodePoints(length + 1, normalizer.stripAccents)

        override val isFull = false

        override fun startCharacter(index: Int) = Unit

        override fun add(codePoint: Int, record: Int) = codePoints.add(codePoint, record)

        override fun addSpace() = codePoints.add(SPACE, unicode.record(SPACE))

        override fun keepMarksApart() = codePoints.keepMarksApart()

        override fun toString(): String = codePoints.toString()
    }

    /**
     * The word that is being read, and the ids of those before it.
     *
     * @param places is told where each token is; null if nobody asks
     */
    private inner class Words(
        private val maxTokens: Int,
        private val places: TokenPlaces? = null,
    ) : TextNormalizer.Output {
        // A copy that was looked through for added tokens is in order.
        private val word =
            CodePoints(INITIAL_WORD, normalizer.stripAccents && normalized.isEmpty)

        /** May exceed what is kept of it: a word that is too long is only counted. */
        private var length = 0

        private var ids = IntArray(INITIAL_TOKENS)
        private var count = 0

        override val isFull: Boolean
            get() = count >= maxTokens

        override fun startCharacter(index: Int) {
            places?.character = index
        }

        override fun add(codePoint: Int, record: Int) {
            val isAlone = unicode.has(record, wordOfItsOwn)
            if (isAlone) endWord()
            if (length < maxCharactersPerWord) word.add(codePoint, record)
            places?.addToWord()
            length++
            if (isAlone) endWord()
        }

        override fun addSpace() = endWord()

        override fun keepMarksApart() = word.keepMarksApart()

        /** Adds words of a text that is normalized. */
        fun addNormalized(text: String, start: Int, end: Int) {
            var i = start
            while (i < end && !isFull) {
                val codePoint = text.codePointAt(i)
                if (codePoint == SPACE) endWord() else add(codePoint, unicode.record(codePoint))
                i += Character.charCount(codePoint)
            }
            endWord()
        }

        fun endWord() {
            if (length > maxCharactersPerWord) {
                addPiece(vocabulary.unknownId, 0, length)
            } else if (length > 0) {
                addPieces()
            }
            length = 0
            word.clear()
            places?.endWord()
        }

        private fun addPieces() {
            val countBefore = count
            var root = Vocabulary.WORD
            var start = 0
            while (start < length) {
                var node = root
                var longest = Trie.NO_TOKEN
                var end = start
                for (i in start until length) {
                    node = vocabulary.next(node, word[i])
                    if (node == Trie.NOWHERE) break
                    val id = vocabulary.idAt(node)
                    if (id != Trie.NO_TOKEN) {
                        longest = id
                        end = i + 1
                    }
                }
                if (longest == Trie.NO_TOKEN) {
                    count = countBefore
                    addPiece(vocabulary.unknownId, 0, length)
                    return
                }
                addPiece(longest, start, end)
                start = end
                root = Vocabulary.CONTINUATION
            }
        }

        /** Adds the token of the word's code points from [start] to before [end]. */
        private fun addPiece(id: Int, start: Int, end: Int) {
            places?.place(count, start, end)
            addId(id)
        }

        fun addId(id: Int) {
            if (count == ids.size) ids = ids.copyOf(2 * count)
            ids[count++] = id
        }

        fun ids(): IntArray = ids.copyOf(minOf(count, maxTokens))
    }

    private companion object {
        const val SPACE = ' '.code
        const val INITIAL_WORD = 128
        const val INITIAL_TOKENS = 64
    }
}
