"""What is kept of an evaluation, and which errors are the student's alone."""

import json

import numpy as np
import pytest

from tinybert_tf.data import Examples, Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import (
    Predictions,
    answers_of,
    find_student_errors,
    read_predictions,
    save_predictions,
)

MOODS = Task("moods", ("text",), "mood", ("sad", "glad"))
GRADES = Task("grades", ("left", "right"), "grade", None, (0.0, 5.0))


def moods(labels, teacher, student):
    """Predictions of as many examples, from the log-odds of `glad`."""
    logits = [np.stack([np.zeros(len(odds)), odds], axis=1) for odds in (teacher, student)]
    texts = tuple(f"text {i}" for i in range(len(labels)))
    return Predictions(Examples((texts,), np.array(labels, "int32")), *np.float32(logits))


# Right by the teacher: all but 3. Wrong by the student: 1, 2, 3 and 5.
LABELS = [1, 0, 1, 0, 1, 0]
TEACHER = [3.0, -1.0, 2.0, 1.0, 0.5, -4.0]
STUDENT = [2.0, 1.0, -3.0, 9.0, 1.0, 2.0]


def test_errors_of_the_student_alone_begin_with_the_most_confident():
    found = find_student_errors(MOODS, moods(LABELS, TEACHER, STUDENT))
    # Log-odds of the wrong answer: 3, 2 and 1. Both are wrong of example 3.
    assert found.tolist() == [2, 5, 1]


def test_errors_of_equal_confidence_stay_in_order():
    predictions = moods([1, 0, 1], [1.0, -1.0, 1.0], [-2.0, 2.0, -2.0])
    assert find_student_errors(MOODS, predictions).tolist() == [0, 1, 2]


def test_no_errors():
    assert find_student_errors(MOODS, moods(LABELS, TEACHER, TEACHER)).tolist() == []


def test_errors_of_a_regression_are_by_how_much_further_the_student_is():
    examples = Examples((("a",) * 4, ("b",) * 4), np.array([2.0, 4.0, 1.0, 3.0], "float32"))
    teacher = np.array([[2.5], [4.0], [0.0], [3.25]], "float32")
    student = np.array([[3.5], [4.25], [0.5], [1.0]], "float32")
    # Distances of the student 1.5, 0.25, 0.5, 2; of the teacher 0.5, 0, 1, 0.25.
    found = find_student_errors(GRADES, Predictions(examples, teacher, student))
    assert found.tolist() == [3, 0, 1]


def test_probabilities_of_answers():
    # e^0 : e^(ln 3) is 1 : 3, and of three classes 1 : 2 : 1.
    answers, confidence = answers_of(np.log([[1.0, 3.0], [1.0, 1.0]]))
    assert answers.tolist() == [1, 0]
    np.testing.assert_allclose(confidence, [0.75, 0.5])
    np.testing.assert_allclose(answers_of(np.log([[1.0, 2.0, 1.0]]))[1], [0.5])


def test_what_was_saved_is_read(tmp_path):
    # A line separator of Unicode, a quote and a tag.
    texts = (("a\u2028b", 'say "<i>"'), ("ü", "\\"))
    examples = Examples(texts, np.array([1.1, 4.75], "float32"))
    outputs = np.array([[[0.1], [1 / 3]], [[2.5], [-1e-9]]], "float32")
    path = tmp_path / "predictions.jsonl"
    save_predictions(path, GRADES, Predictions(examples, *outputs))
    found = read_predictions(path, GRADES)
    assert found.examples.texts == texts
    for ours, theirs in (
        (found.examples.labels, examples.labels),
        (found.teacher, outputs[0]),
        (found.student, outputs[1]),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl"]


def test_the_file_names_labels(tmp_path):
    path = tmp_path / "predictions.jsonl"
    save_predictions(path, MOODS, moods([1, 0], [0.5, -1.0], [2.0, 0.25]))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [
        {"texts": ["text 0"], "label": "glad", "teacher": [0.0, 0.5], "student": [0.0, 2.0]},
        {"texts": ["text 1"], "label": "sad", "teacher": [0.0, -1.0], "student": [0.0, 0.25]},
    ]
    assert read_predictions(path, MOODS).examples.labels.tolist() == [1, 0]


def test_without_a_file(tmp_path):
    assert read_predictions(tmp_path / "predictions.jsonl", MOODS) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        '{"texts": ["a"], "label": "glad", "teacher": [0, 1]}',
        '{"texts": ["a"], "label": "angry", "teacher": [0, 1], "student": [0, 1]}',
        '{"texts": ["a", "b"], "label": "glad", "teacher": [0, 1], "student": [0, 1]}',
        '{"texts": ["a"], "label": "glad", "teacher": [0, 1], "student": [0, 1, 2]}',
        '{"texts": ["a"], "label": "glad", "teacher": 0, "student": [0, 1]}',
    ],
)
def test_a_line_of_something_else(tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    save_predictions(path, MOODS, moods([1], [0.5], [2.0]))
    path.write_text(path.read_text("utf-8") + line + "\n" + '{"a": 1}\n', "utf-8")
    with pytest.raises(TinyBertError, match=r"predictions\.jsonl, line 2: expected an example"):
        read_predictions(path, MOODS)
