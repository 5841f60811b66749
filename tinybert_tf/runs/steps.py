"""What the steps of a run do differently for each kind of task.

A new kind is a class here and a line in `_STEPS`, an evaluator in `tinybert_tf.evaluation`, and
what a report shows of it in `tinybert_tf.reports.run_page`.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tinybert_tf import export
from tinybert_tf.data import EncodedExamples, Examples
from tinybert_tf.evaluation import Evaluator
from tinybert_tf.models import BertEncoder
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.span_steps import SpanTaskSteps
from tinybert_tf.runs.text_steps import TextTaskSteps
from tinybert_tf.tokenization import BertPreprocessor


class TaskSteps(Protocol):
    """The steps of one run, whatever its task.

    `examples` are what the readers of the kind return, `encoded` what `encode` returns, and
    `predictions` what its evaluator's `predict` returns.
    """

    # `Task` or `SpanTask`.
    task: Any
    # `BertTextClassifier` or `BertSpanClassifier`.
    classifier: type

    def new_classifier(self, encoder: BertEncoder, preprocessor: BertPreprocessor) -> Any:
        """Returns a model with a new head for the task."""

    def fit_new_head(self, model: Any, encoded: EncodedExamples, seed: int) -> None:
        """Fits a new head to the labels, where it can be without training the encoder.

        Args:
            model: what `new_classifier` returned.
            encoded: the training examples, as `encode_training` returns them.
            seed: int. Which of them, where they are many.
        """

    def check_classifier(self, model: Any) -> None:
        """Raises TinyBertError if a model that learned elsewhere does not fit the task."""

    def check_answers(self, encoded: Any, predictions: Any) -> None:
        """Looks whether a model that learned elsewhere means what the task means.

        Args:
            encoded: the dev examples, as `encode` returns them.
            predictions: what the model's evaluator says of them.

        Raises:
            TinyBertError: if its outputs stand in another order than the task's labels.
        """

    def encode(self, examples: Any, preprocessor: BertPreprocessor) -> Any:
        """Returns examples as evaluators take them."""

    def encode_training(self, examples: Any, preprocessor: BertPreprocessor) -> EncodedExamples:
        """Returns what is trained on; raises TinyBertError if it teaches nothing."""

    def make_evaluator(self, model: Any, encoded: Any) -> Evaluator:
        """Returns what scores a model on encoded examples."""

    def save_predictions(
        self, run: RunDirectory, models: dict, examples: Any, encoded: Any, predictions: dict
    ) -> None:
        """Saves what both models say of the test examples, for the report and for people.

        Args:
            run: `RunDirectory`.
            models: dict. `teacher` and `student`.
            examples: the test examples.
            encoded: the same.
            predictions: dict. Those of `teacher` and `student`.
        """

    def texts(self, examples: Any) -> Examples:
        """Returns examples as texts, whose labels need not mean anything."""

    def export_data(
        self, examples: Any, preprocessor: BertPreprocessor
    ) -> tuple[Examples | EncodedExamples, Callable[[np.ndarray, Any], dict[str, float]]]:
        """Returns what `export_bundle` takes as examples, and the `score` of its `TaskCard`."""

    def task_card(self, split: str, score: Callable) -> "export.TaskCard":
        """Returns what a bundle says of the task."""


_STEPS: dict[str, Callable[[RunConfig], TaskSteps]] = {
    "text": TextTaskSteps,
    "span": SpanTaskSteps,
}


def task_steps(config: RunConfig) -> TaskSteps:
    """Returns the steps of a config's task.

    Args:
        config: `RunConfig`.
    """
    return _STEPS[config.resolved_task().kind](config)
