"""From examples to batches: encoded once, bucketed by length, in a reproducible order."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from tinybert_tf.data.examples import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertPreprocessor

# Lengths are padded up to a multiple of this: few shapes, little padding.
LENGTH_STEP = 8


_ENCODE_CHUNK = 4096
# Longer than any text: nothing is cut.
_NO_LIMIT = 1 << 20


@dataclasses.dataclass(frozen=True)
class EncodedExamples:
    """Token ids of many examples, end to end in memory.

    Args:
        token_ids: int32 array [tokens]. All examples' ids, special tokens included.
        segment_ids: int32 array [tokens].
        row_splits: int64 array [examples + 1]. Where each example starts.
        labels: array [examples], int32 class indices or float32 scores, or [examples, 2],
            int32 positions of the first and last token of an answer.
        pad_token_id: int.
    """

    token_ids: np.ndarray
    segment_ids: np.ndarray
    row_splits: np.ndarray
    labels: np.ndarray
    pad_token_id: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """int64 array [examples]: the tokens of each."""
        return np.diff(self.row_splits)

    def part(self, rows: range) -> "EncodedExamples":
        """Returns examples that follow each other, as a view.

        Args:
            rows: range. Of step 1.
        """
        splits = self.row_splits[rows.start : rows.stop + 1]
        tokens = slice(splits[0], splits[-1])
        return EncodedExamples(
            token_ids=self.token_ids[tokens],
            segment_ids=self.segment_ids[tokens],
            row_splits=splits - splits[0],
            labels=self.labels[rows.start : rows.stop],
            pad_token_id=self.pad_token_id,
        )

    def take(self, rows: np.ndarray) -> "EncodedExamples":
        """Returns some examples, in the order of their numbers in `rows`."""
        splits = zip(self.row_splits[rows], self.row_splits[rows + 1], strict=True)
        tokens = np.concatenate([np.arange(*split) for split in splits])
        return EncodedExamples(
            token_ids=self.token_ids[tokens],
            segment_ids=self.segment_ids[tokens],
            row_splits=np.concatenate([[0], np.cumsum(self.lengths[rows])]),
            labels=self.labels[rows],
            pad_token_id=self.pad_token_id,
        )

    def batch(self, rows: np.ndarray, length: int | None = None) -> tuple[dict, np.ndarray]:
        """Returns encoder inputs and labels of some examples, padded to one length.

        Args:
            rows: int array [batch]. Which examples.
            length: int or `None`. To pad to; `None` is the next multiple of `LENGTH_STEP`.

        Raises:
            TinyBertError: if an example has more tokens than `length`.
        """
        lengths = self.lengths[rows]
        length = length or padded_length(lengths.max())
        if lengths.max() > length:
            raise TinyBertError(
                f"An example of {lengths.max()} tokens does not fit into a length of {length}. "
                "Encode with a preprocessor of that sequence_length: it truncates."
            )
        is_token = np.arange(length) < lengths[:, None]
        # Padding points at the first token: any valid index will do, its value is replaced.
        positions = np.where(is_token, self.row_splits[rows][:, None] + np.arange(length), 0)
        inputs = {
            "token_ids": np.where(is_token, self.token_ids[positions], self.pad_token_id),
            "segment_ids": np.where(is_token, self.segment_ids[positions], 0),
            "padding_mask": is_token,
        }
        return {k: v.astype("int32") for k, v in inputs.items()}, self.labels[rows]


def encode_examples(examples: Examples, preprocessor) -> EncodedExamples:
    """Tokenizes examples once.

    Args:
        examples: `Examples`.
        preprocessor: `BertPreprocessor`. Its `sequence_length` truncates.
    """
    rows = range(0, len(examples), _ENCODE_CHUNK)
    token_ids, segment_ids, lengths = [], [], []
    for start in rows:
        fields = tuple(list(f[start : start + _ENCODE_CHUNK]) for f in examples.texts)
        tokens, segments = preprocessor.ragged_token_ids(
            fields if len(fields) > 1 else fields[0]
        )
        token_ids.append(tokens.values.numpy())
        segment_ids.append(segments.values.numpy())
        lengths.append(tokens.row_lengths().numpy())
    return EncodedExamples(
        token_ids=np.concatenate(token_ids).astype("int32"),
        segment_ids=np.concatenate(segment_ids).astype("int32"),
        row_splits=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]),
        labels=examples.labels,
        pad_token_id=preprocessor.tokenizer.pad_token_id,
    )


def count_tokens(examples: Examples, tokenizer) -> np.ndarray:
    """Returns the lengths of examples that nothing is cut from, special tokens included.

    Args:
        examples: `Examples`.
        tokenizer: `BertTokenizer`.

    Returns:
        int64 array [examples].
    """
    return encode_examples(examples, BertPreprocessor(tokenizer, _NO_LIMIT)).lengths


def concatenate_examples(parts: Sequence[EncodedExamples]) -> EncodedExamples:
    """Returns the examples of all parts, in their order.

    Args:
        parts: sequence of `EncodedExamples`. Of one preprocessor and one task.
    """
    lengths = np.concatenate([part.lengths for part in parts])
    return EncodedExamples(
        token_ids=np.concatenate([part.token_ids for part in parts]),
        segment_ids=np.concatenate([part.segment_ids for part in parts]),
        row_splits=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.concatenate([part.labels for part in parts]),
        pad_token_id=parts[0].pad_token_id,
    )


class FurtherInputs(Protocol):
    """What a batch has beside token ids, such as a teacher's outputs that were kept."""

    @property
    def signature(self) -> dict:
        """The `tf.TensorSpec`s of `batch`."""

    def batch(self, rows: np.ndarray, length: int) -> dict:
        """Returns what is added to the inputs of some examples, padded to a length."""


