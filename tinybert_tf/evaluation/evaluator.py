"""What an evaluator of any kind of task does."""

from typing import Any, Protocol


class Evaluator(Protocol):
    """Scores one model on examples that it was made with.

    `predictions` are what `predict` returns: their form is that of the kind of task.
    """

    # `Task` or `SpanTask`. Its first metric is the one that models are chosen by.
    task: Any

    def predict(self) -> Any:
        """Returns what the model says of each example, in their order."""

    def metrics(self, predictions: Any) -> dict[str, float]:
        """Returns the task's metrics of predictions, the first one first."""

    def score(self) -> dict[str, float]:
        """Returns the metrics of what the model says now."""

    def is_better(self, scores: dict[str, float], best: dict[str, float]) -> bool:
        """Tells whether scores are better than the best so far."""

    def reason_near_chance(self, predictions: Any) -> str | None:
        """Says why predictions are no better than guessing, or `None` if they are."""

    def agreement(self, predictions: Any, others: Any) -> float | None:
        """Returns the share of examples that two models say the same of, if that means much."""
