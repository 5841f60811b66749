"""Shards and the manifest of a corpus: written whole or not at all, checked when read."""

import contextlib
from collections import Counter
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tinybert_tf.corpus._packing import Sequence
from tinybert_tf.corpus.options import FORMAT_VERSION, Manifest, Shard
from tinybert_tf.errors import TinyBertError
from tinybert_tf.file_systems import find_fault, hash_file, read_json, whole_file

MANIFEST = "manifest.json"
WAY_OUT = "Copy it again, or remove the directory and make the corpus again."
_READ_RECORDS = 4096
_FIELDS = ("token_ids", "mask_positions", "mask_ids")


# === Writing ===


class ShardWriter:
    """Writes sequences to a file; used as a context, it leaves a whole file or none.

    Args:
        directory: str. The corpus' directory.
        name: str. The file.
        split: str. `"train"` or `"held_out"`.
    """

    def __init__(self, directory: str, name: str, split: str):
        self._path, self._name, self._split = f"{directory}/{name}", name, split
        self._lengths = Counter()
        self._stack = contextlib.ExitStack()
        self._aside = self._records = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)

    def write(self, sequence: Sequence) -> None:
        """Appends a sequence."""
        if self._records is None:
            self._aside = self._stack.enter_context(whole_file(self._path))
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


def _to_example(sequence: Sequence) -> tf.train.Example:
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
    path = f"{directory}/{MANIFEST}"
    if not tf.io.gfile.exists(path):
        raise TinyBertError(
            f"{directory} holds no finished corpus: it has no {MANIFEST}. Make one with "
            "`python -m tinybert_tf corpus`, which goes on where it was interrupted."
        )
    manifest = read_json(path, Manifest, WAY_OUT)
    if manifest.header.version != FORMAT_VERSION:
        raise TinyBertError(
            f"{path} is of version {manifest.header.version}, expected {FORMAT_VERSION}. Make "
            "the corpus again."
        )
    for shard in manifest.shards:
        if fault := find_fault(f"{directory}/{shard.name}", shard.size):
            raise TinyBertError(f"{fault}. {WAY_OUT}")
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
        raise TinyBertError(f"{fault}. {WAY_OUT}")
    features = dict.fromkeys(_FIELDS, tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64))
    records = tf.data.TFRecordDataset(path).batch(_READ_RECORDS)
    parts = list(records.map(lambda record: tf.io.parse_example(record, features)))
    return {
        name: RaggedRows(
            np.concatenate([part[name].values.numpy().astype("int32") for part in parts]),
            np.concatenate([part[name].row_lengths().numpy() for part in parts]),
        )
        for name in _FIELDS
    }
