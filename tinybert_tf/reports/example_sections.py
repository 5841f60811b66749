"""What a report shows of single examples: confusions, errors, attention."""

from xml.etree.ElementTree import Element, SubElement

import numpy as np
from sklearn import metrics as sklearn_metrics

from tinybert_tf.data import SpanTask, Task
from tinybert_tf.evaluation.answers import find_worse_answers, read_answers
from tinybert_tf.evaluation.attention_maps import AttentionMaps, read_attention_maps
from tinybert_tf.evaluation.predictions import (
    Predictions,
    answers_of,
    find_student_errors,
    read_predictions,
)
from tinybert_tf.reports import plots
from tinybert_tf.reports.page import add, add_figure, add_grid, add_section, add_table
from tinybert_tf.reports.tables import ResultsTable
from tinybert_tf.runs.directory import RunDirectory

# Errors that are listed.
_MAX_ERRORS = 20


def add_predictions(main: Element, run: RunDirectory, task: Task) -> None:
    """Adds the section of what teacher and student say of the test examples.

    Args:
        main: `Element`.
        run: `RunDirectory`.
        task: `Task`.

    Raises:
        TinyBertError: see `read_predictions`.
    """
    section = add_section(main, "Predictions")
    predictions = read_predictions(run.predictions, task)
    if predictions is None:
        add(
            section,
            "p",
            "No predictions of the test examples are saved; `evaluate` saves them.",
        )
        return
    if task.is_regression:
        _add_scatters(section, task, predictions)
    else:
        _add_confusions(section, task, predictions)
    _add_errors(section, task, predictions)


def add_answers(main: Element, run: RunDirectory, task: SpanTask) -> None:
    """Adds the section of questions that the student answers worse than the teacher.

    Args:
        main: `Element`.
        run: `RunDirectory`.
        task: `SpanTask`.

    Raises:
        TinyBertError: see `read_answers`.
    """
    section = add_section(main, "Answers")
    questions = read_answers(run.predictions)
    if questions is None:
        add(section, "p", "No answers to the test questions are saved; `evaluate` saves them.")
        return
    add(section, "h3", "Questions that the student answers worse than the teacher")
    worse = find_worse_answers(questions)
    if not worse:
        add(section, "p", "There are none.")
        return
    add(
        section,
        "p",
        f"{min(len(worse), _MAX_ERRORS)} of {len(worse)} that the student answers worse, by "
        "F1, where it loses most first. All are in predictions.jsonl.",
    )
    columns = ("question", "context", "true", "student", "teacher")
    content = ResultsTable(
        title="Questions that the student answers worse",
        caption="",
        columns=columns,
        rows=tuple(
            (q.question, q.excerpt, *map(_any_of, (q.answers, [q.student], [q.teacher])))
            for q in worse[:_MAX_ERRORS]
        ),
    )
    add_table(section, content, prose=columns)


def _any_of(answers: list[str]) -> str:
    return " | ".join(answers) or "(none)"


def _add_confusions(section: Element, task: Task, predictions: Predictions) -> None:
    add(section, "p", "Rows are true labels, columns the model's answers.")
    grid, indices = add_grid(section), range(len(task.labels))
    for name, outputs in (("student", predictions.student), ("teacher", predictions.teacher)):
        labels, answers = predictions.examples.labels, outputs.argmax(axis=-1)
        counts = sklearn_metrics.confusion_matrix(labels, answers, labels=indices)
        rows = zip(task.labels, counts, strict=True)
        content = ResultsTable(
            title=f"Confusion matrix of the {name}",
            caption="",
            columns=("true", *task.labels),
            rows=tuple((label, *map(str, row)) for label, row in rows),
        )
        box = SubElement(grid, "div", {"class": "matrix"})
        totals = np.maximum(counts.sum(axis=1), 1)
        for cells, row, total in zip(add_table(box, content), counts, totals, strict=True):
            for cell, count in zip(cells, row, strict=True):
                cell.set("style", f"--share: {count / total:.3f}")


def _add_scatters(section: Element, task: Task, predictions: Predictions) -> None:
    grid, labels = add_grid(section), predictions.examples.labels
    for name, outputs in (("student", predictions.student), ("teacher", predictions.teacher)):
        title = f"Scores of the {name} against the true ones"
        svg = plots.agreement(f"agreement-{name}", title, labels, outputs[:, 0])
        add_figure(grid, title, svg)


def _add_errors(section: Element, task: Task, predictions: Predictions) -> None:
    add(section, "h3", "Errors of the student that the teacher does not make")
    rows = find_student_errors(task, predictions)
    if not len(rows):
        add(section, "p", "There are none.")
        return
    order = "its most confident answers first"
    if task.is_regression:
        order = "where it is further from the true score than the teacher, the most first"
    add(
        section,
        "p",
        f"{min(len(rows), _MAX_ERRORS)} of {len(rows)}, {order}. Examples are numbered as the "
        "lines of predictions.jsonl.",
    )
    shown = predictions.take(rows[:_MAX_ERRORS])
    is_score = task.is_regression
    answers = _describe_scores(shown) if is_score else _describe_answers(task, shown)
    numbers = [str(row + 1) for row in rows[:_MAX_ERRORS]]
    content = ResultsTable(
        title="Errors of the student alone",
        caption="",
        columns=("example", *task.text_fields, "true", "student", "teacher"),
        rows=tuple(zip(numbers, *shown.examples.texts, *answers, strict=True)),
    )
    add_table(section, content, prose=task.text_fields)


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


def add_attention(main: Element, run: RunDirectory, task: Task) -> None:
    """Adds the section of where teacher and student look in one text.

    Args:
        main: `Element`.
        run: `RunDirectory`.
        task: `Task`.

    Raises:
        TinyBertError: see `read_attention_maps`.
    """
    section = add_section(main, "Attention")
    maps = read_attention_maps(run.attention)
    if maps is None:
        add(section, "p", "No attention is saved; `evaluate` and `report --text` save it.")
        return
    add(section, "blockquote", " ".join(maps.tokens))
    add(
        section,
        "p",
        "The mean over the heads of a block: the row's token looks at the column's. The "
        "opacity of a cell is the square root of the probability. Rows of the two maps differ "
        "by their total variation distance: 0 is the same, 1 has nothing in common.",
    )
    grid = add_grid(section, "pairs")
    for m, block in enumerate(maps.blocks):
        _add_pair(grid, maps, m, block)


def _add_pair(grid: Element, maps: AttentionMaps, m: int, block: int) -> None:
    distance = 0.5 * np.abs(maps.teacher[m] - maps.student[m]).sum(axis=-1).mean()
    for title, values in (
        (f"Teacher, block {block}", maps.teacher[m]),
        (f"Student, block {m + 1}: {distance:.2f} from it", maps.student[m]),
    ):
        add_figure(grid, title, plots.heat_map(title, maps.tokens, values))
