"""What the steps of a run do for tasks of classifying or scoring texts."""

import functools
from collections.abc import Callable

import numpy as np
from absl import logging

from tinybert_tf.checkpoints import load_text_classifier
from tinybert_tf.checkpoints.locations import check_class
from tinybert_tf.data import (
    EncodedExamples,
    Examples,
    Task,
    check_training_labels,
    encode_examples,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import TextEvaluator, compute_metrics
from tinybert_tf.evaluation.attention_maps import (
    choose_texts,
    compute_attention_maps,
    save_attention_maps,
)
from tinybert_tf.evaluation.predictions import Predictions, save_predictions
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.tokenization import BertPreprocessor


class TextTaskSteps:
    """`TaskSteps` of classification and regression.

    Args:
        config: `RunConfig`. Of a `Task`.
    """

    # What the metrics of a model without errors are.
    best_metric = 1.0

    def __init__(self, config: RunConfig):
        self.task: Task = config.resolved_task()
        self._config = config

    def new_classifier(
        self, encoder: BertEncoder, preprocessor: BertPreprocessor
    ) -> BertTextClassifier:
        """Returns a model with a new head for the task."""
        return BertTextClassifier(
            encoder,
            self.task.num_outputs,
            preprocessor=preprocessor,
            labels=self.task.labels,
            dropout=encoder.dropout,
        )

    def load_hugging_face(self, directory: str, **options) -> BertTextClassifier:
        """Loads a model with its head from a Hugging Face layout directory."""
        return load_text_classifier(directory, **options)

    def check_classifier(self, model) -> None:
        """Looks whether a model fits the task; gives it the task's labels if it names none.

        Raises:
            TinyBertError: if it is of another class, or has other outputs or labels.
        """
        task = self.task
        check_class(model, BertTextClassifier, task.name)
        if model.num_classes != task.num_outputs:
            raise TinyBertError(
                f"The teacher has {model.num_classes} outputs, the task '{task.name}' wants "
                f"{task.num_outputs}."
            )
        if model.labels and model.labels != task.labels:
            raise TinyBertError(
                f"The teacher's labels are {model.labels}, those of the task '{task.name}' are "
                f"{task.labels}. Describe the task with the teacher's names in the teacher's "
                "order."
            )
        if not model.labels and not task.is_regression:
            logging.warning(
                "The teacher's checkpoint names no labels; they are taken to be %s.",
                task.labels,
            )
            model.labels = task.labels

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

    def make_evaluator(self, model, encoded: EncodedExamples) -> TextEvaluator:
        """Returns what scores a model on encoded examples."""
        return TextEvaluator(self.task, model, encoded)

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
