"""The TSV files of GLUE, as its site publishes them."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from tinybert_tf.data._dialect import Dialect, tsv_records
from tinybert_tf.data.examples import Examples, find_columns, to_examples
from tinybert_tf.data.tables import pick_columns, read_data_file
from tinybert_tf.data.tasks import GLUE_TASKS, Task
from tinybert_tf.errors import TinyBertError, nearest_name

# Quora Question Pairs as GLUE publishes it has some twenty lines cut in two by a line break
# inside a question, and two rows without a second question, in some 364,000 lines.
MAX_UNUSABLE_SHARE = 1e-3


@dataclasses.dataclass(frozen=True)
class _GlueLayout:
    """Where a GLUE folder keeps a task: columns are texts in task order, then the label."""

    folder: str
    columns: tuple[str, ...]
    header: tuple[str, ...] | None = None  # given for files that have no header line
    splits: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"train": "train.tsv", "dev": "dev.tsv"}
    )
    test_splits: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"test": "test.tsv"}
    )


_GLUE_LAYOUTS = {
    "cola": _GlueLayout(
        "CoLA", ("sentence", "label"), header=("source", "label", "mark", "sentence")
    ),
    "sst2": _GlueLayout("SST-2", ("sentence", "label")),
    "mrpc": _GlueLayout("MRPC", ("#1 String", "#2 String", "Quality")),
    "stsb": _GlueLayout("STS-B", ("sentence1", "sentence2", "score")),
    "qqp": _GlueLayout("QQP", ("question1", "question2", "is_duplicate")),
    "mnli": _GlueLayout(
        "MNLI",
        ("sentence1", "sentence2", "gold_label"),
        splits={
            "train": "train.tsv",
            "dev": "dev_matched.tsv",
            "dev_matched": "dev_matched.tsv",
            "dev_mismatched": "dev_mismatched.tsv",
        },
        test_splits={
            "test_matched": "test_matched.tsv",
            "test_mismatched": "test_mismatched.tsv",
        },
    ),
    "qnli": _GlueLayout("QNLI", ("question", "sentence", "label")),
    "rte": _GlueLayout("RTE", ("sentence1", "sentence2", "label")),
    "wnli": _GlueLayout("WNLI", ("sentence1", "sentence2", "label")),
}


def read_glue(task: Task, directory: str | os.PathLike, split: str) -> Examples:
    """Reads a split of a GLUE task from the TSV files GLUE publishes.

    Args:
        task: Task. One of `GLUE_TASKS`, or a copy of one with its labels in another order
            (that of a teacher, say): labels are matched by name.
        directory: str or path. The folder of the task ("SST-2", "MRPC", ...).
        split: str. "train" or "dev"; for MNLI also "dev_matched", which "dev" stands for, and
            "dev_mismatched".

    Raises:
        TinyBertError: if the task is none of GLUE's, the file cannot be read, lacks a column,
            or has more than one row in a thousand without a usable text, or any row without a
            usable label.
    """
    layout, official = _glue_layout(task)
    path = _glue_path(layout, layout.splits, pathlib.Path(directory), split)
    records = tsv_records(read_data_file(path))
    header = layout.header or next(records)[1]
    rows = pick_columns(path, header, layout.columns, records, Dialect("\t", False))
    # Where the files hold 0 and 1, these count in GLUE's order of the labels.
    by_glue = dataclasses.replace(task, labels=official.labels)
    examples = to_examples(by_glue, f"{path}, line", rows, MAX_UNUSABLE_SHARE)
    if task.labels == official.labels:
        return examples
    order = np.array([task.labels.index(name) for name in official.labels], np.int32)
    return Examples(examples.texts, order[examples.labels])


def read_glue_test(task: Task, directory: str | os.PathLike, split: str = "test") -> Examples:
    """Reads a test set of GLUE, whose labels are not public: every row, in its order.

    Args:
        task: Task. One of `GLUE_TASKS`, or a copy of one with its labels in another order.
        directory: str or path. The folder of the task ("SST-2", "MRPC", ...).
        split: str. "test"; for MNLI "test_matched" or "test_mismatched".

    Returns:
        `Examples`. Their labels are -1, or for regression `nan`.

    Raises:
        TinyBertError: if the task is none of GLUE's, the file cannot be read, lacks a column,
            or has a row of too few or too many fields. None is left out: a prediction is
            wanted for each.
    """
    layout, _ = _glue_layout(task)
    path = _glue_path(layout, layout.test_splits, pathlib.Path(directory), split)
    # Unlike the other files of CoLA, its test file has a header too.
    records = tsv_records(read_data_file(path))
    header = next(records)[1]
    columns = find_columns(path, tuple(header), layout.columns[:-1])
    rows = []
    for line, fields in records:
        if len(fields) != len(header):
            raise TinyBertError(
                f"{path}, line {line}: {len(fields)} fields, expected {len(header)}. Get the "
                "file of GLUE again: a prediction is wanted for each of its rows."
            )
        rows.append([fields[column] for column in columns])
    if not rows:
        raise TinyBertError(f"{path}: there are no rows, expected one or more.")
    labels = np.full(len(rows), np.nan if task.is_regression else -1)
    dtype = np.float32 if task.is_regression else np.int32
    return Examples(tuple(zip(*rows, strict=True)), labels.astype(dtype))


def further_dev_splits(task: Task, source: str) -> dict[str, str]:
    """Returns the labelled splits to report beside `dev`: the mismatched one of MNLI.

    Args:
        task: Task.
        source: str. `"glue"` or `"tfds"`; whose names of splits.

    Returns:
        dict of str by str. What its figures are called, and the split.
    """
    if task.name != "mnli":
        return {}
    names = {"glue": "dev_mismatched", "tfds": "validation_mismatched"}
    return {"mismatched": names[source]} if source in names else {}


# === GLUE and TFDS ===


def _glue_layout(task: Task) -> tuple[_GlueLayout, Task]:
    if task.name not in GLUE_TASKS:
        raise TinyBertError(
            f"'{task.name}' is no GLUE task. Known: {', '.join(GLUE_TASKS)}."
            f"{nearest_name(task.name, GLUE_TASKS)} Read your own files with read_table."
        )
    official = GLUE_TASKS[task.name]
    if task.text_fields != official.text_fields:
        raise TinyBertError(
            f"Task '{task.name}' has text_fields {task.text_fields}, expected "
            f"{official.text_fields} as in GLUE_TASKS. Read your own files with read_table."
        )
    check_same_labels(task, official.labels, "GLUE")
    return _GLUE_LAYOUTS[task.name], official


def _glue_path(
    layout: _GlueLayout, splits: dict[str, str], directory: pathlib.Path, split: str
) -> pathlib.Path:
    if split not in splits:
        kind = "labelled" if splits is layout.splits else "test"
        raise TinyBertError(
            f"{layout.folder} has no {kind} split '{split}'. Known: "
            f"{', '.join(splits)}.{nearest_name(split, splits)}"
        )
    file = splits[split]
    if not os.path.exists(directory / file):
        inside = directory / layout.folder
        hint = f" Did you mean '{inside}'?" if os.path.exists(inside / file) else ""
        raise TinyBertError(
            f"{directory} holds no {file}, expected the GLUE folder '{layout.folder}' with "
            f"{', '.join(sorted(set(splits.values())))}.{hint}"
        )
    return directory / file


def check_same_labels(task: Task, names: Sequence[str] | None, source: str) -> None:
    """Raises TinyBertError if a task has other labels than a data set, whatever their order."""
    if set(names or ()) != set(task.labels or ()):
        theirs = ", ".join(names) if names else "scores"
        ours = ", ".join(task.labels) if task.labels else "scores"
        raise TinyBertError(
            f"The labels of {source} are not those of task '{task.name}': {theirs} there, "
            f"expected {ours}. Give the task the labels of the data, in any order."
        )
