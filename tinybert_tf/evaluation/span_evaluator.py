"""Scores of span classifiers while they train and when they are done."""

import math

import numpy as np

from tinybert_tf.data import BucketedBatches, EncodedExamples, SpanTask, SpanWindows
from tinybert_tf.evaluation.evaluator import Evaluator, compile_forward
from tinybert_tf.evaluation.spans import SpanAnswer, SpanPrediction, decode_spans
from tinybert_tf.evaluation.squad_metrics import squad_v1_metrics, squad_v2_metrics


class SpanEvaluator(Evaluator):
    """Scores a model on questions.

    Args:
        task: `SpanTask`. Whose metrics.
        model: `BertSpanClassifier`.
        windows: `SpanWindows`.
        max_answer_tokens: int. See `decode_spans`.
    """

    def __init__(
        self, task: SpanTask, model, windows: SpanWindows, max_answer_tokens: int = 30
    ):
        self.task = task
        self.windows = windows
        self._max_answer_tokens = max_answer_tokens
        self._predictor = SpanPredictor(model)

    def predict(self) -> list[SpanPrediction]:
        """Returns the answers to each question, in the order of the questions."""
        logits = self._predictor(self.windows.encoded)
        return decode_spans(self.windows, *logits, self._max_answer_tokens)

    def metrics(self, predictions: list[SpanPrediction]) -> dict[str, float]:
        """Returns the metrics of the official script, in percent, the task's first."""
        return span_metrics(self.task, self.windows, predictions)

    def reason_near_chance(self, predictions: list[SpanPrediction]) -> str | None:
        """Says why answers are no better than guessing, or `None` if they are.

        The first metric must be above what answering every question with its whole context
        reaches (or no question, where the metric has the best threshold) by two standard
        errors, of 50 / sqrt(n) at most.
        """
        metric, contexts = self.task.metrics[0], [e.context for e in self.windows.examples]
        guesses = [SpanPrediction((SpanAnswer(c, 0, len(c), 0.0),), 0.0) for c in contexts]
        guessing = self.metrics(guesses)[metric]
        bound = guessing + 2.0 * 50.0 / math.sqrt(len(contexts))
        score = self.metrics(predictions)[metric]
        if score > bound:
            return None
        return (
            f"its {metric} is {score:.1f}, answering with the whole context gives "
            f"{guessing:.1f} (with sampling error up to {bound:.1f})"
        )

    def agreement(
        self, predictions: list[SpanPrediction], others: list[SpanPrediction]
    ) -> float:
        """Returns the share of questions with the same answer, or both without one."""
        pairs = zip(predictions, others, strict=True)
        return sum(self._answer(p) == self._answer(q) for p, q in pairs) / len(predictions)

    def _answer(self, prediction: SpanPrediction) -> str:
        return prediction.text_or_none() if self.task.has_unanswerable else prediction.text


class SpanPredictor:
    """Runs a span classifier over windows, in batches of like length.

    Args:
        model: `BertSpanClassifier`.
        tokens_per_batch: int.
    """

    def __init__(self, model, tokens_per_batch: int = 8192):
        self._tokens_per_batch = tokens_per_batch
        self._forward = compile_forward(model)

    def __call__(self, encoded: EncodedExamples) -> tuple[np.ndarray, np.ndarray]:
        """Returns start and end logits, float32 [tokens], in the order of the windows."""
        batches = BucketedBatches(encoded, self._tokens_per_batch)
        logits = np.empty((2, len(encoded.token_ids)), "float32")
        for rows in batches.plan(0):
            inputs, _ = encoded.batch(rows)
            outputs = self._forward(inputs)
            is_token = inputs["padding_mask"].astype(bool)
            positions = encoded.row_splits[rows][:, None] + np.arange(is_token.shape[1])
            for i, name in enumerate(("start_logits", "end_logits")):
                logits[i, positions[is_token]] = outputs[name].numpy()[is_token]
        return logits[0], logits[1]


def span_metrics(
    task: SpanTask, windows: SpanWindows, predictions: list[SpanPrediction]
) -> dict[str, float]:
    """Computes a task's metrics, its own first.

    Args:
        task: `SpanTask`.
        windows: `SpanWindows`. What was predicted.
        predictions: list of `SpanPrediction`, one for each question.

    Returns:
        dict of floats. See `squad_v1_metrics`, or for a task with unanswerable questions
        `squad_v2_metrics`.
    """
    examples = windows.examples
    ids = [example.id for example in examples]
    texts = {i: p.text for i, p in zip(ids, predictions, strict=True)}
    if task.has_unanswerable:
        probabilities = {
            i: p.no_answer_probability for i, p in zip(ids, predictions, strict=True)
        }
        figures = squad_v2_metrics(examples, texts, probabilities)
    else:
        figures = squad_v1_metrics(examples, texts)
    return {name: figures[name] for name in task.metrics} | figures
