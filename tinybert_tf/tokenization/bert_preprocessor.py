"""From text to the inputs of a BERT encoder."""

import operator

import keras
import keras_nlp
import tensorflow as tf
import tensorflow_text as tf_text

from tinybert_tf.errors import TinyBertError
from tinybert_tf.presets import PackagePresets
from tinybert_tf.tokenization._text import to_string_tensor
from tinybert_tf.tokenization.bert_tokenizer import BertTokenizer

# [CLS] and two [SEP], which are never truncated.
MIN_SEQUENCE_LENGTH = 3


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertPreprocessor(PackagePresets, keras_nlp.models.Preprocessor):
    """Turns texts, or pairs of texts, into the inputs of a BERT encoder.

    A text becomes `[CLS] a [SEP]`, a pair `[CLS] a [SEP] b [SEP]`. What does not fit is
    truncated as in original BERT (`_truncate_seq_pair` of Google's `run_classifier.py`):
    tokens leave the end of the longer text, and of the second one where both are as long.

    The result is a dictionary of int32 tensors [batch, sequence_length], or
    [sequence_length] for one text:

    - `"token_ids"`: the ids, padded with `[PAD]`.
    - `"segment_ids"`: 0 up to the first `[SEP]`, 1 for the second text and its `[SEP]`;
      0 for padding.
    - `"padding_mask"`: 1 for a token, 0 for padding.

    As the `preprocessor` of a `keras_nlp.models.Task` it makes `task.predict(["a text"])`
    and `task.fit(texts, labels)` work, and it maps over a `tf.data.Dataset` of texts.

    Args:
        tokenizer: BertTokenizer. Cuts the texts into ids.
        sequence_length: int. The number of tokens of every result, special ones included.
        **kwargs: Arguments of `keras_nlp.models.Preprocessor`, such as `name`.

    Raises:
        TinyBertError: if `tokenizer` is no `BertTokenizer`, or `sequence_length` is not an
            integer of at least 3.

    Example:

    ```python
    preprocessor = BertPreprocessor(BertTokenizer("vocab.txt"), sequence_length=64)
    preprocessor(["a text", "another"])
    preprocessor((["a premise"], ["its hypothesis"]))  # pairs: a tuple of two batches
    dataset.map(preprocessor)  # elements are (texts, labels) or ((texts, texts), labels)
    ```
    """

    tokenizer_cls = BertTokenizer

    def __init__(self, tokenizer: BertTokenizer, sequence_length: int = 128, **kwargs):
        if not isinstance(tokenizer, BertTokenizer):
            raise TinyBertError(
                f"BertPreprocessor got a {type(tokenizer).__name__} as `tokenizer`, expected "
                'a tinybert_tf BertTokenizer. Make one with BertTokenizer("vocab.txt").'
            )
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.built = True

    @property
    def sequence_length(self) -> int:
        """The number of tokens of every result, special ones included."""
        return self._sequence_length

    @sequence_length.setter
    def sequence_length(self, value: int) -> None:
        self._sequence_length = _checked_sequence_length(value)

    def __call__(self, x, y=None, sample_weight=None, **kwargs):
        """Does what `call` does."""
        # By name, because the base class takes a lone tuple of two for (x, y), where here
        # it is a pair of texts.
        return super().__call__(x, y=y, sample_weight=sample_weight, **kwargs)

    def call(self, x, y=None, sample_weight=None, sequence_length: int | None = None):
        """Turns texts into padded inputs; labels and weights pass through unaltered.

        Args:
            x: str, list of str, string tensor or array, [] or [batch], or a tuple of two of
                them for text pairs.
            y: Labels of any kind, or `None`.
            sample_weight: Weights of any kind, or `None`.
            sequence_length: int. In place of the layer's own for this call.

        Returns:
            The dictionary of inputs, `(inputs, y)`, or `(inputs, y, sample_weight)`,
            whichever was given.

        Raises:
            TinyBertError: if `x` is no text or pair of texts, or `sequence_length` is not
                an integer of at least 3.
        """
        length = self._length_or_own(sequence_length)
        token_ids, segment_ids, batched = self._pack(x, length)
        shape = [None, length]
        inputs = {
            "token_ids": token_ids.to_tensor(self.tokenizer.pad_token_id, shape=shape),
            "segment_ids": segment_ids.to_tensor(0, shape=shape),
            "padding_mask": tf.sequence_mask(token_ids.row_lengths(), length, tf.int32),
        }
        if not batched:
            inputs = {name: tensor[0] for name, tensor in inputs.items()}
        return keras.utils.pack_x_y_sample_weight(inputs, y, sample_weight)

    def ragged_token_ids(self, x, sequence_length: int | None = None):
        """Turns texts into ids with special tokens, truncated but not padded.

        It is for pipelines that pad each batch to its own length.

        Args:
            x: Texts or text pairs, as in `call`.
            sequence_length: int. In place of the layer's own for this call.

        Returns:
            `(token_ids, segment_ids)`, int32: ragged tensors [batch, (tokens)] of the same
            row lengths, or tensors [tokens] for one text.

        Raises:
            TinyBertError: as `call` does.
        """
        token_ids, segment_ids, batched = self._pack(x, self._length_or_own(sequence_length))
        return (token_ids, segment_ids) if batched else (token_ids.values, segment_ids.values)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["sequence_length"] = self.sequence_length
        return config

    def _length_or_own(self, sequence_length: int | None) -> int:
        if sequence_length is None:
            return self.sequence_length
        return _checked_sequence_length(sequence_length)

    def _pack(self, x, length: int) -> tuple[tf.RaggedTensor, tf.RaggedTensor, bool]:
        """Returns ragged token ids and segment ids, and whether the texts were a batch."""
        texts = _segment_texts(x)
        batched = texts[0].shape.rank == 1
        segments = [self.tokenizer.tokenize(tf.reshape(text, [-1])) for text in texts]
        # Space dealt out in turns, the first text beginning, is what is left after taking
        # tokens from the longer text, and from the second on a tie. (ShrinkLongestTrimmer
        # is not: on a tie it takes from the first.)
        special_tokens = 1 + len(segments)
        segments = tf_text.RoundRobinTrimmer(length - special_tokens).trim(segments)
        token_ids, segment_ids = tf_text.combine_segments(
            segments, self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        )
        return token_ids, segment_ids, batched


