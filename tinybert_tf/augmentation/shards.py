"""Augmented examples on disk: JSON lines in shards, and a manifest once they are complete."""

import hashlib
import json
from collections.abc import Iterator

import tensorflow as tf

from tinybert_tf.augmentation.augmenter import AugmentationOptions, Statistics
from tinybert_tf.data import Examples, Task, read_table
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file
from tinybert_tf.resumable import Format, WrittenFile
from tinybert_tf.strict import strict_keyword_dataclass

FORMAT_VERSION = 1


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


@strict_keyword_dataclass
class Shard(WrittenFile):
    """A file of augmented examples, or a part of the examples that has no copies.

    Args:
        statistics: `Statistics`. Of its examples.
    """

    statistics: Statistics


@strict_keyword_dataclass
class Manifest:
    """`manifest.json`: what a finished directory is and holds."""

    header: Header
    statistics: Statistics
    shards: tuple[Shard, ...]


FORMAT = Format(
    name="augmentation",
    command="python -m tinybert_tf augment",
    version=FORMAT_VERSION,
    header=Header,
    summary=Shard,
    manifest=Manifest,
    summary_name="augmented-{:05d}.json",
)


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
    with atomic_file(f"{directory}/{name}") as aside, tf.io.gfile.GFile(aside, "wb") as file:
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


def read_augmented(task: Task, directory: str) -> Iterator[Examples]:
    """Yields the copies shard by shard, without the examples that they were made of.

    Args:
        task: `Task`.
        directory: str. What `write_augmented` made.

    Raises:
        TinyBertError: if there is no finished augmentation, one of another task, or a shard is
            missing, cut or changed.
    """
    manifest = FORMAT.read_manifest(directory)
    theirs, ours = ((x.text_fields, x.label_field, x.labels) for x in (manifest.header, task))
    if theirs != ours:
        raise TinyBertError(
            f"{directory} holds augmented examples with text fields, label field and labels "
            f"{theirs}; those of the task '{task.name}' are {ours}. Augment the task's own."
        )
    for shard in manifest.shards:
        if fault := shard.find_fault(directory):
            raise TinyBertError(f"{fault}. {FORMAT.way_out}")
        if shard.statistics.rows:
            yield read_table(task, f"{directory}/{shard.name}")
