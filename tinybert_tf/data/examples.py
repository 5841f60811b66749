"""Texts and their labels, and the checks that every reader passes its rows through.

A table of the user's is read strictly: its first unusable row is an error. The published sets
hold a few unusable rows that nobody can repair, so the readers of GLUE and TFDS leave up to
one row in a thousand out, with a warning.
"""

import dataclasses
import re
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from tinybert_tf.data.labels import LabelNames, several_labels
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError, nearest_name

# What the readers of the formats hand to `to_examples`, row by row: the line (or example)
# number, the cells (texts, then label), and what makes the row unusable (cells is then `()`)
# or `""`.
Row = tuple[int, tuple[str, ...], str]


# How published sets write "no label": the MultiNLI release, and TFDS and GLUE test splits.
_NO_LABEL = ("", "-", "-1")


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Texts and their labels, in the order of the source.

    Args:
        texts: tuple of tuples of str. One tuple of n strings per text field of the task.
        labels: array of shape `[n]`. int32 class indices, or float32 scores.

    Raises:
        TinyBertError: if the text fields and the labels are not of one length.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: np.ndarray

    def __post_init__(self):
        lengths = [len(field) for field in self.texts]
        if not lengths or any(self.labels.shape != (length,) for length in lengths):
            raise TinyBertError(
                f"Examples with text fields of lengths {lengths} and labels of shape "
                f"{self.labels.shape}: expected one or more fields, each as long as the labels."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Examples":
        """Returns the examples at `indices`, in that order; an index may come twice.

        Args:
            indices: sequence of int. Positions from 0 to `len(self) - 1`.

        Raises:
            TinyBertError: if an index is not an integer or lies outside.
        """
        indices = np.asarray(indices)
        if indices.size == 0:
            indices = indices.astype(np.int64)
        # A boolean mask would otherwise be taken for the positions 0 and 1.
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TinyBertError(
                f"take() was given indices of type {indices.dtype} and shape {indices.shape}, "
                "expected a flat list of integers. Pass a mask as np.flatnonzero(mask)."
            )
        outside = indices[(indices < 0) | (indices >= len(self))]
        if outside.size:
            raise TinyBertError(
                f"take() was given index {outside[0]}, expected 0 to {len(self) - 1}."
            )
        positions = indices.tolist()
        texts = tuple(tuple(field[i] for i in positions) for field in self.texts)
        return Examples(texts, self.labels[indices])


def check_training_labels(task: Task, examples: Examples, source: str) -> None:
    """Refuses a training set nothing can be learned from.

    Args:
        task: Task. The task of the examples.
        examples: Examples. The training set.
        source: str. Where it comes from, for the message.

    Raises:
        TinyBertError: if all labels, or all scores, are the same.
    """
    found = np.unique(examples.labels)
    if found.size > 1:
        return
    if found.size == 0:
        raise TinyBertError(f"{source}: the training set is empty.")
    if task.is_regression:
        what = f"the score {found[0]:g}, expected different scores"
    else:
        what = f"the label '{task.labels[found[0]]}', expected two or more of: "
        what += ", ".join(task.labels)
    raise TinyBertError(
        f"{source}: all {len(examples)} training examples have {what}. "
        "Check that the file is complete and not sorted and cut."
    )


def find_columns(source: object, found: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Returns the position in `found` of every name in `wanted`."""
    for name in wanted:
        if found.count(name) != 1:
            problem = f"there is no column '{name}'"
            hint = nearest_name(name, found)
            if name in found:
                problem, hint = f"column '{name}' is there {found.count(name)} times", ""
            raise TinyBertError(
                f"{source}: {problem}. Columns found: {', '.join(map(repr, found))}.{hint} "
                "Name the columns of the file in the task, or rename them in the file."
            )
    return [found.index(name) for name in wanted]


# === Rows ===


def to_examples(
    task: Task, where: str, rows: Iterable[Row], max_unusable_share: float = 0.0
) -> Examples:
    """Checks every row and gathers the columns.

    Args:
        task: Task. Gives the names of the cells and the labels to expect.
        where: str. What stands before a row's number in a message ("train.tsv, line").
        rows: iterable of `Row`.
        max_unusable_share: float. The share of unusable rows that only bring a warning.
    """
    numbers, cells, unusable = [], [], []
    for number, row, problem in rows:
        problem = problem or _empty_text(task, row)
        if problem:
            unusable.append((number, problem))
        else:
            numbers.append(number)
            cells.append(row)
    total = len(cells) + len(unusable)
    if not total:
        raise TinyBertError(
            f"{where.rpartition(', ')[0]}: there are no rows, expected one or more."
        )
    if unusable:
        number, problem = unusable[0]
        if len(unusable) > max_unusable_share * total:
            raise TinyBertError(f"{where} {number}: {problem}. Repair or remove the row.")
        warnings.warn(
            f"{where} {number}: {problem}. {len(unusable)} such row(s) of {total} left out.",
            stacklevel=3,
        )
    *texts, labels = zip(*cells, strict=True)
    to_array = _scores if task.is_regression else _class_indices
    return Examples(tuple(texts), to_array(task, where, numbers, labels))


def _empty_text(task: Task, cells: tuple[str, ...]) -> str:
    """Returns which text of a row is empty, or `""`."""
    for name, text in zip(task.text_fields, cells, strict=False):
        if not text or text.isspace():
            return f"the text in '{name}' is empty"
    return ""


def _class_indices(
    task: Task, where: str, numbers: Sequence[int], labels: Sequence[str]
) -> np.ndarray:
    distinct = set(labels)
    names = LabelNames(task.labels)
    index = {label: names.position(label) for label in distinct}
    positions = LabelNames([str(i) for i in range(len(task.labels))])
    by_position = {label: positions.position(label) for label in distinct}
    if None not in by_position.values() and not _has_integer_names(task):
        index = by_position
    for number, label in zip(numbers, labels, strict=True):
        if index[label] is None:
            raise TinyBertError(f"{where} {number}: {_bad_label(task, label)}")
    return np.fromiter((index[label] for label in labels), np.int32, len(labels))


def _has_integer_names(task: Task) -> bool:
    return any(re.fullmatch(r"[+-]?\d+", name) for name in task.labels)


def _bad_label(task: Task, label: str) -> str:
    known = f"expected one of: {', '.join(task.labels)}"
    if label in _NO_LABEL:
        return (
            f"the row has no label ({task.label_field!r} is {label!r}), {known}. "
            "Remove the row, or name a labelled split."
        )
    indices = f" Indices 0 to {len(task.labels) - 1} do as well, if all rows have them."
    if several := several_labels(task.labels, label):
        return f"the label is {label!r}, {known}.{several}"
    return (
        f"unknown label {label!r}, {known}.{nearest_name(label, task.labels)}"
        f"{'' if _has_integer_names(task) else indices}"
    )


def _scores(
    task: Task, where: str, numbers: Sequence[int], labels: Sequence[str]
) -> np.ndarray:
    low, high = task.score_range
    scores = np.empty(len(labels), np.float32)
    for i, (number, label) in enumerate(zip(numbers, labels, strict=True)):
        expected = f"expected a number from {low:g} to {high:g}"
        if not label:
            raise TinyBertError(
                f"{where} {number}: the row has no score ({task.label_field!r} is empty), "
                f"{expected}. Remove the row, or name a labelled split."
            )
        try:
            score = float(label)
        except ValueError:
            score = float("nan")
        if not low <= score <= high:  # not a number is never within
            way_out = "Correct the row, or the score_range of the task."
            if re.fullmatch(r"[+-]?\d+,\d+", label.strip()):
                way_out = "Write decimals with a point, not with a comma."
            raise TinyBertError(
                f"{where} {number}: the score is {label!r}, {expected}. {way_out}"
            )
        scores[i] = score
    return scores
