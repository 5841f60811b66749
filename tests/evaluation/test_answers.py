"""Both models' answers side by side, kept and read."""

import json

import pytest

from tinybert_tf.data import SPAN_TASKS, SpanExamples
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import (
    SpanAnswer,
    SpanPrediction,
    compare_answers,
    find_worse_answers,
    read_answers,
    save_answers,
)

CONTEXT = "a" * 99 + " Ada Lovelace wrote it in 1843 " + "b" * 99
EXAMPLES = SpanExamples(
    (
        SpanExample("who", "Who?", CONTEXT, (Answer("Ada Lovelace", 100), Answer("Ada", 100))),
        SpanExample("when", "When?", CONTEXT, (Answer("1843", 125),)),
        SpanExample("why", "Why?", CONTEXT, ()),
        SpanExample("how", "How?", "short\u2028text", ()),
    )
)


def predicted(*answers):
    """Predictions of a text each, and how much likelier than none it is, as a logit."""
    return [
        SpanPrediction((SpanAnswer(text, 0, len(text), score),), 0.0) for text, score in answers
    ]


@pytest.fixture
def compared():
    predictions = {
        "teacher": predicted(("the Ada", 3.0), ("in 1843", 2.0), ("it", -0.1), ("text", 0.1)),
        "student": predicted(("Lovelace", 2.0), ("b", 1.0), ("it", 0.1), ("text", -2.0)),
    }
    return compare_answers(SPAN_TASKS["squad_v2"], EXAMPLES, predictions)


def test_compare_answers(compared):
    assert [q.teacher for q in compared] == ["the Ada", "in 1843", "", "text"]
    assert [q.student for q in compared] == ["Lovelace", "b", "it", ""]
    # Articles do not count; "in 1843" is 2 words against 1.
    assert [q.teacher_f1 for q in compared] == pytest.approx([1, 2 / 3, 1, 0])
    assert [q.student_f1 for q in compared] == pytest.approx([2 / 3, 0, 0, 1])
    assert compared[0].answers == ["Ada Lovelace", "Ada"] and compared[2].answers == []
    who, when, _, how = (q.excerpt for q in compared)
    assert who == f"\u2026{'a' * 89} Ada Lovelace wrote it in 1843 {'b' * 72}\u2026"
    assert when.startswith("\u2026" + "a" * 64 + " Ada")
    assert when.endswith(" 1843 " + "b" * 89 + "\u2026")
    assert how == "short\u2028text"


def test_where_the_student_loses_most_comes_first(compared):
    assert [q.id for q in find_worse_answers(compared)] == ["why", "when", "who"]


def test_saved_and_read(compared, tmp_path):
    path = tmp_path / "predictions.jsonl"
    assert read_answers(path) is None
    save_answers(path, compared)
    assert read_answers(path) == compared


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": "q"}', json.dumps({"texts": ["a"], "label": "b"})]
)
def test_a_file_of_something_else(compared, tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    save_answers(path, compared[:1])
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(TinyBertError, match="line 2: expected a question that both models"):
        read_answers(path)
