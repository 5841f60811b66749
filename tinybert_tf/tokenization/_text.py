"""What BERT does to text before it is cut into pieces, as operations of the graph."""

import re
from collections.abc import Iterable

import tensorflow as tf
import tensorflow_text as tf_text

from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization.vocabulary import MAX_CHARS_PER_WORD, UNK_TOKEN

# ASCII symbols such as "^", "$" and "`" are no punctuation in Unicode, but are in BERT.
PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
# The blocks of Chinese characters BERT puts spaces around; Hangul and kana are not among them.
CHINESE = (
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
)


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


def unknown_if_too_long(words: tf.Tensor) -> tf.Tensor:
    """Puts `[UNK]` in the place of words of more than 100 characters."""
    too_long = tf.strings.length(words, unit="UTF8_CHAR") > MAX_CHARS_PER_WORD
    return tf.where(too_long, UNK_TOKEN, words)


def ends_with_accents(characters: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns after which character each one ends, if dropped accents belong to it.

    Args:
        characters: string tensor [characters].
        lengths: int tensor [characters]. Their bytes after normalization.
    """
    is_accent = tf.strings.regex_full_match(characters, r"\p{Mn}") & (lengths == 0)
    others = tf.cast(tf.where(~is_accent)[:, 0], tf.int32)
    next_other = tf.concat([others, [tf.size(characters)]], axis=0)
    return tf.gather(next_other, tf.math.cumsum(tf.cast(~is_accent, tf.int32)))


def clean(texts: tf.Tensor) -> tf.Tensor:
    """Drops control and format characters, makes line ends and separators spaces."""
    # What is not UTF-8 becomes U+FFFD, which is dropped below.
    texts = tf_text.coerce_to_structurally_valid_utf8(texts)
    # Spaces first: tab and line ends are control characters as well.
    texts = tf.strings.regex_replace(texts, r"[\t\n\r\p{Z}]", " ")
    return tf.strings.regex_replace(texts, r"[\x{FFFD}\p{Cc}\p{Cf}]", "")


def lower(texts: tf.Tensor) -> tf.Tensor:
    """Makes texts lower case as Python's `str.lower` does."""
    # ASCII apart and first: the Unicode operation follows the locale of the process, and
    # in a Turkish one it makes a dotless i of "I".
    texts = tf.strings.lower(texts)
    return tf.strings.lower(texts, encoding="utf-8")


def strip_accents(texts: tf.Tensor) -> tf.Tensor:
    """Decomposes texts and drops the accents."""
    texts = tf_text.normalize_utf8(texts, "NFD")
    return tf.strings.regex_replace(texts, r"\p{Mn}", "")


def any_of(tokens: Iterable[str]) -> str:
    """Returns the expression of any of the tokens, where two fit the longer one."""
    return "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
