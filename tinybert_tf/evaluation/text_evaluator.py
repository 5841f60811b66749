"""Scores of text classifiers while they train and when they are done."""

from collections.abc import Callable

import numpy as np

from tinybert_tf.data import BucketedBatches, EncodedExamples, Task
from tinybert_tf.evaluation.evaluator import Evaluator, compile_forward
from tinybert_tf.evaluation.glue_metrics import compute_metrics, reason_near_chance


class TextEvaluator(Evaluator):
    """Scores a model on texts.

    Args:
        task: `Task`. Whose metrics.
        model: `BertTextClassifier`.
        encoded: `EncodedExamples`.
    """

    def __init__(self, task: Task, model, encoded: EncodedExamples):
        self.task = task
        self.encoded = encoded
        self._predictor = TextPredictor(model)

    def predict(self) -> np.ndarray:
        """Returns predictions [examples, outputs] in the order of the examples."""
        return self._predictor(self.encoded)

    def metrics(self, predictions: np.ndarray) -> dict[str, float]:
        """Returns the task's metrics of predictions."""
        return compute_metrics(self.task, self.encoded.labels, predictions)

    def reason_near_chance(self, predictions: np.ndarray) -> str | None:
        """Says why predictions are no better than guessing, or `None` if they are."""
        return reason_near_chance(self.task, self.encoded.labels, predictions)

    def agreement(self, predictions: np.ndarray, others: np.ndarray) -> float | None:
        """Returns the share of examples with the same label; `None` for regression."""
        if self.task.is_regression:
            return None
        return float(np.mean(predictions.argmax(axis=-1) == others.argmax(axis=-1)))


class TextPredictor:
    """Runs a model over examples, in batches of like length.

    Args:
        model: a classifier or regressor: of encoder inputs, with one output.
        tokens_per_batch: int.
    """

    def __init__(self, model, tokens_per_batch: int = 8192):
        self._tokens_per_batch = tokens_per_batch
        self._forward = compile_forward(model)

    def __call__(
        self, encoded: EncodedExamples, advance: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Returns float32 outputs [examples, outputs] in the order of the examples.

        Args:
            encoded: `EncodedExamples`.
            advance: called behind each batch with the number of its examples.
        """
        batches = BucketedBatches(encoded, self._tokens_per_batch)
        outputs = []
        for x, _ in batches.dataset():
            outputs.append(self._forward(x).numpy())
            if advance is not None:
                advance(len(outputs[-1]))
        outputs = np.concatenate(outputs)
        in_order = np.empty_like(outputs)
        in_order[np.concatenate(batches.plan(0))] = outputs
        return in_order
