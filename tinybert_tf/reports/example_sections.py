"""What a report shows of single examples: confusions, errors, attention."""

from collections.abc import Iterator

import numpy as np
from sklearn import metrics as sklearn_metrics

from tinybert_tf.data import SpanTask, Task
from tinybert_tf.evaluation import (
    AnsweredQuestion,
    AttentionMaps,
    Predictions,
    answers_of,
    find_student_errors,
    find_worse_answers,
    read_answers,
    read_attention_maps,
    read_predictions,
)
from tinybert_tf.reports import plots
from tinybert_tf.reports.page import Drawing
from tinybert_tf.reports.tables import ResultsTable
from tinybert_tf.runs.directory import RunDirectory

# Errors that are listed, and confusions.
_MAX_ERRORS, _MAX_CONFUSIONS = 20, 10
# Of the columns of a confusion matrix, beyond which they have numbers in place of names.
_MOST_NAMED = 6


def text_examples(run: RunDirectory, task: Task) -> dict:
    """Returns what teacher and student say of the test examples, and where they look in one.

    Args:
        run: `RunDirectory`.
        task: `Task`.

    Returns:
        dict. The variables of `text_examples.html.jinja`: `predictions` and `attention`, each
        `None` where nothing is saved.

    Raises:
        TinyBertError: see `read_predictions` and `read_attention_maps`.
    """
    predictions = read_predictions(run.predictions, task)
    maps = read_attention_maps(run.attention)
    return {
        "predictions": predictions and _show_predictions(task, predictions),
        "attention": maps and _show_attention(maps),
    }


def span_examples(run: RunDirectory, task: SpanTask) -> dict:
    """Returns the questions that the student answers worse than the teacher.

    Args:
        run: `RunDirectory`.
        task: `SpanTask`.

    Returns:
        dict. The variable of `span_examples.html.jinja`: `answers`, `None` where nothing is
        saved.

    Raises:
        TinyBertError: see `read_answers`.
    """
    questions = read_answers(run.predictions)
    return {"answers": questions and _show_answers(questions)}


def _show_predictions(task: Task, predictions: Predictions) -> dict:
    outputs = {"student": predictions.student, "teacher": predictions.teacher}
    rows = find_student_errors(task, predictions)
    content = {"error_count": len(rows), "errors": _list_errors(task, predictions, rows)}
    if task.is_regression:
        return content | {"scatters": _scatters(predictions.examples.labels, outputs)}
    labels = predictions.examples.labels
    answers = {name: logits.argmax(axis=-1) for name, logits in outputs.items()}
    return content | {
        "confusions": _confusions(task, labels, answers),
        "most_confused": _most_confused(task, labels, answers["student"]),
        "classes": _score_classes(task, labels, answers),
    }


def _confusions(
    task: Task, labels: np.ndarray, answers: dict[str, np.ndarray]
) -> Iterator[tuple[ResultsTable, np.ndarray]]:
    """Yields a table for each model, and its counts as shares of their rows."""
    columns = rows = task.labels
    if len(task.labels) > _MOST_NAMED:
        columns = [str(i) for i in range(1, len(task.labels) + 1)]
        rows = [f"{i} {label}" for i, label in zip(columns, task.labels, strict=True)]
    for name, of_model in answers.items():
        counts = _count_confusions(task, labels, of_model)
        content = ResultsTable(
            title=f"Confusion matrix of the {name}",
            caption="",
            columns=("true", *columns),
            rows=tuple(
                # What never happened would hide what did.
                (label, *(str(count or ("" if columns != rows else 0)) for count in row))
                for label, row in zip(rows, counts, strict=True)
            ),
        )
        yield content, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _count_confusions(task: Task, labels: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return sklearn_metrics.confusion_matrix(labels, answers, labels=range(len(task.labels)))


def _most_confused(task: Task, labels: np.ndarray, answers: np.ndarray) -> ResultsTable:
    counts = _count_confusions(task, labels, answers)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MAX_CONFUSIONS]
    pairs = [divmod(int(i), len(counts)) for i in order if counts.flat[i]]
    return ResultsTable(
        title="What the student takes for what",
        caption="",
        columns=("true", "answer", "examples"),
        rows=tuple((task.labels[i], task.labels[j], str(counts[i, j])) for i, j in pairs),
    )


