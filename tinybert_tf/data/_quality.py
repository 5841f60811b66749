"""What a set of texts and labels is like, and what of it makes training pointless."""

from collections.abc import Sequence

import numpy as np

from tinybert_tf.data.examples import Examples
from tinybert_tf.data.tasks import Task

# Of the dev or test texts; published sets have some.
MAX_DUPLICATE_SHARE = 0.01


def count_labels(task: Task, labels: np.ndarray) -> dict[str, int]:
    """Returns how many examples each class has, in the order of the task's labels.

    Args:
        task: `Task`. Of classification.
        labels: int array [examples].
    """
    counts = np.bincount(labels, minlength=task.num_outputs).tolist()
    return dict(zip(task.labels, counts, strict=True))


def find_constant_label(task: Task, labels: np.ndarray) -> str:
    """Returns what all examples have, `""` if they differ.

    Args:
        task: `Task`.
        labels: array [examples].
    """
    found = np.unique(labels)
    if found.size != 1:
        return ""
    return f"the score {found[0]:g}" if task.is_regression else f"'{task.labels[found[0]]}'"


def find_unlearned(task: Task, train: np.ndarray, other: np.ndarray) -> list[str]:
    """Returns the classes that a split has and the training examples lack.

    Args:
        task: `Task`.
        train: array [examples]. Labels.
        other: array [examples]. Labels of the other split.
    """
    if task.is_regression:
        return []
    return [task.labels[i] for i in np.setdiff1d(other, train)]


def find_duplicates(train: Examples, other: Examples) -> list[tuple[str, ...]]:
    """Returns the texts of a split that are training texts, too, space at their ends aside.

    Args:
        train: `Examples`.
        other: `Examples`.
    """
    known = set(_stripped(train.texts))
    return [texts for texts in _stripped(other.texts) if texts in known]


def _stripped(texts: tuple[Sequence[str], ...]) -> list[tuple[str, ...]]:
    return [tuple(map(str.strip, row)) for row in zip(*texts, strict=True)]
