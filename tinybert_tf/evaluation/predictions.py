"""What teacher and student say of the test split, example by example."""

import dataclasses
import json
import os
import pathlib

import numpy as np
from scipy.special import softmax

from tinybert_tf.data import Examples, Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file, read_text_file


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Examples and what both models make of them.

    Args:
        examples: `Examples`.
        teacher: float array [examples, outputs]. Logits, or scores of a regression.
        student: float array [examples, outputs].
    """

    examples: Examples
    teacher: np.ndarray
    student: np.ndarray

    def take(self, rows: np.ndarray) -> "Predictions":
        """Returns those of some examples, in that order.

        Args:
            rows: int array.
        """
        return Predictions(self.examples.take(rows), self.teacher[rows], self.student[rows])


def save_predictions(path: str | os.PathLike, task: Task, predictions: Predictions) -> None:
    """Writes one JSON object a line: `texts`, `label` (by name), `teacher` and `student`.

    Args:
        path: str or path. Replaced only when the new file is whole.
        task: `Task`.
        predictions: `Predictions`.
    """
    examples = predictions.examples
    labels = examples.labels.tolist()
    if not task.is_regression:
        labels = [task.labels[label] for label in labels]
    columns = zip(
        zip(*examples.texts, strict=True),
        labels,
        predictions.teacher.tolist(),
        predictions.student.tolist(),
        strict=True,
    )
    with atomic_file(pathlib.Path(path)) as aside, aside.open("w", encoding="utf-8") as file:
        for texts, label, teacher, student in columns:
            line = {"texts": texts, "label": label, "teacher": teacher, "student": student}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_predictions(path: str | os.PathLike, task: Task) -> Predictions | None:
    """Reads what `save_predictions` wrote; `None` if it wrote nothing.

    Args:
        path: str or path.
        task: `Task`.

    Raises:
        TinyBertError: if a line is not a prediction for this task.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return None
    # Not splitlines(): a text may hold what Unicode counts as the end of a line.
    lines = read_text_file(path, "predictions").rstrip("\n").split("\n")
    texts, labels, teacher, student = zip(
        *(_parse(task, line, f"{path}, line {i}") for i, line in enumerate(lines, start=1)),
        strict=True,
    )
    dtype = np.float32 if task.is_regression else np.int32
    examples = Examples(tuple(zip(*texts, strict=True)), np.array(labels, dtype))
    return Predictions(examples, np.array(teacher, "float32"), np.array(student, "float32"))


def _parse(task: Task, line: str, where: str) -> tuple:
    try:
        values = json.loads(line)
        texts, label = tuple(map(str, values["texts"])), values["label"]
        label = float(label) if task.is_regression else task.labels.index(label)
        outputs = [tuple(map(float, values[model])) for model in ("teacher", "student")]
    except (ValueError, TypeError, LookupError):
        texts, label, outputs = (), None, []
    if len(texts) != len(task.text_fields) or {task.num_outputs} != set(map(len, outputs)):
        raise TinyBertError(
            f"{where}: expected an example of task '{task.name}' with {task.num_outputs} "
            f"output(s) of teacher and student; got {line[:80]!r}. The step `evaluate` writes "
            "the file anew."
        )
    return texts, label, *outputs


def answers_of(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the class of each example and its probability, both [examples].

    Args:
        outputs: float array [examples, classes]. Logits.
    """
    return outputs.argmax(axis=-1), softmax(outputs.astype("float64"), axis=-1).max(axis=-1)


def find_student_errors(task: Task, predictions: Predictions) -> np.ndarray:
    """Finds the examples that the student gets wrong and the teacher does not.

    Args:
        task: `Task`.
        predictions: `Predictions`.

    Returns:
        int array. Classification: where the student alone is wrong, its most confident
        answers first. Regression: where it is further from the score than the teacher, by
        how much further, the most first.
    """
    labels = predictions.examples.labels
    if task.is_regression:
        student, teacher = (
            np.abs(outputs[:, 0].astype("float64") - labels)
            for outputs in (predictions.student, predictions.teacher)
        )
        excess = student - teacher
        return _largest_first(np.flatnonzero(excess > 0), excess)
    answers, confidence = answers_of(predictions.student)
    is_error = (answers != labels) & (predictions.teacher.argmax(axis=-1) == labels)
    return _largest_first(np.flatnonzero(is_error), confidence)


def _largest_first(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    return rows[np.argsort(-values[rows], kind="stable")]
