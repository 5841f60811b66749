"""Augmented examples on disk: JSON lines in shards, and a manifest once they are complete."""

import hashlib
import json
from collections.abc import Iterator

import tensorflow as tf

from tinybert_tf.augmentation.augmenter import AugmentationOptions, Statistics
from tinybert_tf.data import Examples, Task, read_table
from tinybert_tf.errors import TinyBertError
from tinybert_tf.file_systems import find_fault, read_json, whole_file
from tinybert_tf.strict import strict_keyword_dataclass

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WAY_OUT = "Copy it again, or remove the directory and augment again."


@strict_keyword_dataclass
class Header:
    """What decides the content of a directory; it holds the copies of one header.

    Args:
        version: int. Of the format.
        text_fields: tuple of str. Names of the columns.
        label_field: str. Name of the last column.
        labels: tuple of str or `None`. The task's.
        options: `AugmentationOptions`.
        sources: dict of str. Names of what the rows are made with: masked LM, word vectors.
        examples: int. How many were to be augmented.
        examples_sha256: str. Of their texts and labels.
        examples_per_shard: int.
    """

    version: int
    text_fields: tuple[str, ...]
    label_field: str
    labels: tuple[str, ...] | None
    options: AugmentationOptions
    sources: dict[str, str]
    examples: int
    examples_sha256: str
    examples_per_shard: int

    @property
    def num_shards(self) -> int:
        """How many files the copies are in."""
        return -(-self.examples // self.examples_per_shard)


@strict_keyword_dataclass
class Shard:
    """A file of augmented examples, or a part of the examples that has no copies.

    Args:
        name: str. The file in the directory.
        size: int. Bytes.
        sha256: str. Of the file.
        statistics: `Statistics`. Of its examples.
    """

    name: str
    size: int
    sha256: str
    statistics: Statistics


@strict_keyword_dataclass
class Manifest:
    """`manifest.json`: what a finished directory is and holds."""

    header: Header
    statistics: Statistics
    shards: tuple[Shard, ...]


def make_header(
    task: Task,
    examples: Examples,
    options: AugmentationOptions,
    sources: dict[str, str],
    examples_per_shard: int,
) -> Header:
    """Returns the header of the copies of examples."""
    digest = hashlib.sha256()
    for text in (text for field in examples.texts for text in field):
        # The lengths, so that no text can end where another begins.
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    digest.update(examples.labels.tobytes())
    return Header(
        version=FORMAT_VERSION,
        text_fields=task.text_fields,
        label_field=task.label_field,
        labels=task.labels,
        options=options,
        sources=sources,
        examples=len(examples),
        examples_sha256=digest.hexdigest(),
        examples_per_shard=examples_per_shard,
    )


def write_shard(
    directory: str, name: str, task: Task, copies: Examples, statistics: Statistics
) -> Shard:
    """Writes copies as a whole file that `read_table` reads."""
    columns = (*task.text_fields, task.label_field)
    rows = (
        dict(zip(columns, (*texts, label), strict=True))
        for *texts, label in zip(*copies.texts, _label_cells(task, copies), strict=True)
    )
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    with whole_file(f"{directory}/{name}") as aside, tf.io.gfile.GFile(aside, "wb") as file:
        file.write(content)
    return Shard(
        name=name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        statistics=statistics,
    )


def _label_cells(task: Task, copies: Examples) -> list[str | float]:
    if task.is_regression:
        # The shortest decimal that is the float32: 3.8, not 3.799999952316284.
        return [float(str(score)) for score in copies.labels]
    return [task.labels[index] for index in copies.labels]


def check_shard(directory: str, shard: Shard) -> None:
    """Looks whether a shard is the file that was written.

    Raises:
        TinyBertError: if it is missing, cut or changed.
    """
    if fault := find_fault(f"{directory}/{shard.name}", shard.size, shard.sha256):
        raise TinyBertError(f"{fault}. {WAY_OUT}")


def read_manifest(directory: str) -> Manifest:
    """Reads the manifest of a finished directory.

    Raises:
        TinyBertError: if there is none, or one of another version.
    """
    path = f"{directory}/{MANIFEST}"
    if not tf.io.gfile.exists(path):
        raise TinyBertError(
            f"{directory} holds no finished augmentation: it has no {MANIFEST}. Augment again; "
            "what is there already is kept."
        )
    manifest = read_json(path, Manifest, WAY_OUT)
    if manifest.header.version != FORMAT_VERSION:
        raise TinyBertError(
            f"{path} is of version {manifest.header.version}, expected {FORMAT_VERSION}. "
            "Remove the directory and augment again."
        )
    return manifest


def read_augmented(task: Task, directory: str) -> Iterator[Examples]:
    """Yields the copies shard by shard, without the examples that they were made of.

    Args:
        task: `Task`.
        directory: str. What `write_augmented` made.

    Raises:
        TinyBertError: if there is no finished augmentation, one of another task, or a shard is
            missing, cut or changed.
    """
    manifest = read_manifest(directory)
    theirs, ours = ((x.text_fields, x.label_field, x.labels) for x in (manifest.header, task))
    if theirs != ours:
        raise TinyBertError(
            f"{directory} holds augmented examples with text fields, label field and labels "
            f"{theirs}; those of the task '{task.name}' are {ours}. Augment the task's own."
        )
    for shard in manifest.shards:
        check_shard(directory, shard)
        if shard.statistics.rows:
            yield read_table(task, f"{directory}/{shard.name}")
