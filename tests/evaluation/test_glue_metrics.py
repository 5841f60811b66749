"""GLUE's metrics against values by hand, and the bar that chance is."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from tinybert_tf.data import Task
from tinybert_tf.evaluation.glue_metrics import compute_metrics, reason_near_chance

BINARY = Task("binary", ("text",), "label", ("no", "yes"), None, ("accuracy", "f1", "matthews"))
SCORED = Task("scored", ("text",), "score", None, (0.0, 5.0))


def logits(answers, classes=2):
    return np.eye(classes, dtype="float32")[answers]


def column(scores):
    return np.array(scores, "float32")[:, None]


def test_classification():
    """3 true and 2 false positives, 1 false and 2 true negatives."""
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    figures = compute_metrics(BINARY, labels, logits([1, 1, 1, 0, 1, 1, 0, 0]))
    assert list(figures) == ["accuracy", "f1", "matthews"]
    assert figures["accuracy"] == pytest.approx(5 / 8)
    assert figures["f1"] == pytest.approx(6 / 9)
    assert figures["matthews"] == pytest.approx((3 * 2 - 2 * 1) / (5 * 4 * 4 * 3) ** 0.5)


def test_f1_of_three_classes_is_the_mean():
    """Classes of F1 1/2, 4/5 and 2/3."""
    task = Task("three", ("text",), "label", ("a", "b", "c"), None, ("f1",))
    labels = np.array([0, 0, 1, 1, 2, 2])
    figures = compute_metrics(task, labels, logits([0, 1, 1, 1, 2, 0], 3))
    assert figures["f1"] == pytest.approx((1 / 2 + 4 / 5 + 2 / 3) / 3)
    # A class that nobody has or guesses counts as well, with 0.
    figures = compute_metrics(task, np.array([0, 1]), logits([0, 1], 3))
    assert figures["f1"] == pytest.approx(2 / 3)


def test_metrics_of_random_answers():
    """Against their definitions: Matthews is the correlation of two binary variables, Spearman
    that of ranks, F1 the harmonic mean of precision and recall."""
    random = np.random.default_rng(9)
    labels, outputs = random.integers(0, 2, 500), random.normal(size=(500, 2))
    answers = (outputs[:, 1] > outputs[:, 0]).astype(int)
    figures = compute_metrics(BINARY, labels, outputs)
    both = np.sum(labels & answers)
    precision, recall = both / answers.sum(), both / labels.sum()
    assert figures == pytest.approx(
        {
            "accuracy": np.mean(labels == answers),
            "f1": 2 * precision * recall / (precision + recall),
            "matthews": np.corrcoef(labels, answers)[0, 1],
        }
    )
    scores, predicted = random.integers(0, 6, 500) / 1.0, random.normal(size=500).round(1)
    figures = compute_metrics(SCORED, scores, predicted[:, None])
    ranks = [stats.rankdata(scores), stats.rankdata(predicted)]
    assert figures == pytest.approx(
        {
            "pearson": np.corrcoef(scores, predicted)[0, 1],
            "spearman": np.corrcoef(*ranks)[0, 1],
        }
    )


def test_correlations():
    figures = compute_metrics(SCORED, np.array([1.0, 2.0, 3.0, 4.0]), column([1, 3, 2, 5]))
    assert figures["pearson"] == pytest.approx(5.5 / (5 * 8.75) ** 0.5)
    assert figures["spearman"] == pytest.approx(0.8)


def test_a_constant_answer_has_no_merit():
    figures = compute_metrics(BINARY, np.array([0, 1, 0, 0]), logits([0, 0, 0, 0]))
    assert figures == {"accuracy": 0.75, "f1": 0.0, "matthews": 0.0}


@pytest.mark.parametrize(("labels", "scores"), [([1, 2, 4], [2, 2, 2]), ([2, 2, 2], [1, 2, 4])])
def test_a_correlation_with_a_constant_is_zero(labels, scores):
    figures = compute_metrics(SCORED, np.array(labels, "float32"), column(scores))
    assert figures == {"pearson": 0.0, "spearman": 0.0}


def test_a_classifier_must_correlate():
    """Two standard errors at 100 labels: 2 / sqrt(100)."""
    labels = np.arange(100) % 2
    for right, matthews in ((59, "0.180"), (62, None), (38, "-0.240")):
        answers = np.where(np.arange(100) < right, labels, 1 - labels)
        reason = reason_near_chance(BINARY, labels, logits(answers))
        assert reason == (matthews and f"its matthews is {matthews}, chance reaches 0.200")


def test_a_frequent_class_is_no_bar():
    """80 of 100: to name it always is chance, to find 5 of the 20 others besides is not."""
    labels = (np.arange(100) >= 80).astype(int)
    for found, is_chance in ((0, True), (5, False)):
        answers = np.where(np.arange(100) < 80 + found, labels, 0)
        reason = reason_near_chance(BINARY, labels, logits(answers))
        assert (reason is not None) == is_chance


def test_a_regressor_must_correlate():
    """Two standard errors at 16 scores: 2 / sqrt(16)."""
    labels = np.arange(16, dtype="float32")
    assert reason_near_chance(SCORED, labels, column(labels)) is None
    reason = reason_near_chance(SCORED, labels, column(-labels))
    assert reason == "its pearson is -1.000, chance reaches 0.500"
    by_rank = dataclasses.replace(SCORED, metrics=("spearman",))
    assert "spearman is 0.000" in reason_near_chance(by_rank, labels, column([3] * 16))
