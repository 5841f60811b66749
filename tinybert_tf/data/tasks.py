"""What a task is: its text fields, its label and the metrics it is judged by."""

import dataclasses
import math
from collections.abc import Iterable
from typing import ClassVar

from tinybert_tf.errors import TinyBertError, nearest_name

CLASSIFICATION_METRICS = ("accuracy", "f1", "matthews")
REGRESSION_METRICS = ("pearson", "spearman")


@dataclasses.dataclass(frozen=True)
class Task:
    """A text classification or regression task.

    A list given for one of the tuples (as a YAML file does) is stored as a tuple.

    Args:
        name: str. How configs and messages call the task.
        text_fields: tuple of 1 or 2 str. The columns of the text, in the order the model
            reads them.
        label_field: str. The column of the label or score.
        labels: tuple of str, or None. Class names in index order; None means regression.
        score_range: tuple of 2 floats, or None. Lowest and highest score, both included;
            for a regression task only.
        metrics: tuple of str. Taken from `CLASSIFICATION_METRICS` or `REGRESSION_METRICS`;
            checkpoints are chosen by the first one. Empty means accuracy, or for regression
            pearson and spearman.

    Raises:
        TinyBertError: if a value, or the combination of labels, score range and metrics,
            describes no task.

    Example:

    ```python
    Task("tickets", ("subject", "body"), "queue", ("billing", "sales", "support"))
    Task("quality", ("text",), "grade", None, (0.0, 100.0), ("spearman",))
    ```
    """

    # What else differs by kind stands in tables under this name: `runs/steps.py`, for one.
    kind: ClassVar[str] = "text"
    # Values of a config's `data.format` that have examples of this kind.
    formats: ClassVar[tuple[str, ...]] = ("table", "glue", "tfds")
    # What two models that agree have in common, for people.
    agreement: ClassVar[str] = "same label"

    name: str
    text_fields: tuple[str, ...]
    label_field: str
    labels: tuple[str, ...] | None
    score_range: tuple[float, float] | None = None
    metrics: tuple[str, ...] = ()

    def __post_init__(self):
        self._check_name("name", self.name)
        self._store_names("text_fields")
        self._check_name("label_field", self.label_field)
        if len(self.text_fields) not in (1, 2):
            raise self._error(
                f"text_fields has {len(self.text_fields)} names, expected 1 or 2."
            )
        if self.label_field in self.text_fields:
            raise self._error(f"label_field '{self.label_field}' is also one of text_fields.")
        if self.labels is None:
            self._check_score_range()
        else:
            self._check_labels()
        self._check_metrics()

    @property
    def is_regression(self) -> bool:
        """Whether the task predicts a score instead of a class."""
        return self.labels is None

    @property
    def num_outputs(self) -> int:
        """The width of the model's last layer: one per class, or 1 for a score."""
        return 1 if self.labels is None else len(self.labels)

    def _error(self, problem: str) -> TinyBertError:
        return TinyBertError(f"Task {self.name!r}: {problem}")

    def _check_name(self, attribute: str, name: object) -> None:
        # Names end up as lines of files (labels.txt) and as cells of tables: a line break,
        # a tab or a space at the edge would come back as another name.
        if (
            not isinstance(name, str)
            or len(name.splitlines()) != 1
            or "\t" in name
            or name != name.strip()
        ):
            raise self._error(
                f"{attribute} holds {name!r}, expected a string of one line, not empty, "
                "without tabs and without spaces at its ends."
            )

    def _store_names(self, attribute: str) -> None:
        names = getattr(self, attribute)
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise self._error(f"{attribute} is {names!r}, expected a tuple of names.")
        names = tuple(names)
        for name in names:
            self._check_name(attribute, name)
        if len(set(names)) != len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise self._error(f"{attribute} names '{repeated}' more than once.")
        object.__setattr__(self, attribute, names)

    def _check_labels(self) -> None:
        self._store_names("labels")
        if len(self.labels) < 2:
            raise self._error(
                f"labels holds {len(self.labels)} name(s), expected 2 or more, or None for "
                "regression."
            )
        if self.score_range is not None:
            raise self._error(
                "labels and score_range are both given. A task has class names or, with "
                "labels=None, a score range."
            )

    def _check_score_range(self) -> None:
        if self.score_range is None:
            raise self._error(
                "has neither labels nor score_range. Give the class names, or for regression "
                "the lowest and highest score."
            )
        try:
            low, high = map(float, self.score_range)
        except (TypeError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise self._error(
                f"score_range is {self.score_range!r}, expected two finite numbers, the lower "
                "one first."
            )
        object.__setattr__(self, "score_range", (low, high))

    def _check_metrics(self) -> None:
        self._store_names("metrics")
        known = REGRESSION_METRICS if self.is_regression else CLASSIFICATION_METRICS
        kind = "regression" if self.is_regression else "classification"
        if not self.metrics:
            default = known if self.is_regression else ("accuracy",)
            object.__setattr__(self, "metrics", default)
        for metric in self.metrics:
            if metric not in known:
                raise self._error(
                    f"'{metric}' is no {kind} metric. Known: {', '.join(known)}."
                    f"{nearest_name(metric, known)}"
                )


GLUE_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="cola",
            text_fields=("sentence",),
            label_field="label",
            labels=("unacceptable", "acceptable"),
            metrics=("matthews", "accuracy"),
        ),
        Task(
            name="sst2",
            text_fields=("sentence",),
            label_field="label",
            labels=("negative", "positive"),
        ),
        Task(
            name="mrpc",
            text_fields=("sentence1", "sentence2"),
            label_field="label",
            labels=("not_equivalent", "equivalent"),
            metrics=("accuracy", "f1"),
        ),
        Task(
            name="stsb",
            text_fields=("sentence1", "sentence2"),
            label_field="label",
            labels=None,
            score_range=(0.0, 5.0),
            metrics=("pearson", "spearman"),
        ),
        Task(
            name="qqp",
            text_fields=("question1", "question2"),
            label_field="label",
            labels=("not_duplicate", "duplicate"),
            metrics=("accuracy", "f1"),
        ),
        Task(
            name="mnli",
            text_fields=("premise", "hypothesis"),
            label_field="label",
            labels=("entailment", "neutral", "contradiction"),
        ),
        Task(
            name="qnli",
            text_fields=("question", "sentence"),
            label_field="label",
            labels=("entailment", "not_entailment"),
        ),
        Task(
            name="rte",
            text_fields=("sentence1", "sentence2"),
            label_field="label",
            labels=("entailment", "not_entailment"),
        ),
        Task(
            name="wnli",
            text_fields=("sentence1", "sentence2"),
            label_field="label",
            labels=("not_entailment", "entailment"),
        ),
    )
}
"""GLUE's tasks by name. Field names and label order are those of the `glue/*` builders of
TensorFlow Datasets, so that class indices agree with models trained on them."""
