"""The metrics of GLUE, and what counts as chance."""

import functools
import math

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn_metrics

from tinybert_tf.data import Task

METRICS = {
    "accuracy": sklearn_metrics.accuracy_score,
    # Of a class that nobody has or guesses it is 0, which scikit-learn warns of otherwise.
    "f1": functools.partial(sklearn_metrics.f1_score, zero_division=0.0),
    "matthews": sklearn_metrics.matthews_corrcoef,
    "pearson": lambda labels, scores: stats.pearsonr(labels, scores).statistic,
    "spearman": lambda labels, scores: stats.spearmanr(labels, scores).statistic,
}
"""Functions of labels and answers, by name."""


def compute_metrics(task: Task, labels: np.ndarray, predictions: np.ndarray) -> dict:
    """Computes a task's metrics, its first one first.

    Args:
        task: `Task`.
        labels: array [examples]. Class indices or scores.
        predictions: float array [examples, outputs]. Logits or scores.

    Returns:
        dict of floats. F1 of more than two classes is the mean of theirs. A correlation with
        a constant is 0, as scikit-learn has it for Matthews; scipy's `nan` would never be
        beaten nor beat anything.
    """
    if task.is_regression:
        scores = predictions[:, 0]
        if np.ptp(scores) == 0 or np.ptp(labels) == 0:
            return dict.fromkeys(task.metrics, 0.0)
        return {name: float(METRICS[name](labels, scores)) for name in task.metrics}
    options = {}
    if task.num_outputs > 2:
        options["f1"] = {"average": "macro", "labels": list(range(task.num_outputs))}
    answers = predictions.argmax(axis=-1)
    return {
        name: float(METRICS[name](labels, answers, **options.get(name, {})))
        for name in task.metrics
    }


def reason_near_chance(task: Task, labels: np.ndarray, predictions: np.ndarray) -> str | None:
    """Says why a model's predictions are no better than guessing, or `None` if they are.

    Answers must correlate with the labels by two standard errors (1 / sqrt(n)): classes by
    Matthews's correlation, which is 0 for whoever names one class, however frequent it is;
    scores by the task's first metric.

    Args:
        task: `Task`.
        labels: array [examples].
        predictions: float array [examples, outputs].
    """
    if task.is_regression:
        name = task.metrics[0]
        correlation = compute_metrics(task, labels, predictions)[name]
    else:
        name = "matthews"
        correlation = float(METRICS[name](labels, predictions.argmax(axis=-1)))
    bound = 2.0 / math.sqrt(len(labels))
    if correlation > bound:
        return None
    return f"its {name} is {correlation:.3f}, chance reaches {bound:.3f}"
