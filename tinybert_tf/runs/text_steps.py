"""What the steps of a run do for tasks of classifying or scoring texts."""

import functools
from collections.abc import Callable

import numpy as np

from tinybert_tf import export
from tinybert_tf.checkpoints.locations import check_class
from tinybert_tf.checkpoints.teachers import name_outputs
from tinybert_tf.data import (
    EncodedExamples,
    Examples,
    Task,
    check_training_labels,
    encode_examples,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import TextEvaluator, compute_metrics, find_better_order
from tinybert_tf.evaluation.attention_maps import (
    choose_texts,
    compute_attention_maps,
    save_attention_maps,
)
from tinybert_tf.evaluation.glue_metrics import reason_near_chance
from tinybert_tf.evaluation.predictions import Predictions, save_predictions
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.linear_probe import fit_new_head
from tinybert_tf.tokenization import BertPreprocessor


class TextTaskSteps:
    """`TaskSteps` of classification and regression.

    Args:
        config: `RunConfig`. Of a `Task`.
    """

    classifier = BertTextClassifier

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

    def fit_new_head(
        self, model: BertTextClassifier, encoded: EncodedExamples, seed: int
    ) -> None:
        """Fits the head as a linear model of the pooled outputs."""
        fit_new_head(model, encoded, seed)

    def check_classifier(self, model) -> None:
        """Looks whether a model fits the task; puts its outputs into the order of the labels.

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
        if task.is_regression:
            # A name of the one output, which is no class.
            model.labels = None
        else:
            name_outputs(model, task.labels)

    def check_answers(self, encoded: EncodedExamples, predictions: np.ndarray) -> None:
        """Looks whether a model's outputs stand in the order of the task's labels.

        Raises:
            TinyBertError: if the labels of the dev set fit another order far better.
        """
        task = self.task
        if task.is_regression:
            return
        answers = predictions.argmax(axis=-1)
        order = find_better_order(encoded.labels, answers, task.num_outputs)
        if order is None:
            return
        better = predictions[:, np.argsort(order)]
        # A model that knows nothing in this order either is told so elsewhere.
        if reason_near_chance(task, encoded.labels, better):
            return
        was, would_be = (
            float(np.mean(encoded.labels == p.argmax(axis=-1))) for p in (predictions, better)
        )
        names = [task.labels[i] for i in order]
        moved = [
            f"the one for '{name}' says '{meant}'"
            for name, meant in zip(task.labels, names, strict=True)
            if name != meant
        ]
        raise TinyBertError(
            f"The teacher's outputs fit the dev set of '{task.name}' far better in another "
            f"order: {would_be:.1%} right in place of {was:.1%}. Of its outputs, "
            f"{', '.join(moved)}. If its checkpoint names no labels, set task.labels to "
            f"[{', '.join(names)}], its order. Otherwise its names "
            "(id2label) or those in the data are wrong."
        )

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

    def task_card(self, split: str, score: Callable) -> "export.TaskCard":
        """Returns what a bundle says of the task."""
        return export.TaskCard(self.task.name, split, score)
