"""What the steps of a run do for tasks of classifying or scoring texts."""

import functools
from collections.abc import Callable

import numpy as np

from tinybert_tf.data import (
    EncodedExamples,
    Examples,
    Task,
    check_training_labels,
    encode_examples,
)
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training.attention_maps import (
    choose_texts,
    compute_attention_maps,
    save_attention_maps,
)
from tinybert_tf.training.config import RunConfig
from tinybert_tf.training.fitting import Evaluator
from tinybert_tf.training.metrics import compute_metrics
from tinybert_tf.training.predictions import Predictions, save_predictions
from tinybert_tf.training.run_directory import RunDirectory


class TextTaskSteps:
    """Classification and regression; `SpanTaskSteps` has the same methods.

    Args:
        config: `RunConfig`. Of a `Task`.
    """

    # What the metrics of a model without errors are.
    best_metric = 1.0

    def __init__(self, config: RunConfig):
        self.task: Task = config.resolved_task()
        self._config = config

    def encode(self, examples: Examples, preprocessor: BertPreprocessor) -> EncodedExamples:
        """Returns examples as evaluators take them."""
        return encode_examples(examples, preprocessor)

    def encode_training(
        self, examples: Examples, preprocessor: BertPreprocessor
    ) -> EncodedExamples:
        """Returns what is trained on.

        Raises:
            TinyBertError: if nothing can be learned from its labels.
        """
        check_training_labels(self.task, examples, self._config.data.train)
        return self.encode(examples, preprocessor)

    def make_evaluator(self, model, encoded: EncodedExamples) -> Evaluator:
        """Returns what scores a model on encoded examples."""
        return Evaluator(self.task, model, encoded)

    def save_predictions(
        self,
        run: RunDirectory,
        models: dict,
        examples: Examples,
        encoded: EncodedExamples,
        predictions: dict[str, np.ndarray],
    ) -> None:
        """Saves what both models say of the examples, and their attention in one of them.

        Args:
            run: `RunDirectory`.
            models: dict. `teacher` and `student`.
            examples: `Examples`.
            encoded: `EncodedExamples`. The same.
            predictions: dict. Outputs [examples, outputs] of `teacher` and `student`.
        """
        both = Predictions(examples, **predictions)
        save_predictions(run.predictions, self.task, both)
        texts = choose_texts(self.task, both, encoded.lengths)
        mapping = self._config.distillation.mapping
        save_attention_maps(
            run.attention, compute_attention_maps(**models, mapping=mapping, texts=texts)
        )

    def texts(self, examples: Examples) -> Examples:
        """Returns examples as texts."""
        return examples

    def export_data(
        self, examples: Examples, preprocessor: BertPreprocessor
    ) -> tuple[Examples, Callable]:
        """Returns what `export_bundle` takes as examples, and the `score` of its `TaskCard`."""
        return examples, functools.partial(compute_metrics, self.task)
