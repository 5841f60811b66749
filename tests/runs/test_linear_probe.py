"""The head that fine-tuning begins with is the one that fits the labels best."""

import keras
import numpy as np
import pytest

from tinybert_tf.data import EncodedExamples
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs import linear_probe
from tinybert_tf.runs.linear_probe import fit_linear, fit_new_head


def scaled(features):
    return (features.astype("float64") - features.mean(0, dtype="float64")) / features.std()


def test_linear_regression_is_ridge_regression_in_closed_form():
    random = np.random.default_rng(0)
    features = (5.0 + 0.1 * random.normal(size=(40, 3))).astype("float32")
    targets = 2.0 + 30.0 * features[:, :1] + 0.1 * random.normal(size=(40, 1))
    kernel, bias = fit_linear(features, targets, is_regression=True)
    x = scaled(features)
    solved = np.linalg.solve(x.T @ x + 3.0 * np.eye(3), x.T @ (targets - targets.mean()))
    np.testing.assert_allclose(features @ kernel + bias, x @ solved + targets.mean(), atol=2e-3)


def test_logistic_regression_is_at_the_minimum_of_its_loss():
    """There the gradient is 0: of the constants, and of the weights with their penalty."""
    random = np.random.default_rng(1)
    features = (random.normal(size=(60, 4)) * [1, 2, 3, 4] - 7.0).astype("float32")
    labels = ((features + 7.0) @ random.normal(size=(4, 3))).argmax(1)
    targets = np.eye(3)[labels]
    kernel, bias = fit_linear(features, targets)
    logits = (features @ kernel + bias).astype("float64")
    odds = np.exp(logits)
    errors = odds / odds.sum(1, keepdims=True) - targets
    np.testing.assert_allclose(errors.sum(0), 0.0, atol=2e-2)
    slope = scaled(features).T @ errors + 3.0 * kernel * features.std()
    np.testing.assert_allclose(slope, 0.0, atol=2e-2)
    assert np.abs(scaled(features).T @ targets).max() > 10.0


def test_features_that_say_nothing_give_the_shares_of_the_labels():
    kernel, bias = fit_linear(np.ones((10, 2), "float32"), np.eye(2)[[0] * 8 + [1] * 2])
    np.testing.assert_allclose(kernel, 0.0, atol=1e-6)
    assert bias[0] - bias[1] == pytest.approx(np.log(4.0), abs=1e-3)


@pytest.mark.parametrize("most", [10_000, 50])
def test_a_head_tells_the_texts_of_two_words_apart(monkeypatch, most):
    """An encoder without blocks: its mean tells a text by its tokens."""
    monkeypatch.setattr(linear_probe, "_MOST_EXAMPLES", most)
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(2)
    rows = [np.append(random.integers(4, 9, n), 2 + n % 2) for n in random.integers(1, 6, 200)]
    labels = np.array([len(row) % 2 for row in rows], "int32")
    examples = EncodedExamples(
        token_ids=np.concatenate(rows).astype("int32"),
        segment_ids=np.zeros(sum(map(len, rows)), "int32"),
        row_splits=np.cumsum([0, *map(len, rows)]),
        labels=labels,
        pad_token_id=0,
    )
    encoder = BertEncoder(10, 0, 2, 8, 8, max_sequence_length=8, pooling="mean")
    model = BertTextClassifier(encoder, 2)
    before = [keras.ops.convert_to_numpy(w) for w in encoder.weights]
    fit_new_head(model, examples, seed=0)
    inputs, _ = examples.batch(np.arange(200))
    answers = keras.ops.convert_to_numpy(model(inputs)).argmax(1)
    # The marks of the classes are one token in up to six.
    assert np.mean(answers == labels) > 0.9
    for weight, value in zip(encoder.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_taken_examples_are_those_rows():
    examples = EncodedExamples(
        token_ids=np.array([2, 5, 3, 2, 3, 2, 6, 7, 3], "int32"),
        segment_ids=np.array([0, 0, 0, 0, 0, 0, 0, 1, 1], "int32"),
        row_splits=np.array([0, 3, 5, 9]),
        labels=np.array([4, 5, 6], "int32"),
        pad_token_id=0,
    )
    taken = examples.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.token_ids, [2, 6, 7, 3, 2, 5, 3])
    np.testing.assert_array_equal(taken.segment_ids, [0, 0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(taken.row_splits, [0, 4, 7])
    np.testing.assert_array_equal(taken.labels, [6, 4])
