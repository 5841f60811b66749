"""Names of classes as people spell them: in configs, in files and in checkpoints."""

import collections
import re
from collections.abc import Sequence

from tinybert_tf.errors import TinyBertError


class LabelNames:
    """Finds labels by name, whatever the case and the space around them.

    `1.0`, which spreadsheets and pandas make of 1, is `1`. An exact name goes first. Labels
    that differ in case alone are found by exact name only.

    Args:
        labels: sequence of str. In index order.
    """

    def __init__(self, labels: Sequence[str]):
        self._exact = {name: i for i, name in enumerate(labels)}
        counts = collections.Counter(map(_fold, labels))
        self._folded = {
            _fold(name): i for i, name in enumerate(labels) if counts[_fold(name)] == 1
        }

    def position(self, name: str) -> int | None:
        """Returns the index of the label that a name stands for, `None` if there is none."""
        return self._exact.get(name, self._folded.get(_fold(name)))


def match_labels(theirs: Sequence[str], labels: Sequence[str], owner: str) -> list[int]:
    """Returns which of a model's outputs each label has.

    Args:
        theirs: sequence of str. The model's names, in the order of its outputs.
        labels: sequence of str. The task's, in index order.
        owner: str. What the model is called in the message.

    Returns:
        list of int, one for each label. `theirs[result[i]]` is the name of `labels[i]`.

    Raises:
        TinyBertError: if the names are not the same, case and surrounding space aside.
    """
    names = LabelNames(labels)
    positions = [names.position(name) for name in theirs]
    if len(positions) != len(labels) or set(positions) != set(range(len(labels))):
        raise TinyBertError(
            f"{owner} names its labels {_listed(theirs)}, the task's are {_listed(labels)}. "
            "Give the task's labels with the names of the model, in any order and case, or "
            "correct the names in the model's config (id2label)."
        )
    return [positions.index(i) for i in range(len(labels))]


def several_labels(labels: Sequence[str] | None, found: object) -> str:
    """Returns what is to be said of a cell that holds several labels, or `""`.

    Args:
        labels: sequence of str or `None`. The task's.
        found: str, list or another value. The cell: `"sports,politics"`, `"['a', 'b']"`,
            `"0|2"`, a list.
    """
    names, indices = LabelNames(labels or ()), set(map(str, range(len(labels or ()))))
    for separators in (r"[,;|/\[\]'\"]+", r"[\s\[\]'\"]+"):
        parts = found if isinstance(found, list) else re.split(separators, str(found))
        parts = [part for part in (str(part).strip() for part in parts) if part]
        is_known = all(names.position(p) is not None for p in parts) or {*parts} <= indices
        if len(parts) > 1 and is_known:
            return (
                f" These are {len(parts)} labels: a text has one label here; tasks of several "
                "labels a text are not supported yet. Choose one label a text, or make a task "
                "of each label."
            )
    return ""


def _fold(name: str) -> str:
    """Returns a name as it is compared: without case and, of a number, without `.0`."""
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", name.strip().casefold())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
