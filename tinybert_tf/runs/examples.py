"""From a config to examples."""

import dataclasses

import numpy as np

from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import (
    Examples,
    SpanExamples,
    SpanTask,
    Task,
    further_dev_splits,
    read_glue,
    read_squad,
    read_table,
    read_tfds,
)
from tinybert_tf.runs.config import DataConfig, RunConfig


def read_split(task: Task | SpanTask, data: DataConfig, split: str) -> Examples | SpanExamples:
    """Reads one split.

    Args:
        task: `Task` or `SpanTask`.
        data: `DataConfig`.
        split: str. `"train"`, `"dev"` or `"test"`.

    Raises:
        TinyBertError: if it cannot be read; file and line, or question, are named.
    """
    name = getattr(data, split) or data.dev
    if data.format == "squad":
        return read_squad(task, resolve_path(name))
    if data.format == "glue":
        return read_glue(task, resolve_path(data.source), name)
    if data.format == "tfds":
        return read_tfds(task, data.source, name)
    return read_table(task, resolve_path(name), data.delimiter)


def read_further_splits(task: Task | SpanTask, data: DataConfig) -> dict[str, Examples]:
    """Reads what is scored beside the test split, if that is the dev split of a published set.

    Args:
        task: `Task` or `SpanTask`.
        data: `DataConfig`.

    Returns:
        dict of `Examples` by what the figures are called: see `further_dev_splits`.

    Raises:
        TinyBertError: see `read_split`.
    """
    names = {} if data.test else further_dev_splits(task, data.format)
    return {
        name: read_split(task, dataclasses.replace(data, test=split), "test")
        for name, split in names.items()
    }


def take_random(
    examples: Examples | SpanExamples, count: int | None, seed: int
) -> Examples | SpanExamples:
    """Returns `count` examples chosen by the seed, or all for `None`."""
    if count is None or count >= len(examples):
        return examples
    return examples.take(np.random.default_rng(seed).permutation(len(examples))[:count])


def read_part(
    task: Task | SpanTask, data: DataConfig, split: str, seed: int
) -> Examples | SpanExamples:
    """Reads what is trained on or checkpoints are chosen on.

    Args:
        task: `Task` or `SpanTask`.
        data: `DataConfig`. Its `max_train_examples` and `max_dev_examples` bound the part.
        split: str. `"train"` or `"dev"`.
        seed: int. Chooses the part.

    Raises:
        TinyBertError: see `read_split`.
    """
    counts = {"train": data.max_train_examples, "dev": data.max_dev_examples}
    return take_random(read_split(task, data, split), counts[split], seed)


def read_training_examples(config: RunConfig) -> Examples | SpanExamples:
    """Reads what a run trains on, see `read_part`."""
    return read_part(config.resolved_task(), config.data, "train", config.seed)
