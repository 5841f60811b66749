"""The tokenization BERT was trained with, as operations of the TensorFlow graph."""

import dataclasses
import os
from collections.abc import Sequence

import keras
import keras_nlp
import tensorflow as tf
import tensorflow_text as tf_text

from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.presets import PackagePresets
from tinybert_tf.tokenization import vocabulary as vocab
from tinybert_tf.tokenization._text import (
    CHINESE,
    PUNCTUATION,
    any_of,
    clean,
    ends_with_accents,
    lower,
    strip_accents,
    to_string_tensor,
    unknown_if_too_long,
)
from tinybert_tf.tokenization.vocabulary import MAX_CHARS_PER_WORD, AddedToken

VOCABULARY_FILENAME = "vocabulary.txt"

# Longer words become [UNK] as a whole, counted in characters after normalization.

MAX_BYTES_PER_CHAR = 4

# Around a token that was found in the text as it was given. No text holds them once cleaned.
_FOUND, _FOUND_END = "\x01", "\x02"
_FOUND_WORD = f"{_FOUND}[^{_FOUND_END}]*{_FOUND_END}"


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertTokenizer(PackagePresets, keras_nlp.tokenizers.Tokenizer):
    """Turns text into the WordPiece ids of original BERT.

    A text is cleaned (control and format characters dropped, every separator made a
    space), normalized as `lowercase` and `strip_accents` say, split at spaces, punctuation
    and Chinese characters, and every word is cut into the longest pieces of the vocabulary,
    from the left. A word that cannot be cut, or of more than 100 characters, is `[UNK]`. No
    special tokens are added, and a text that spells one, such as `"[SEP]"`, is plain text.

    Everything is a TensorFlow operation, so the layer works in `tf.data`, in a
    `tf.function` and in a SavedModel. The steps are those of Google's `tokenization.py`
    (https://github.com/google-research/bert).

    Args:
        vocabulary: list of str, or path. The tokens ordered by id, or the file that holds
            them, see `load_vocabulary`. `None` if `load_assets` or `set_vocabulary` follows.
        lowercase: bool. Whether the model is uncased. Must be what it was trained with.
        strip_accents: bool or `None`. Whether texts are decomposed and their accents
            dropped; `None` does so if `lowercase`.
        tokenize_chinese_chars: bool. Whether a Chinese character is a word of its own.
        added_tokens: sequence of `AddedToken`. Tokens of the vocabulary that are one token
            wherever a text spells them, within words, too: the longest first.
        **kwargs: Arguments of `keras_nlp.tokenizers.Tokenizer`, such as `name`.

    Raises:
        TinyBertError: if the vocabulary cannot be used, see `load_vocabulary`.

    Example:

    ```python
    tokenizer = BertTokenizer("vocab.txt")
    tokenizer(["a first text", "another"])  # a RaggedTensor, [2, (tokens)], int32
    tokenizer("a text alone")  # a Tensor, [tokens], int32
    ```
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | str | os.PathLike | None = None,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        added_tokens: Sequence[AddedToken] = (),
        **kwargs,
    ):
        # Ids are int32 whatever the policy of the model is.
        super().__init__(dtype="int32", **kwargs)
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        # Dictionaries as `get_config` has them.
        self.added_tokens = tuple(
            token if isinstance(token, AddedToken) else AddedToken(**token)
            for token in added_tokens
        )
        self.file_assets = [VOCABULARY_FILENAME]
        self.set_vocabulary(vocabulary)
        self.built = True

    # === Vocabulary ===

    def set_vocabulary(self, vocabulary: Sequence[str] | str | os.PathLike | None) -> None:
        """Sets the vocabulary: a list of tokens ordered by id, a file, or `None` for none.

        Raises:
            TinyBertError: if the vocabulary cannot be used, see `load_vocabulary`.
        """
        if vocabulary is None:
            self._vocabulary, self._ids, self._wordpiece = None, None, None
            return
        if isinstance(vocabulary, str | os.PathLike):
            tokens = vocab.load_vocabulary(vocabulary)
        else:
            tokens = list(vocabulary)
            vocab.check_vocabulary(tokens, "The given vocabulary")
        self._vocabulary = tokens
        self._ids = {token: i for i, token in enumerate(tokens)}
        vocab.check_added_tokens(self.added_tokens, self._ids)
        folded = self._folded_tokens()
        self._make_patterns(folded)
        pieces, ids = self._wordpiece_entries(folded)
        # Made outside of any graph, where several functions can share them.
        with tf.init_scope():
            self._wordpiece = _make_wordpiece(pieces)
            self._detokenizer = self._wordpiece
            self._id_of_piece = None
            if ids != list(range(len(pieces))):
                self._detokenizer = _make_wordpiece(tokens)
                self._id_of_piece = tf.constant(ids, tf.int32)

    def _make_patterns(self, folded: dict[str, int]) -> None:
        """Sets the expressions that texts are split with."""
        raw = [token.content for token in self.added_tokens if not token.normalized]
        self._raw_pattern = any_of(raw) if raw else None
        characters = PUNCTUATION + (CHINESE if self.tokenize_chinese_chars else "")
        alternatives = [f"[{characters}]"]
        # The first alternative that fits is taken.
        if folded:
            alternatives.insert(0, any_of(folded))
        if raw:
            alternatives.insert(0, _FOUND_WORD)
        self._word_of_its_own = "|".join(alternatives)
        self._word_end = f"{self._word_of_its_own}| +"

    def _folded_tokens(self) -> dict[str, int]:
        """Returns the ids of the added tokens that are looked for in normalized text."""
        tokens = [token.content for token in self.added_tokens if token.normalized]
        if not tokens:
            return {}
        with tf.init_scope():
            folded = [text.decode() for text in self._normalize(tf.constant(tokens)).numpy()]
        vocab.check_folded_tokens(dict(zip(tokens, folded, strict=True)))
        return {text: self._ids[token] for token, text in zip(tokens, folded, strict=True)}

    def _wordpiece_entries(self, folded: dict[str, int]) -> tuple[list[str], list[int]]:
        """Returns the pieces that words are cut into, each once, and the id of each."""
        pieces = dict(self._ids)
        pieces |= {
            f"{_FOUND}{token.content}{_FOUND_END}": self._ids[token.content]
            for token in self.added_tokens
            if not token.normalized
        }
        # Where a word begins like an added token, it has been split before.
        pieces |= folded
        # In the order of ids, so that those of a plain vocabulary are its own.
        ordered = sorted(pieces, key=pieces.get)
        return ordered, [pieces[piece] for piece in ordered]

    def get_vocabulary(self) -> list[str]:
        """Returns the tokens, ordered by id."""
        self._require_vocabulary()
        return list(self._vocabulary)

    def vocabulary_size(self) -> int:
        """Returns the number of tokens."""
        self._require_vocabulary()
        return len(self._vocabulary)

    def id_to_token(self, id: int) -> str:
        """Returns the token of an id.

        Raises:
            TinyBertError: if the id is outside of the vocabulary.
        """
        if not 0 <= id < self.vocabulary_size():
            raise TinyBertError(
                f"There is no token of id {id}, expected 0 to {self.vocabulary_size() - 1}."
            )
        return self._vocabulary[id]

    def token_to_id(self, token: str) -> int:
        """Returns the id of a token.

        Raises:
            TinyBertError: if the vocabulary does not hold the token.
        """
        self._require_vocabulary()
        if token not in self._ids:
            raise TinyBertError(
                f"The vocabulary of {len(self._ids)} tokens has no token {token!r}."
                f"{nearest_name(token, self._ids)} Call the tokenizer to cut a word into "
                "tokens it has."
            )
        return self._ids[token]

    @property
    def pad_token_id(self) -> int:
        """The id of `[PAD]`."""
        return self.token_to_id(vocab.PAD_TOKEN)

    @property
    def unk_token_id(self) -> int:
        """The id of `[UNK]`."""
        return self.token_to_id(vocab.UNK_TOKEN)

    @property
    def cls_token_id(self) -> int:
        """The id of `[CLS]`."""
        return self.token_to_id(vocab.CLS_TOKEN)

    @property
    def sep_token_id(self) -> int:
        """The id of `[SEP]`."""
        return self.token_to_id(vocab.SEP_TOKEN)

    @property
    def mask_token_id(self) -> int:
        """The id of `[MASK]`.

        Raises:
            TinyBertError: if the vocabulary has no `[MASK]`, which is optional.
        """
        self._require_vocabulary()
        if vocab.MASK_TOKEN not in self._ids:
            raise TinyBertError(
                f"The vocabulary has no {vocab.MASK_TOKEN}, which masked language modelling "
                "needs. Take the vocabulary of a model trained with it."
            )
        return self._ids[vocab.MASK_TOKEN]

    @property
    def special_tokens(self) -> list[str]:
        """The special tokens the vocabulary holds, ordered by id."""
        self._require_vocabulary()
        named = (*vocab.REQUIRED_TOKENS, vocab.MASK_TOKEN)
        return sorted((token for token in named if token in self._ids), key=self._ids.get)

    @property
    def special_token_ids(self) -> list[int]:
        """The ids of `special_tokens`, ascending."""
        return [self._ids[token] for token in self.special_tokens]

    # === Text to ids and back ===

    def call(self, inputs):
        """Does what `tokenize` does."""
        return self.tokenize(inputs)

    def tokenize(self, inputs) -> tf.RaggedTensor | tf.Tensor:
        """Turns texts into token ids, without special tokens.

        Args:
            inputs: str, list of str, or string tensor or array, [] or [batch]. The texts,
                UTF-8. Bytes that are not UTF-8 are dropped.

        Returns:
            int32 ids: a ragged tensor [batch, (tokens)], or a tensor [tokens] for one text.

        Raises:
            TinyBertError: if there is no vocabulary, or the input is no text of rank 0 or 1.
        """
        self._require_vocabulary()
        texts = to_string_tensor(inputs)
        words = self._words(tf.reshape(texts, [-1]))
        token_ids = self._wordpiece.tokenize(words).merge_dims(-2, -1)
        token_ids = token_ids.with_values(self._to_ids(token_ids.values))
        return token_ids if texts.shape.rank else token_ids.values

    def tokenize_with_offsets(self, inputs) -> tuple:
        """Turns texts into token ids, and says what of the text each token stands for.

        Args:
            inputs: as of `tokenize`, UTF-8.

        Returns:
            `(token_ids, starts, ends)`, int32 and shaped as the ids of `tokenize`. The token
            is `text[start:end]`, counted in characters (code points) of the text as it was
            given, before normalization. An accent belongs to the token of its letter, even
            where it is dropped.

        Raises:
            TinyBertError: as `tokenize` does, and if there are added tokens.
        """
        self._require_vocabulary()
        if self.added_tokens:
            raise TinyBertError(
                f"This tokenizer has {len(self.added_tokens)} added token(s), such as "
                f"{self.added_tokens[0].content!r}; where they stand in a text is not known "
                "here, so it cannot serve for answering questions. Take a model without."
            )
        texts = to_string_tensor(inputs)
        batch = tf.reshape(texts, [-1])
        characters = tf.strings.unicode_split(batch, "UTF-8")
        # Normalizing keeps the order of characters, and none depends on its neighbours but
        # the sigma at the end of a word, of as many bytes: so lengths add up.
        lengths = characters.with_values(
            tf.strings.length(self._normalize(characters.values), unit="BYTE")
        )
        token_ids, first, last = self._tokens_of_normalized(self._normalize(batch))
        rows = token_ids.value_rowids()
        first_bytes = tf.math.cumsum(tf.reduce_sum(lengths, axis=1), exclusive=True)
        # Which character each byte of the normalized texts comes from.
        origins = tf.repeat(tf.range(tf.size(lengths.values)), lengths.values)

        def origin(offsets):
            bytes_before = tf.cast(tf.gather(first_bytes, rows), tf.int64)
            return tf.gather(origins, offsets.values + bytes_before)

        row_starts = tf.cast(tf.gather(characters.row_starts(), rows), tf.int32)
        row_lengths = tf.cast(tf.gather(characters.row_lengths(), rows), tf.int32)
        ends = tf.gather(ends_with_accents(characters.values, lengths.values), origin(last))
        starts = token_ids.with_values(origin(first) - row_starts)
        ends = token_ids.with_values(tf.minimum(ends - row_starts, row_lengths))
        results = (token_ids, starts, ends)
        return results if texts.shape.rank else tuple(value.values for value in results)

    def detokenize(self, inputs) -> tf.Tensor:
        """Joins token ids to text: a space between words, none before a `##` piece.

        Args:
            inputs: nested list of int, or integer tensor, [tokens], [batch, tokens] or
                ragged [batch, (tokens)]. The ids, special tokens included as they are.

        Returns:
            A string tensor, [] for one sequence of ids, otherwise [batch].

        Raises:
            TinyBertError: if there is no vocabulary, or the ids have another rank.
        """
        self._require_vocabulary()
        if isinstance(inputs, list | tuple):
            inputs = tf.ragged.constant(inputs, dtype=tf.int32)
        token_ids = tf.cast(inputs, tf.int32)
        rank = token_ids.shape.rank
        if rank not in (1, 2):
            raise TinyBertError(
                f"detokenize got ids of shape {token_ids.shape}, expected [tokens] or "
                "[batch, tokens]."
            )
        if rank == 1:
            token_ids = token_ids[tf.newaxis]
        if not isinstance(token_ids, tf.RaggedTensor):
            token_ids = tf.RaggedTensor.from_tensor(token_ids)
        texts = self._detokenizer.detokenize(token_ids)
        return texts[0] if rank == 1 else texts

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        texts = clean(texts)
        if self.lowercase:
            texts = lower(texts)
        return strip_accents(texts) if self.strip_accents else texts

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """[batch] texts to [batch, (words)], what is too long for a word being `[UNK]`."""
        if self._raw_pattern is None:
            normalized = self._normalize(texts)
        else:
            # The split would end at a NUL; any other control character is dropped as well.
            texts = tf.strings.regex_replace(texts, r"\x00", "\x03")
            parts = tf_text.regex_split(texts, self._raw_pattern, self._raw_pattern)
            is_found = tf.strings.regex_full_match(parts.values, self._raw_pattern)
            found = tf.strings.join([_FOUND, parts.values, _FOUND_END])
            normalized = tf.where(is_found, found, self._normalize(parts.values))
            normalized = tf.strings.reduce_join(parts.with_values(normalized), axis=1)
        words = tf_text.regex_split(normalized, self._word_end, self._word_of_its_own)
        return words.with_values(unknown_if_too_long(words.values))

    def _to_ids(self, pieces: tf.Tensor) -> tf.Tensor:
        return pieces if self._id_of_piece is None else tf.gather(self._id_of_piece, pieces)

    def _tokens_of_normalized(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        """[batch] texts to ids, first bytes and last bytes, each [batch, (tokens)]."""
        words, begins, ends = tf_text.regex_split_with_offsets(
            texts, self._word_end, self._word_of_its_own
        )
        token_ids, first, after = self._wordpiece.tokenize_with_offsets(
            unknown_if_too_long(words.values)
        )
        token_ids = token_ids.with_values(self._to_ids(token_ids.values))
        pieces = token_ids.row_lengths()
        # A word that is one token is all of it; of one that was replaced, the tokenizer
        # counts the bytes of the replacement.
        lengths = tf.repeat(ends.values - begins.values, pieces)
        after = tf.where(tf.repeat(pieces, pieces) == 1, lengths, after.values)
        begins = tf.repeat(begins.values, pieces)
        return tuple(
            words.with_values(token_ids.with_values(values)).merge_dims(-2, -1)
            for values in (token_ids.values, begins + first.values, begins + after - 1)
        )

    def _require_vocabulary(self) -> None:
        if self._vocabulary is None:
            raise TinyBertError(
                "This BertTokenizer has no vocabulary. Construct it with `vocabulary`, or "
                "call `set_vocabulary` or `load_assets` first."
            )

    # === Saving ===

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary file into a folder."""
        path = os.path.join(dir_path, VOCABULARY_FILENAME)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{token}\n" for token in self.get_vocabulary())

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary file `save_assets` wrote."""
        self.set_vocabulary(os.path.join(dir_path, VOCABULARY_FILENAME))

    def get_config(self) -> dict:
        """Returns the constructor's arguments; the vocabulary is an asset, not a part."""
        config = super().get_config()
        del config["dtype"]
        return {**config, "vocabulary": None, **self.settings()}

    def settings(self) -> dict:
        """Returns what, beside the vocabulary, decides which ids a text becomes."""
        return {
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
            "added_tokens": [dataclasses.asdict(token) for token in self.added_tokens],
        }


def _make_wordpiece(pieces: list[str]) -> tf_text.FastWordpieceTokenizer:
    return tf_text.FastWordpieceTokenizer(
        vocab=pieces,
        token_out_type=tf.int32,
        unknown_token=vocab.UNK_TOKEN,
        # It counts bytes. `_words` is the one to apply the limit, in characters.
        max_bytes_per_word=MAX_CHARS_PER_WORD * MAX_BYTES_PER_CHAR,
        no_pretokenization=True,
        support_detokenization=True,
    )