def _segment_texts(x) -> list[tf.Tensor]:
    """Converts a text or a pair of texts to string tensors of one shape."""
    segments = x if isinstance(x, tuple) else (x,)
    if len(segments) not in (1, 2):
        raise TinyBertError(
            f"Got a tuple of {len(segments)} texts, expected one text or a pair. Pass a "
            "batch of single texts as a list."
        )
    texts = [to_string_tensor(segment) for segment in segments]
    first, second = texts[0], texts[-1]
    if not first.shape.is_compatible_with(second.shape):
        raise TinyBertError(
            f"The first texts have shape {first.shape}, the second ones {second.shape}; "
            "expected as many of each. Pass a batch of single texts as a list, not a tuple."
        )
    # The numbers may be known only when the graph runs. The trimmer would read beyond the
    # shorter batch, so nothing may start before they are compared.
    check = tf.debugging.assert_equal(
        tf.size(first), tf.size(second), "Unequal numbers of first and second texts."
    )
    with tf.control_dependencies([check]):
        return [tf.identity(text) for text in texts]


def _checked_sequence_length(value) -> int:
    try:
        length = operator.index(value)
    except TypeError:
        length = None
    if length is None or isinstance(value, bool) or length < MIN_SEQUENCE_LENGTH:
        raise TinyBertError(
            f"sequence_length is {value!r}, expected an integer of at least "
            f"{MIN_SEQUENCE_LENGTH} ([CLS] and two [SEP]); 128 is usual for text pairs."
        )
    return length
