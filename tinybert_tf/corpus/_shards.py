"""Shards and the manifest of a corpus: written whole or not at all, checked when read."""

import contextlib
from collections import Counter
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tinybert_tf.corpus._packing import PackedSequence
from tinybert_tf.corpus.options import FORMAT_VERSION, Counts, Header, Manifest, Shard, Split
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file, find_fault, hash_file
from tinybert_tf.resumable import MANIFEST, Format

_READ_RECORDS = 4096
_FIELDS = ("token_ids", "mask_positions", "mask_ids")


@pydantic_dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of a part of the inputs: its shards, or why there are none."""

    counts: Counts = Counts()
    shards: tuple[Shard, ...] = ()
    error: str = ""

    def find_fault(self, directory: str) -> str:
        """Returns why the part is not done. Of shards, which are large, the size must do."""
        faults = (find_fault(f"{directory}/{shard.name}", shard.size) for shard in self.shards)
        return self.error or next(filter(None, faults), "")


FORMAT = Format(
    name="corpus",
    command="python -m tinybert_tf corpus",
    version=FORMAT_VERSION,
    header=Header,
    summary=Summary,
    manifest=Manifest,
    summary_name="summaries/{:05d}.json",
)


# === Writing ===


class ShardWriter:
    """Writes sequences to a file; used as a context, it leaves a whole file or none.

    Args:
        directory: str. The corpus' directory.
        name: str. The file.
        split: str. `"train"` or `"held_out"`.
    """

    def __init__(self, directory: str, name: str, split: Split):
        self._path, self._name, self._split = f"{directory}/{name}", name, split
        self._lengths = Counter()
        self._stack = contextlib.ExitStack()
        self._aside: str | None = None
        self._records: tf.io.TFRecordWriter | None = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)

    def write(self, sequence: PackedSequence) -> None:
        """Appends a sequence."""
        if self._records is None:
            self._aside = self._stack.enter_context(atomic_file(self._path))
            self._records = self._stack.enter_context(tf.io.TFRecordWriter(self._aside))
        self._lengths[len(sequence.token_ids)] += 1
        self._records.write(_to_example(sequence).SerializeToString(deterministic=True))

    def shard(self) -> Shard | None:
        """Ends the file and returns what it holds; `None` if nothing was written."""
        if self._records is None:
            return None
        self._records.close()
        return Shard(
            name=self._name,
            split=self._split,
            size=tf.io.gfile.stat(self._aside).length,
            sha256=hash_file(self._aside),
            sequences=self._lengths.total(),
            tokens=sum(length * count for length, count in self._lengths.items()),
            lengths=dict(sorted(self._lengths.items())),
        )


def _to_example(sequence: PackedSequence) -> tf.train.Example:
    features = {"token_ids": sequence.token_ids}
    if len(sequence.mask_positions):
        features["mask_positions"] = sequence.mask_positions
        features["mask_ids"] = sequence.mask_ids
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                for name, values in features.items()
            }
        )
    )


# === Reading ===


def read_manifest(directory: str) -> Manifest:
    """Reads the manifest and looks whether every shard is there with its bytes.

    Args:
        directory: str. What `python -m tinybert_tf corpus --output` named.

    Raises:
        TinyBertError: if there is no finished corpus, or not all of it.
    """
    manifest = FORMAT.read_manifest(directory)
    for shard in manifest.shards:
        if fault := find_fault(f"{directory}/{shard.name}", shard.size):
            raise TinyBertError(f"{fault}. {FORMAT.way_out}")
    return manifest


class RaggedRows(NamedTuple):
    """Rows of different lengths, end to end.

    Args:
        values: int32 array [values].
        lengths: int64 array [rows].
    """

    values: np.ndarray
    lengths: np.ndarray

    @property
    def row_splits(self) -> np.ndarray:
        """int64 array [rows + 1]: where each row starts."""
        return np.concatenate([[0], np.cumsum(self.lengths)])


def read_shard(directory: str, shard: Shard) -> dict[str, RaggedRows]:
    """Reads a shard after comparing its hash.

    Returns:
        Rows of `"token_ids"`, `"mask_positions"` and `"mask_ids"`; the last two are empty
        where nothing is masked.

    Raises:
        TinyBertError: if the file is another than the manifest says.
    """
    path = f"{directory}/{shard.name}"
    if fault := find_fault(path, shard.size, shard.sha256):
        raise TinyBertError(f"{fault}. {FORMAT.way_out}")
    features = dict.fromkeys(_FIELDS, tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64))
    # Not by `map`, which would trace a graph for each shard.
    records = tf.data.TFRecordDataset(path).batch(_READ_RECORDS)
    try:
        parts = [tf.io.parse_example(batch, features) for batch in records]
    except tf.errors.OpError as error:
        raise TinyBertError(
            f"{path} holds no sequences: {error.message}. {FORMAT.way_out}"
        ) from error
    rows = {
        name: RaggedRows(
            np.concatenate([part[name].values.numpy().astype("int32") for part in parts]),
            np.concatenate([part[name].row_lengths().numpy() for part in parts]),
        )
        for name in _FIELDS
    }
    lengths = np.sort(rows["token_ids"].lengths)
    if not np.array_equal(lengths, np.sort(shard.sorted_lengths)):
        raise TinyBertError(
            f"{path} has sequences of other lengths than {MANIFEST} says. {FORMAT.way_out}"
        )
    return rows