class BucketedBatches:
    """Batches of examples of like length, of about equally many tokens each.

    An epoch shows every example once. Its order is a function of seed and epoch alone, so
    a run can go on from any batch. The number of batches of an epoch is always the same.

    Args:
        encoded: `EncodedExamples`.
        tokens_per_batch: int. The budget: rows times padded length of a batch. Short texts
            come many to a batch, long ones few; an example longer than the budget comes alone.
        seed: int or `None`. Of the shuffle; `None` keeps examples sorted by length.
        further: `FurtherInputs` or `None`. What `dataset` adds to the inputs.
    """

    def __init__(
        self,
        encoded: EncodedExamples,
        tokens_per_batch: int = 4096,
        seed: int | None = None,
        further: FurtherInputs | None = None,
    ):
        if tokens_per_batch < 1:
            raise TinyBertError(
                f"tokens_per_batch={tokens_per_batch}; it must be a positive number of tokens."
            )
        if not len(encoded):
            raise TinyBertError("There are no examples to make batches of.")
        self.encoded = encoded
        self.tokens_per_batch = tokens_per_batch
        self.seed = seed
        self.further = further

    @functools.cached_property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.plan(0))

    @property
    def tokens_per_epoch(self) -> int:
        """Tokens in an epoch, without padding."""
        return len(self.encoded.token_ids)

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Returns the rows of each batch of an epoch, in order."""
        count = len(self.encoded)
        shuffle = None if self.seed is None else np.random.default_rng((self.seed, epoch))
        order = np.arange(count) if shuffle is None else shuffle.permutation(count)
        padded = padded_length(self.encoded.lengths)[order]
        batches, left_over = [], np.array([], dtype="int64")
        for length in np.unique(padded):
            # What did not fill a batch moves up a bucket rather than becoming a tiny batch.
            rows = np.concatenate([left_over, order[padded == length]])
            size = max(self.tokens_per_batch // int(length), 1)
            full = len(rows) // size * size
            batches += [rows[i : i + size] for i in range(0, full, size)]
            left_over = rows[full:]
        if len(left_over):
            batches.append(left_over)
        if shuffle is not None:
            shuffle.shuffle(batches)
        return batches

    def dataset(self, epochs: int = 1, first_step: int = 0) -> tf.data.Dataset:
        """Returns the batches of whole epochs, one after the other.

        Args:
            epochs: int. Epochs from the beginning of training.
            first_step: int. How many batches from the beginning to leave out.

        Returns:
            `tf.data.Dataset` of `(inputs, labels)`: dictionaries of int32 [batch, seq]
            and labels [batch] or [batch, 2], `epochs * steps_per_epoch - first_step` of them.
        """

        def generate():
            first_epoch, skipped = divmod(first_step, self.steps_per_epoch)
            for epoch in range(first_epoch, epochs):
                for rows in self.plan(epoch)[skipped:]:
                    inputs, labels = self.encoded.batch(rows)
                    if self.further is not None:
                        inputs |= self.further.batch(rows, inputs["token_ids"].shape[1])
                    yield inputs, labels
                skipped = 0

        ids = tf.TensorSpec((None, None), tf.int32)
        signature = dict.fromkeys(("token_ids", "segment_ids", "padding_mask"), ids)
        if self.further is not None:
            signature |= self.further.signature
        shape, dtype = self.encoded.labels.shape, self.encoded.labels.dtype
        labels = tf.TensorSpec((None, *shape[1:]), tf.as_dtype(dtype))
        dataset = tf.data.Dataset.from_generator(generate, output_signature=(signature, labels))
        steps = epochs * self.steps_per_epoch - first_step
        return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def padded_length(lengths):
    """Returns the lengths, an int or int array, that examples of these tokens are padded to."""
    return -(-lengths // LENGTH_STEP) * LENGTH_STEP
