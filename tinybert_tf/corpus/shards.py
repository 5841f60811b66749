"""Shards and the manifest of a corpus: written whole or not at all, checked when read."""

import contextlib
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pydantic
import tensorflow as tf

from tinybert_tf.corpus.options import FORMAT_VERSION, Manifest, Shard
from tinybert_tf.corpus.packing import Sequence
from tinybert_tf.errors import TinyBertError

MANIFEST = "manifest.json"
_PARTIAL = ".partial-"
_READ_BYTES = 1 << 20
_READ_RECORDS = 4096
_FIELDS = ("token_ids", "mask_positions", "mask_ids")
_AGAIN = "Copy it again, or remove the directory and make the corpus again."


# === Files of any file system TensorFlow knows ===


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Yields a path beside `path`; renames it to `path` on success, removes it otherwise."""
    directory, name = path.rsplit("/", 1)
    # Two workers may write the same shard, when a runner tries again what is still running.
    aside = f"{directory}/{_PARTIAL}{uuid.uuid4().hex}-{name}"
    try:
        yield aside
        tf.io.gfile.rename(aside, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(aside):
            tf.io.gfile.remove(aside)
        raise


def remove_partial_files(directory: str) -> None:
    """Removes what a killed process left."""
    for name in tf.io.gfile.listdir(directory):
        if name.startswith(_PARTIAL):
            tf.io.gfile.remove(f"{directory}/{name}")


def write_json(path: str, value) -> None:
    """Writes a dataclass of `options` as a whole file."""
    with whole_file(path) as aside, tf.io.gfile.GFile(aside, "w") as file:
        file.write(json.dumps(to_json(value), indent=2) + "\n")


def to_json(value) -> dict:
    """Returns a dataclass of `options` as it stands in a file."""
    return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")


def read_json(path: str, kind: type):
    """Reads what `write_json` wrote.

    Raises:
        TinyBertError: if the file is something else.
    """
    try:
        with tf.io.gfile.GFile(path) as file:
            return pydantic.TypeAdapter(kind).validate_json(file.read())
    except (pydantic.ValidationError, UnicodeDecodeError) as error:
        raise TinyBertError(
            f"{path} is not what `python -m tinybert_tf corpus` writes: {error}. "
            "Make the corpus again."
        ) from error


def hash_file(path: str) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


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
    manifest = read_json(path, Manifest)
    if manifest.header.version != FORMAT_VERSION:
        raise TinyBertError(
            f"{path} is of version {manifest.header.version}, expected {FORMAT_VERSION}. Make "
            "the corpus again."
        )
    for shard in manifest.shards:
        if fault := find_fault(directory, shard):
            raise TinyBertError(f"{fault}. {_AGAIN}")
    return manifest


def find_fault(directory: str, shard: Shard) -> str:
    """Returns what is wrong with a shard at first sight; nothing if it has its bytes."""
    path = f"{directory}/{shard.name}"
    if not tf.io.gfile.exists(path):
        return f"{path} is missing"
    size = tf.io.gfile.stat(path).length
    return "" if size == shard.size else f"{path} has {size:,} bytes, expected {shard.size:,}"


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
    try:
        if hash_file(path) != shard.sha256:
            raise TinyBertError(f"{path} is not the file that was written. {_AGAIN}")
    except tf.errors.OpError as error:
        raise TinyBertError(f"{path} cannot be read: {error.message}") from error
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
