"""The training side: batches of a corpus, in a reproducible order, one shard in memory."""

import concurrent.futures
import functools
import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tinybert_tf.corpus import _shards
from tinybert_tf.corpus._shards import RaggedRows
from tinybert_tf.corpus.options import SPLITS, Vocabulary
from tinybert_tf.data.batches import BucketedBatches, EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import to_json

_INPUTS = ("token_ids", "segment_ids", "padding_mask")
_MASKS = ("mask_positions", "mask_ids")
_NO_TOKENS = np.array([], "int32")


class CorpusBatches:
    """Batches of sequences of like length, of about equally many tokens each.

    An epoch shows every sequence once: the shards in a shuffled order, and within each of them
    the batches of `BucketedBatches`. The order is a function of seed and epoch alone, so a run
    can go on from any batch. One shard is in memory and the next one is being read.

    Args:
        directory: str or path. What `python -m tinybert_tf corpus` wrote.
        split: str. `"train"` or `"held_out"`.
        tokens_per_batch: int. The budget: rows times padded length of a batch.
        seed: int or `None`. Of the shuffle; `None` keeps the order of shards, and sequences
            sorted by length within each.

    Attributes:
        has_masks: bool. Whether the corpus is masked.

    Raises:
        TinyBertError: if there is no finished corpus, a shard is missing or has another size,
            or the split is empty. A shard whose bytes were changed is found when it is read,
            before which a large corpus would be read for minutes: its batches end in an error
            of TensorFlow with the message.
    """

    def __init__(
        self,
        directory,
        split: str = "train",
        tokens_per_batch: int = 4096,
        seed: int | None = None,
    ):
        if split not in SPLITS:
            raise TinyBertError(f"split is {split!r}, expected one of {', '.join(SPLITS)}.")
        self.directory = str(directory).rstrip("/")
        self.manifest = _shards.read_manifest(self.directory)
        self.split = split
        self.tokens_per_batch = tokens_per_batch
        self.seed = seed
        self._shards = self.manifest.of_split(split)
        if not self._shards:
            raise TinyBertError(
                f"{self.directory} has no {split} sequences: it was made with "
                f"--held_out {self.manifest.header.options.held_out} of few documents."
            )
        self.has_masks = self.manifest.header.options.mask_probability > 0

    def __len__(self) -> int:
        """Sequences in an epoch."""
        return sum(shard.sequences for shard in self._shards)

    @property
    def sequence_length(self) -> int:
        """Tokens of a full sequence."""
        return self.manifest.header.options.sequence_length

    @property
    def tokens_per_epoch(self) -> int:
        """Tokens in an epoch, without padding."""
        return sum(shard.tokens for shard in self._shards)

    def summary(self) -> dict:
        """Returns what identifies and measures the corpus, for the results of a run."""
        content = to_json(self.manifest)
        return {**content["header"], "counts": content["counts"], "totals": content["totals"]}

    def check_vocabulary(self, tokenizer) -> None:
        """Checks that the corpus was made with the vocabulary of a model.

        Args:
            tokenizer: `BertTokenizer`.

        Raises:
            TinyBertError: if it was another, or one of the two is cased.
        """
        theirs, ours = Vocabulary.of(tokenizer), self.manifest.header.vocabulary
        if theirs != ours:
            raise TinyBertError(
                f"{self.directory} was made with another vocabulary than the model's: "
                f"{_describe(ours)}, the model's {_describe(theirs)}. Make the corpus again "
                "with `--teacher` or `--vocabulary` of the model."
            )

    @functools.cached_property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return sum(self._steps)

    @functools.cached_property
    def _steps(self) -> list[int]:
        """Batches of each shard; the lengths that stand in the manifest are enough to know."""
        return [
            self._batches(number, shard.sorted_lengths).steps_per_epoch
            for number, shard in enumerate(self._shards)
        ]

    def dataset(self, epochs: int = 1, first_step: int = 0) -> tf.data.Dataset:
        """Returns the batches of whole epochs, one after the other.

        Args:
            epochs: int. Epochs from the beginning of training.
            first_step: int. How many batches from the beginning to leave out.

        Returns:
            `tf.data.Dataset` of dictionaries of int32 [batch, seq], `"token_ids"`,
            `"segment_ids"` and `"padding_mask"`: `epochs * steps_per_epoch - first_step` of
            them. Those of a masked corpus also hold, [batch, masks], `"mask_positions"` and
            `"mask_ids"`, the tokens that belong there. Both are padded with 0, a position
            that is never masked.
        """
        names = (*_INPUTS, *_MASKS) if self.has_masks else _INPUTS
        dataset = tf.data.Dataset.from_generator(
            lambda: self._generate(epochs, first_step),
            output_signature=dict.fromkeys(names, tf.TensorSpec((None, None), tf.int32)),
        )
        steps = epochs * self.steps_per_epoch - first_step
        return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)

    def _generate(self, epochs: int, first_step: int) -> Iterator[dict[str, np.ndarray]]:
        visits = list(self._visits(epochs, first_step))
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            pending = None
            for (epoch, number, skipped), following in itertools.zip_longest(
                visits, visits[1:]
            ):
                rows = pending.result() if pending else self._read(number)
                # While its batches are used.
                pending = reader.submit(self._read, following[1]) if following else None
                batches = self._batches(number, *rows["token_ids"][::-1])
                for chosen in batches.plan(epoch)[skipped:]:
                    inputs, _ = batches.encoded.batch(chosen)
                    if self.has_masks:
                        inputs |= {name: _padded(rows[name], chosen) for name in _MASKS}
                    yield inputs

    def _visits(self, epochs: int, first_step: int) -> Iterator[tuple[int, int, int]]:
        """Yields epoch, number of a shard, and how many of its batches to leave out."""
        first_epoch, skipped = divmod(first_step, self.steps_per_epoch)
        for epoch in range(first_epoch, epochs):
            order = np.arange(len(self._shards))
            if self.seed is not None:
                np.random.default_rng((self.seed, epoch)).shuffle(order)
            for number in order.tolist():
                if skipped < self._steps[number]:
                    yield epoch, number, skipped
                skipped = max(skipped - self._steps[number], 0)

    def _batches(
        self, number: int, lengths: np.ndarray, token_ids: np.ndarray = _NO_TOKENS
    ) -> BucketedBatches:
        """Returns those of a shard; their plan needs no tokens."""
        encoded = EncodedExamples(
            token_ids=token_ids,
            # One zero for all of them: there is one segment.
            segment_ids=np.broadcast_to(np.int32(0), token_ids.shape),
            row_splits=np.concatenate([[0], np.cumsum(lengths)]),
            labels=np.broadcast_to(np.int32(0), lengths.shape),
            pad_token_id=self.manifest.header.vocabulary.pad_token_id,
        )
        # Every shard its own shuffle: with one seed, those of one size would share it.
        seed = self.seed
        if seed is not None:
            seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
        return BucketedBatches(encoded, self.tokens_per_batch, seed)

    def _read(self, number: int) -> dict[str, RaggedRows]:
        return _shards.read_shard(self.directory, self._shards[number])


def _padded(ragged: RaggedRows, rows: np.ndarray) -> np.ndarray:
    """Returns int32 [rows, longest], zeros after the values of each row."""
    lengths = ragged.lengths[rows]
    is_value = np.arange(lengths.max(initial=0)) < lengths[:, None]
    positions = np.where(
        is_value, ragged.row_splits[rows][:, None] + np.arange(is_value.shape[1]), 0
    )
    return np.where(is_value, ragged.values[positions], 0).astype("int32")


def _describe(vocabulary: Vocabulary) -> str:
    case = "uncased" if vocabulary.lowercase else "cased"
    return f"{vocabulary.size} tokens, {case}, SHA-256 {vocabulary.sha256[:12]}"