def _score_classes(
    task: Task, labels: np.ndarray, answers: dict[str, np.ndarray]
) -> ResultsTable:
    """Makes a table with a row a class, the student's worst first."""
    scores = {
        name: np.stack(
            sklearn_metrics.precision_recall_fscore_support(
                labels, of_model, labels=range(len(task.labels)), zero_division=0.0
            )
        )
        for name, of_model in answers.items()
    }
    precision, recall, f1, support = scores["student"]
    columns = (precision, recall, f1, scores["teacher"][2])
    return ResultsTable(
        title="Scores of each class",
        caption="",
        columns=("class", "examples", "precision", "recall", "F1", "teacher's F1"),
        rows=tuple(
            (task.labels[i], f"{support[i]:.0f}", *(f"{values[i]:.2f}" for values in columns))
            for i in np.argsort(f1, kind="stable")
        ),
    )


def _scatters(labels: np.ndarray, outputs: dict[str, np.ndarray]) -> Iterator[Drawing]:
    for name, scores in outputs.items():
        title = f"Scores of the {name} against the true ones"
        yield title, plots.agreement(f"agreement-{name}", title, labels, scores[:, 0])


def _list_errors(task: Task, predictions: Predictions, rows: np.ndarray) -> ResultsTable:
    shown = predictions.take(rows[:_MAX_ERRORS])
    is_score = task.is_regression
    answers = _describe_scores(shown) if is_score else _describe_answers(task, shown)
    numbers = [str(row + 1) for row in rows[:_MAX_ERRORS]]
    return ResultsTable(
        title="Errors of the student alone",
        caption="",
        columns=("example", *task.text_fields, "true", "student", "teacher"),
        rows=tuple(zip(numbers, *shown.examples.texts, *answers, strict=True)),
    )


def _describe_answers(task: Task, predictions: Predictions) -> list[list[str]]:
    """Returns the true label, the student's and the teacher's answer of each example."""
    return [
        [task.labels[label] for label in predictions.examples.labels],
        *(
            [f"{task.labels[i]} {p:.1%}" for i, p in zip(*answers_of(outputs), strict=True)]
            for outputs in (predictions.student, predictions.teacher)
        ),
    ]


def _describe_scores(predictions: Predictions) -> list[list[str]]:
    """Returns the true score, the student's and the teacher's of each example."""
    scores = (
        predictions.examples.labels,
        predictions.student[:, 0],
        predictions.teacher[:, 0],
    )
    return [[f"{score:.2f}" for score in column] for column in scores]


def _show_attention(maps: AttentionMaps) -> dict:
    return {"text": " ".join(maps.tokens), "drawings": _heat_maps(maps)}


def _heat_maps(maps: AttentionMaps) -> Iterator[Drawing]:
    for i, block in enumerate(maps.blocks):
        distance = 0.5 * np.abs(maps.teacher[i] - maps.student[i]).sum(axis=-1).mean()
        for title, values in (
            (f"Teacher, block {block}", maps.teacher[i]),
            (f"Student, block {i + 1}: {distance:.2f} from it", maps.student[i]),
        ):
            yield title, plots.heat_map(title, maps.tokens, values)


def _show_answers(questions: list[AnsweredQuestion]) -> dict:
    worse = find_worse_answers(questions)
    content = ResultsTable(
        title="Questions that the student answers worse",
        caption="",
        columns=("question", "context", "true", "student", "teacher"),
        rows=tuple(
            (q.question, q.excerpt, *map(_any_of, (q.answers, [q.student], [q.teacher])))
            for q in worse[:_MAX_ERRORS]
        ),
    )
    return {"worse_count": len(worse), "worse": content}


def _any_of(answers: list[str]) -> str:
    return " | ".join(answers) or "(none)"
