"""What an evaluator of any kind of task does."""

from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf


class Evaluator(Protocol):
    """Scores one model on examples that it was made with.

    `predictions` are what `predict` returns: their form is that of the kind of task. A class
    that inherits this one has `score` and `is_better` from it.
    """

    # `Task` or `SpanTask`. Its first metric is the one that models are chosen by.
    task: Any

    def predict(self) -> Any:
        """Returns what the model says of each example, in their order."""

    def metrics(self, predictions: Any) -> dict[str, float]:
        """Returns the task's metrics of predictions, the first one first."""

    def reason_near_chance(self, predictions: Any) -> str | None:
        """Says why predictions are no better than guessing, or `None` if they are."""

    def agreement(self, predictions: Any, others: Any) -> float | None:
        """Returns the share of examples that two models say the same of, if that means much."""

    def score(self) -> dict[str, float]:
        """Returns the metrics of what the model says now."""
        return self.metrics(self.predict())

    def is_better(self, scores: dict[str, float], best: dict[str, float]) -> bool:
        """Tells whether scores are better than the best so far: by the first metric."""
        metric = self.task.metrics[0]
        return scores[metric] > best[metric]


_INPUTS = dict.fromkeys(
    ("token_ids", "segment_ids", "padding_mask"), tf.TensorSpec((None, None), tf.int32)
)


def compile_forward(model) -> Callable:
    """Returns a model's inference as one graph for batches of every shape.

    Args:
        model: `keras.Model` of encoder inputs.
    """
    return tf.function(lambda x: model(x, training=False), input_signature=[_INPUTS])
