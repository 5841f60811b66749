"""SQuAD's metrics by hand, and the figures that the official scripts print for the dev set.

Figures of the real set were computed with the copies of the official scripts in the package
tf-models-official 2.20.0 (`official/nlp/tools/squad_evaluate_v1_1.py` and `_v2_0.py`).
"""

import dataclasses
import pathlib

import pytest

from tinybert_tf.data import SPAN_TASKS, SpanExamples, read_squad
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.squad_metrics import (
    normalize_answer,
    squad_v1_metrics,
    squad_v2_metrics,
)

SHARED_SQUAD = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "squad"


def examples_of(*answers):
    """Questions "0", "1", ... with these answers each."""
    return SpanExamples(
        tuple(
            SpanExample(str(i), "?", "...", tuple(Answer(text, 0) for text in texts))
            for i, texts in enumerate(answers)
        )
    )


def by_id(values):
    return {str(i): value for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Café, an inn!", "café inn"),
        ("A.B.C.", "abc"),  # punctuation before articles: "a.b" is one word
        ("theatre a-the", "theatre athe"),
        ("\u201cthe\u201d end\n", "\u201c \u201d end"),  # only ASCII punctuation is dropped
        ("a an the", ""),
    ],
)
def test_normalize_answer(text, normalized):
    assert normalize_answer(text) == normalized


def test_v1_takes_the_best_answer():
    """Exact: the first. F1: 1; "in red house" shares 2 of 3 with 2: 4/5; nothing; 2 of the
    words "go go" against "go": 2/3."""
    examples = examples_of(["blue", "the Red House"], ["red house", "x"], ["rain"], ["go"])
    figures = squad_v1_metrics(examples, by_id(["red house.", "in red house", "sun", "go go"]))
    assert figures["exact_match"] == pytest.approx(100 / 4)
    assert figures["f1"] == pytest.approx(100 * (1 + 4 / 5 + 0 + 2 / 3) / 4)


def test_answers_of_nothing_but_articles():
    """Equal in v1.1, but of no common word; v2.0 leaves such answers out, then compares."""
    examples = examples_of(["the"], ["a", "red"])
    assert squad_v1_metrics(examples, by_id(["", "red"])) == {"exact_match": 100.0, "f1": 50.0}
    figures = squad_v2_metrics(examples, by_id(["the", ""]), by_id([0.0, 0.0]))
    assert (figures["exact"], figures["f1"]) == (50.0, 50.0)


def test_v2_at_a_threshold():
    """Right, half right but declined, an answer to nothing, rightly declined."""
    examples = examples_of(["red"], ["red house"], [], [])
    predictions, probabilities = by_id(["red", "red", "x", "x"]), by_id([0.1, 0.6, 0.5, 0.9])
    figures = squad_v2_metrics(examples, predictions, probabilities)
    expected = {
        "exact": 50.0,  # the first and the last
        "f1": 50.0,
        "HasAns_exact": 50.0,
        "HasAns_f1": 50.0,
        "NoAns_exact": 50.0,
        "NoAns_f1": 50.0,
        # From 2 unanswerable ones right: +1, then -1 at 0.5, +0 or 2/3 at 0.6, -1 at 0.9.
        "best_exact": 75.0,
        "best_exact_thresh": 0.1,
        "best_f1": 75.0,
        "best_f1_thresh": 0.1,
    }
    assert figures == pytest.approx(expected)
    figures = squad_v2_metrics(examples, predictions, probabilities, threshold=0.6)
    assert figures["exact"] == 50.0
    assert figures["HasAns_f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)


def test_the_best_threshold_may_decline_all_or_nothing():
    examples = examples_of([], [], ["red"])
    figures = squad_v2_metrics(examples, by_id(["x", "x", "y"]), by_id([0.2, 0.3, 0.4]))
    assert (figures["best_exact"], figures["best_exact_thresh"]) == (pytest.approx(200 / 3), 0)
    # An empty prediction loses nothing, whatever its probability.
    figures = squad_v2_metrics(examples, by_id(["", "", "red"]), by_id([0.2, 0.3, 0.4]))
    assert (figures["best_f1"], figures["best_f1_thresh"]) == (100.0, 0.4)


def test_a_group_without_questions_has_no_figures():
    figures = squad_v2_metrics(examples_of(["red"]), by_id(["red"]), by_id([0.0]))
    assert "HasAns_f1" in figures
    assert "NoAns_f1" not in figures


def test_a_missing_prediction_is_refused():
    examples = examples_of(["red"], ["red"])
    with pytest.raises(TinyBertError, match=r"1 of 2 questions have no prediction, .* is 1"):
        squad_v1_metrics(examples, {"0": "red"})
    with pytest.raises(TinyBertError, match="2 of 2 questions have no prediction"):
        squad_v2_metrics(examples, by_id(["red", "red"]), {})


# === The real set ===


@pytest.fixture(scope="module")
def dev():
    if not SHARED_SQUAD.is_dir():
        pytest.skip(f"the SQuAD files are not at {SHARED_SQUAD}")
    return read_squad(SPAN_TASKS["squad_v1"], SHARED_SQUAD / "dev-v1.1.json")


def predictions_of(dev, kind):
    gold = [example.answers[0].text for example in dev]
    answers = {
        "gold": lambda i: gold[i],
        "empty": lambda i: "",
        "shuffled": lambda i: gold[i - 1],
        "half": lambda i: gold[i - i % 2],
    }[kind]
    return {example.id: answers(i) for i, example in enumerate(dev)}


@pytest.mark.parametrize(
    ("kind", "exact", "f1"),
    [
        ("gold", 100.0, 100.0),
        # Three questions have the answer "a" or the like: nothing, once it is normalized.
        ("empty", 0.02838221381267739, 0.0),
        ("shuffled", 1.2961210974456008, 4.2114302307277696),
        ("half", 50.63386944181646, 52.10214237199903),
    ],
)
def test_official_figures_of_v1(dev, kind, exact, f1):
    figures = squad_v1_metrics(dev, predictions_of(dev, kind))
    assert figures == pytest.approx({"exact_match": exact, "f1": f1}, rel=1e-12)


def test_official_figures_of_v2(dev):
    """Every third question loses its answers; probabilities as a model might give them."""
    examples = SpanExamples(
        tuple(
            example if i % 3 else dataclasses.replace(example, answers=())
            for i, example in enumerate(dev)
        )
    )
    probabilities = {
        example.id: 3 * ((i * 37 % 100) / 200 + (0.0 if i % 3 else 0.3))
        for i, example in enumerate(dev)
    }
    predictions = predictions_of(dev, "half")
    # The script's default threshold is 1, its probabilities may be any numbers.
    figures = squad_v2_metrics(examples, predictions, probabilities, threshold=1.0)
    expected = {
        "exact": 53.87890255439925,
        "f1": 54.465651824416085,
        "HasAns_exact": 34.30315072381493,
        "HasAns_f1": 35.18335790293468,
        "NoAns_exact": 93.01929625425653,
        "NoAns_f1": 93.01929625425653,
        "best_exact": 54.02081362346263,
        "best_exact_thresh": 1.44,
        "best_f1": 54.945328755715714,
        "best_f1_thresh": 1.47,
    }
    assert figures == pytest.approx(expected, rel=1e-12)
