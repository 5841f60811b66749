"""Scores of a model whose answers are known: it points at "c" first, then at "d"."""

import pytest
import tensorflow as tf

from tinybert_tf.data import SPAN_TASKS, SpanExamples, encode_windows
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.evaluation import SpanEvaluator
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
CONTEXT = "e f c g h"


def point(inputs, training):
    """Ids 7 and 8 are "c" and "d"; [CLS] has a logit of 2 beside the 3 of a token."""
    is_target = tf.cast((inputs["token_ids"] == 7) | (inputs["token_ids"] == 8), "float32")
    is_first = tf.cast(inputs["token_ids"] == 2, "float32")
    logits = 3.0 * is_target + 2.0 * is_first
    return {"start_logits": logits, "end_logits": logits}


def evaluator(task, *questions):
    """Of (context, answer or `None`) pairs."""
    examples = SpanExamples(
        tuple(
            SpanExample(
                str(i), "a", context, (Answer(answer, context.index(answer)),) if answer else ()
            )
            for i, (context, answer) in enumerate(questions)
        )
    )
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=12)
    windows = encode_windows(examples, preprocessor, max_query_tokens=2)
    return SpanEvaluator(SPAN_TASKS[task], point, windows)


def test_scores_of_v1():
    """Right; one of two words: 2/3; wrong."""
    scored = evaluator("squad_v1", (CONTEXT, "c"), ("e d g", "d g"), ("e c f", "e"))
    assert [p.text for p in scored.predict()] == ["c", "d", "c"]
    figures = scored.score()
    assert list(figures) == ["f1", "exact_match"]
    assert figures["exact_match"] == pytest.approx(100 / 3)
    assert figures["f1"] == pytest.approx(100 * (1 + 2 / 3) / 3)
    assert scored.is_better({"f1": 2.0, "exact_match": 1.0}, {"f1": 1.0, "exact_match": 3.0})
    assert not scored.is_better(figures, figures)


def test_scores_of_v2():
    """Sums of 6 against the 4 of [CLS] are answers, sums of 0 are none."""
    scored = evaluator("squad_v2", (CONTEXT, "c"), ("e f g", None), ("e c f", None))
    assert [p.text_or_none() for p in scored.predict()] == ["c", "", "c"]
    figures = scored.score()
    assert list(figures)[:4] == ["best_f1", "best_exact", "f1", "exact"]
    assert figures["exact"] == pytest.approx(200 / 3)
    assert figures["NoAns_f1"] == pytest.approx(50)
    assert figures["HasAns_f1"] == pytest.approx(100)


def test_a_model_must_beat_the_whole_context():
    """Of one word in five the context's F1 is 1/3; of 400 questions, 50 / 20 twice is 5."""
    right = evaluator("squad_v1", *[(CONTEXT, "c")] * 400)
    assert right.reason_near_chance(right.predict()) is None
    wrong = evaluator("squad_v1", *[(CONTEXT, "e")] * 400)
    reason = wrong.reason_near_chance(wrong.predict())
    assert reason == (
        "its f1 is 0.0, answering with the whole context gives 33.3 "
        "(with sampling error up to 38.3)"
    )
