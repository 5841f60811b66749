"""The tokenization BERT was trained with, as operations of the TensorFlow graph."""

import os
from collections.abc import Sequence

import keras
import keras_nlp
import tensorflow as tf
import tensorflow_text as tf_text

from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.presets import PackagePresets
from tinybert_tf.tokenization import vocabulary as vocab

VOCABULARY_FILENAME = "vocabulary.txt"

# Longer words become [UNK] as a whole, counted in characters after normalization.
MAX_CHARS_PER_WORD = 100
MAX_BYTES_PER_CHAR = 4

# ASCII symbols such as "^", "$" and "`" are no punctuation in Unicode, but are in BERT.
_PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
# The blocks of Chinese characters BERT puts spaces around; Hangul and kana are not among them.
_CHINESE = (
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
)
_WORD_OF_ITS_OWN = f"[{_PUNCTUATION}{_CHINESE}]"
_WORD_END = f" +|{_WORD_OF_ITS_OWN}"


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertTokenizer(PackagePresets, keras_nlp.tokenizers.Tokenizer):
    """Turns text into the WordPiece ids of original BERT.

    A text is cleaned (control and format characters dropped, every separator made a
    space), normalized if `lowercase` (lower case, canonical decomposition, accents
    dropped), split at spaces, punctuation and Chinese characters, and every word is cut
    into the longest pieces of the vocabulary, from the left. A word that cannot be cut, or
    of more than 100 characters, is `[UNK]`. No special tokens are added, and a text that
    spells one, such as `"[SEP]"`, is plain text.

    Everything is a TensorFlow operation, so the layer works in `tf.data`, in a
    `tf.function` and in a SavedModel. The steps are those of Google's `tokenization.py`
    (https://github.com/google-research/bert).

    Args:
        vocabulary: list of str, or path. The tokens ordered by id, or the file that holds
            them, see `load_vocabulary`. `None` if `load_assets` or `set_vocabulary` follows.
        lowercase: bool. Whether the model is uncased. Must be what it was trained with.
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
        **kwargs,
    ):
        # Ids are int32 whatever the policy of the model is.
        super().__init__(dtype="int32", **kwargs)
        self.lowercase = lowercase
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
        # Made outside of any graph, where several functions can share it.
        with tf.init_scope():
            self._wordpiece = tf_text.FastWordpieceTokenizer(
                vocab=tokens,
                token_out_type=tf.int32,
                unknown_token=vocab.UNK_TOKEN,
                # It counts bytes. `_words` is the one to apply the limit, in characters.
                max_bytes_per_word=MAX_CHARS_PER_WORD * MAX_BYTES_PER_CHAR,
                no_pretokenization=True,
                support_detokenization=True,
            )

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
            TinyBertError: as `tokenize` does.
        """
        self._require_vocabulary()
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
        ends = tf.gather(_ends_with_accents(characters.values, lengths.values), origin(last))
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
        texts = self._wordpiece.detokenize(token_ids)
        return texts[0] if rank == 1 else texts

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        texts = _clean(texts)
        return _lower_and_strip_accents(texts) if self.lowercase else texts

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """[batch] texts to [batch, (words)], what is too long for a word being `[UNK]`."""
        words = tf_text.regex_split(self._normalize(texts), _WORD_END, _WORD_OF_ITS_OWN)
        return words.with_values(_unknown_if_too_long(words.values))

    def _tokens_of_normalized(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        """[batch] texts to ids, first bytes and last bytes, each [batch, (tokens)]."""
        words, begins, ends = tf_text.regex_split_with_offsets(
            texts, _WORD_END, _WORD_OF_ITS_OWN
        )
        token_ids, first, after = self._wordpiece.tokenize_with_offsets(
            _unknown_if_too_long(words.values)
        )
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
        config.update({"vocabulary": None, "lowercase": self.lowercase})
        return config


def to_string_tensor(texts) -> tf.Tensor:
    """Converts one text or a batch of them.

    Args:
        texts: str, list of str, or string tensor or array, [] or [batch].

    Returns:
        A string tensor of known rank 0 or 1.

    Raises:
        TinyBertError: if the input is something else.
    """
    if isinstance(texts, tf.RaggedTensor):
        raise TinyBertError(
            f"Got a ragged tensor of shape {texts.shape}, expected one text or a [batch] "
            "of texts. Join the words of a text, or pass `ragged.flat_values`."
        )
    try:
        texts = tf.convert_to_tensor(texts, dtype=tf.string)
    except (TypeError, ValueError) as error:
        raise TinyBertError(
            f"Got {_describe(texts)}, expected text: a str, a list of str or a string "
            f"tensor. TensorFlow says: {error}"
        ) from error
    if texts.shape.rank not in (0, 1):
        raise TinyBertError(
            f"Got texts of shape {texts.shape}, expected one text or a [batch] of texts. "
            "Pass text pairs as a tuple of two batches, not as a batch of pairs; give a "
            "tensor of unknown shape its shape with `tf.ensure_shape(texts, [None])`."
        )
    return texts


def _describe(value) -> str:
    """Returns the type of a value and, of a list, that of its first odd item."""
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            if not isinstance(item, str | bytes):
                return f"a {type(value).__name__} with a {type(item).__name__} at index {i}"
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ if dtype is None else f"a {type(value).__name__} of {dtype}"


def _unknown_if_too_long(words: tf.Tensor) -> tf.Tensor:
    too_long = tf.strings.length(words, unit="UTF8_CHAR") > MAX_CHARS_PER_WORD
    return tf.where(too_long, vocab.UNK_TOKEN, words)


def _ends_with_accents(characters: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns after which character each one ends, if dropped accents belong to it.

    Args:
        characters: string tensor [characters].
        lengths: int tensor [characters]. Their bytes after normalization.
    """
    is_accent = tf.strings.regex_full_match(characters, r"\p{Mn}") & (lengths == 0)
    others = tf.cast(tf.where(~is_accent)[:, 0], tf.int32)
    next_other = tf.concat([others, [tf.size(characters)]], axis=0)
    return tf.gather(next_other, tf.math.cumsum(tf.cast(~is_accent, tf.int32)))


def _clean(texts: tf.Tensor) -> tf.Tensor:
    """Drops control and format characters, makes line ends and separators spaces."""
    # What is not UTF-8 becomes U+FFFD, which is dropped below.
    texts = tf_text.coerce_to_structurally_valid_utf8(texts)
    # Spaces first: tab and line ends are control characters as well.
    texts = tf.strings.regex_replace(texts, r"[\t\n\r\p{Z}]", " ")
    return tf.strings.regex_replace(texts, r"[\x{FFFD}\p{Cc}\p{Cf}]", "")


def _lower_and_strip_accents(texts: tf.Tensor) -> tf.Tensor:
    # ASCII apart and first: the Unicode operation follows the locale of the process, and
    # in a Turkish one it makes a dotless i of "I".
    texts = tf.strings.lower(texts)
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf_text.normalize_utf8(texts, "NFD")
    return tf.strings.regex_replace(texts, r"\p{Mn}", "")
