"""SQuAD files, against questions written by hand."""

import json
import pathlib

import numpy as np
import pytest

from tinybert_tf.data import SPAN_TASKS, read_squad
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.errors import TinyBertError

SHARED_SQUAD = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "squad"
V1, V2 = SPAN_TASKS["squad_v1"], SPAN_TASKS["squad_v2"]


def squad_file(path, **changes):
    """Two articles, three questions; `changes` are of the first."""
    qa = {"id": "q1", "question": "Who sings?", "answers": [{"text": "Zoë", "answer_start": 4}]}
    qa |= changes
    qa = {key: value for key, value in qa.items() if value is not ...}
    other = {
        "id": "q2",
        "question": "Where?",
        "answers": [{"text": "bath", "answer_start": 21}],
    }
    last = {"id": "q3", "question": "What?", "answers": [{"text": "rain", "answer_start": 0}]}
    content = {
        "version": "1.1",
        "data": [
            {
                "title": "Songs",
                "paragraphs": [{"context": "Our Zoë sings in the bath.", "qas": [qa, other]}],
            },
            {"title": "Weather", "paragraphs": [{"context": "rain again", "qas": [last]}]},
        ],
    }
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_read_squad(tmp_path):
    two = [{"text": "Zoë", "answer_start": 4}, {"text": "Our Zoë", "answer_start": 0}]
    examples = read_squad(V1, squad_file(tmp_path / "a.json", answers=two))
    assert [e.id for e in examples] == ["q1", "q2", "q3"]
    assert examples.examples[0] == SpanExample(
        "q1",
        "Who sings?",
        "Our Zoë sings in the bath.",
        (Answer("Zoë", 4), Answer("Our Zoë", 0)),
    )
    assert [e.id for e in examples.take(np.array([2, 0]))] == ["q3", "q1"]


def test_questions_without_an_answer(tmp_path):
    plausible = {"plausible_answers": [{"text": "bath", "answer_start": 21}]}
    path = squad_file(tmp_path / "a.json", is_impossible=True, answers=[], **plausible)
    assert [len(e.answers) for e in read_squad(V2, path)] == [0, 1, 1]
    with pytest.raises(
        TinyBertError, match=r"question q1: is marked .* Take the task 'squad_v2"
    ):
        read_squad(V1, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "q2"}, "question q2: its id is there twice"),
        ({"id": 7.5}, r"paragraph 1, question 1: 'id' is 7.5, expected a string"),
        ({"id": ...}, r"paragraph 1, question 1: there is no 'id', only 'question', 'answers'"),
        ({"question": " "}, r"question q1: 'question' is empty"),
        ({"question": "\ud83d"}, r"question q1: 'question' holds '.ud83d', half a char"),
        (
            {"answers": [], "is_impossible": False},
            r"question q1: has no answer\. Add one",
        ),
        ({"answers": ...}, r"question q1: there is no 'answers', only 'id', 'question'"),
        ({"answers": "Zoë"}, r"question q1: 'answers' is .*, expected a list"),
        ({"answers": ["Zoë"]}, r"question q1: there is no 'text', only 'Zoë'"),
        ({"answers": [{"text": "", "answer_start": 4}]}, "question q1: 'text' is empty"),
        (
            {"answers": [{"text": "Zoë"}]},
            "question q1: there is no 'answer_start', only 'text'",
        ),
        (
            {"answers": [{"text": "Zoë", "answer_start": 4.0}]},
            "question q1: 'answer_start' is 4.0, expected an integer",
        ),
        (
            {"answers": [{"text": "Zoë", "answer_start": 5}]},
            r"question q1: the answer 'Zoë' is not in its context at character 5, which reads "
            r"'oë '\. It is at 4\. Correct answer_start",
        ),
        (
            {"answers": [{"text": "Zoe", "answer_start": -1}]},
            r"question q1: the answer 'Zoe' is not .* at character -1, .*\. It is nowhere",
        ),
    ],
)
def test_an_unusable_question_is_refused(tmp_path, changes, message):
    path = squad_file(tmp_path / "a.json", **changes)
    with pytest.raises(TinyBertError, match=rf"a\.json, article 'Songs', {message}"):
        read_squad(V2, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ('{"data": [', "is not valid JSON: .*line 1 column"),
        ("3", r"a\.json: there is no 'data', only 3\. Expected the layout of SQuAD"),
        ("[]", "there are no questions"),
        ('{"data": {}}', "'data' is {}, expected a list"),
        ('{"data": []}', "there are no questions"),
        ('{"data": [3]}', "article '1': there is no 'paragraphs', only 3"),
        ('{"data": [{"paragraphs": [{}]}]}', "article '1', paragraph 1: there is no 'context'"),
    ],
)
def test_an_unusable_squad_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(TinyBertError, match=message):
        read_squad(V1, path)


def test_a_missing_squad_file_is_refused(tmp_path):
    with pytest.raises(TinyBertError, match=r"There is no SQuAD file .*a\.json"):
        read_squad(V1, tmp_path / "a.json")


FLAT = {
    "id": 12,
    "context": "Our Zoë sings.",
    "question": "Who sings?",
    "answers": {"text": ["Zoë", " Zoë "], "answer_start": [4, 3]},
}
PARAGRAPH = {"context": FLAT["context"], "qas": [FLAT]}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"data": [FLAT]}),
        json.dumps([FLAT]),
        json.dumps(FLAT),
        json.dumps([PARAGRAPH]),
        json.dumps([{"paragraphs": [PARAGRAPH]}]),
        "\ufeff" + json.dumps({"data": [{"paragraphs": [PARAGRAPH]}]}),
        "\n".join(json.dumps({**FLAT, "id": i}) for i in (12, "b")) + "\n",
    ],
    ids=["data", "list", "one", "paragraphs", "articles", "byte order mark", "lines"],
)
def test_what_other_tools_write(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content, "utf-8")
    examples = read_squad(V1, path).examples
    answers = (Answer("Zoë", 4), Answer("Zoë", 4))
    assert examples[0] == SpanExample("12", "Who sings?", "Our Zoë sings.", answers)
    assert [e.id for e in examples[1:]] == (["b"] if content.count("\n") > 1 else [])


@pytest.mark.parametrize("answers", [[], {"text": [], "answer_start": []}])
def test_empty_answers_are_none_where_a_task_has_such(tmp_path, answers):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{**FLAT, "answers": answers}]), "utf-8")
    assert read_squad(V2, path).examples[0].answers == ()
    with pytest.raises(TinyBertError, match="question 12: has no answer"):
        read_squad(V1, path)


def test_one_answer_as_an_object(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps([{**FLAT, "answers": {"text": "Zoë", "answer_start": 4}}]), "utf-8"
    )
    assert read_squad(V1, path).examples[0].answers == (Answer("Zoë", 4),)


@pytest.mark.parametrize(
    ("file", "count"), [("dev-v1.1.json", 10_570), ("train_subset-v1.1.json", 11_877)]
)
def test_official_squad_counts(file, count):
    if not SHARED_SQUAD.is_dir():
        pytest.skip(f"the SQuAD files are not at {SHARED_SQUAD}")
    assert len(read_squad(V1, SHARED_SQUAD / file)) == count
