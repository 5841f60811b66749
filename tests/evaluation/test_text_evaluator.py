"""Scores of a model whose answers are known: it says how often "b" is in a text."""

import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.data import EncodedExamples, Examples, Task, encode_examples
from tinybert_tf.evaluation import TextEvaluator, TextPredictor
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
LETTERS = Task("letters", ("text",), "label", ("few", "many"), metrics=("accuracy", "f1"))
COUNTS = Task("counts", ("text",), "score", None, (0.0, 9.0))
TEXTS = ("a", "b b b", "a b", "b a b b b", "b b", "a a a a a a")


def count(inputs, training):
    """The number of "b", whose id is 6."""
    return tf.reduce_sum(tf.cast(inputs["token_ids"] == 6, "float32"), axis=1)


def say_many(inputs, training):
    """Logits of `few` and `many`: many is more than one."""
    return tf.stack([tf.fill([tf.shape(inputs["token_ids"])[0]], 1.5), count(inputs, False)], 1)


def say_count(inputs, training):
    return count(inputs, training)[:, None]


def evaluator(task, model, texts, labels):
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=12)
    dtype = "float32" if task.is_regression else "int32"
    examples = Examples((tuple(texts),), np.array(labels, dtype))
    return TextEvaluator(task, model, encode_examples(examples, preprocessor))


def test_scores_of_classes():
    """Right but for "a b" and "b b": two of three that are many, one false "many"."""
    scored = evaluator(LETTERS, say_many, TEXTS, [0, 1, 1, 1, 0, 0])
    figures = scored.score()
    assert list(figures) == ["accuracy", "f1"]
    assert figures == pytest.approx({"accuracy": 4 / 6, "f1": 2 / 3})
    assert scored.metrics(scored.predict()) == figures
    assert scored.is_better({"accuracy": 0.7, "f1": 0.1}, {"accuracy": 0.6, "f1": 0.9})
    assert not scored.is_better(figures, figures)


def test_agreement():
    classes = evaluator(LETTERS, say_many, TEXTS, [0] * 6)
    predictions = classes.predict()
    others = predictions.copy()
    others[0] = [-5.0, -4.0]
    others[1] += 7.0
    assert classes.agreement(predictions, predictions) == 1.0
    assert classes.agreement(predictions, others) == pytest.approx(5 / 6)
    scores = evaluator(COUNTS, say_count, TEXTS, [0.0] * 6)
    assert scores.agreement(scores.predict(), scores.predict()) is None


def test_a_model_must_beat_chance():
    """Two standard errors at 6 examples: 2 / sqrt(6)."""
    labels = [0.0, 3.0, 1.0, 4.0, 2.0, 0.0]
    right = evaluator(COUNTS, say_count, TEXTS, labels)
    assert right.reason_near_chance(right.predict()) is None
    wrong = evaluator(COUNTS, say_count, TEXTS, [-label for label in labels])
    assert wrong.reason_near_chance(wrong.predict()) == (
        "its pearson is -1.000, chance reaches 0.816"
    )


# === Predictions ===


def test_predictions_are_in_the_order_of_the_examples():
    """Texts of 3 to 128 tokens, mostly short, whose tokens are all their own number."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(2.5, 0.8, 300).astype(int), 3, 128)
    encoded = EncodedExamples(
        token_ids=np.repeat(np.arange(300), lengths).astype("int32"),
        segment_ids=np.zeros(lengths.sum(), "int32"),
        row_splits=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.zeros(300, "int32"),
        pad_token_id=0,
    )
    calls = []

    def model(inputs, training):
        assert training is False
        calls.append(inputs["token_ids"].shape)
        mask = tf.cast(inputs["padding_mask"], tf.float32)
        number = tf.cast(inputs["token_ids"][:, 0], tf.float32)
        return tf.stack([number, tf.reduce_sum(mask, axis=-1)], axis=-1)

    outputs = TextPredictor(model, tokens_per_batch=256)(encoded)
    np.testing.assert_array_equal(outputs, np.stack([np.arange(300), lengths], axis=-1))
    assert outputs.dtype == np.float32
    # One graph for all shapes.
    assert calls == [(None, None)]
