"""What the steps of a run do for tasks of answering questions with spans of a context."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tinybert_tf import export
from tinybert_tf.checkpoints.locations import check_class
from tinybert_tf.data import (
    EncodedExamples,
    Examples,
    SpanExamples,
    SpanTask,
    SpanWindows,
    encode_windows,
)
from tinybert_tf.evaluation import SpanEvaluator, SpanPrediction, decode_spans
from tinybert_tf.evaluation.answers import compare_answers, save_answers
from tinybert_tf.evaluation.span_evaluator import span_metrics
from tinybert_tf.files import write_json
from tinybert_tf.models import BertEncoder, BertSpanClassifier
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.tokenization import BertPreprocessor


class SpanTaskSteps:
    """`TaskSteps` of question answering.

    Args:
        config: `RunConfig`. Of a `SpanTask`.
    """

    classifier = BertSpanClassifier

    def __init__(self, config: RunConfig):
        self.task: SpanTask = config.resolved_task()
        self._options = config.data.windows

    def new_classifier(
        self, encoder: BertEncoder, preprocessor: BertPreprocessor
    ) -> BertSpanClassifier:
        """Returns a model with a new head for the task."""
        return BertSpanClassifier(encoder, preprocessor=preprocessor)

    def fit_new_head(
        self, model: BertSpanClassifier, encoded: EncodedExamples, seed: int
    ) -> None:
        """Fits nothing: answers are not to be read off hidden states that learned no task."""

    def check_classifier(self, model) -> None:
        """Raises TinyBertError if a model is of another class."""
        check_class(model, BertSpanClassifier, self.task.name)

    def check_answers(self, encoded: SpanWindows, predictions: list[SpanPrediction]) -> None:
        """Looks at nothing: start and end are told apart by their names."""

    def encode(self, examples: SpanExamples, preprocessor: BertPreprocessor) -> SpanWindows:
        """Returns examples as evaluators take them.

        Raises:
            TinyBertError: see `encode_windows`.
        """
        options = self._options
        return encode_windows(
            examples, preprocessor, options.doc_stride, options.max_query_tokens
        )

    def encode_training(
        self, examples: SpanExamples, preprocessor: BertPreprocessor
    ) -> EncodedExamples:
        """Returns what is trained on, the windows.

        Raises:
            TinyBertError: see `encode_windows`.
        """
        return self.encode(examples, preprocessor).encoded

    def make_evaluator(self, model, encoded: SpanWindows) -> SpanEvaluator:
        """Returns what scores a model on encoded examples."""
        return SpanEvaluator(self.task, model, encoded, self._options.max_answer_tokens)

    def save_predictions(
        self,
        run: RunDirectory,
        models: dict,
        examples: SpanExamples,
        encoded: SpanWindows,
        predictions: dict[str, list[SpanPrediction]],
    ) -> None:
        """Saves the student's answers as the official scripts read them, and both models'.

        Args:
            run: `RunDirectory`.
            models: dict. `teacher` and `student`.
            examples: `SpanExamples`.
            encoded: `SpanWindows`. The same.
            predictions: dict. Answers of `teacher` and `student`, one for each question.
        """
        save_answers(run.predictions, compare_answers(self.task, examples, predictions))
        answers = {
            example.id: prediction
            for example, prediction in zip(examples, predictions["student"], strict=True)
        }
        write_json(run.answers, {i: p.text for i, p in answers.items()}, indent=None)
        if self.task.has_unanswerable:
            probabilities = {i: p.no_answer_probability for i, p in answers.items()}
            write_json(run.no_answer_probabilities, probabilities, indent=None)

    def texts(self, examples: SpanExamples) -> Examples:
        """Returns examples as pairs of texts, all of label 0."""
        questions = tuple(example.question for example in examples)
        contexts = tuple(example.context for example in examples)
        return Examples((questions, contexts), np.zeros(len(examples), "int32"))

    def export_data(
        self, examples: SpanExamples, preprocessor: BertPreprocessor
    ) -> tuple[EncodedExamples, Callable]:
        """Returns what `export_bundle` takes as examples, and the `score` of its `TaskCard`."""
        windows = self.encode(examples, preprocessor)
        lengths = windows.encoded.lengths
        is_token = np.arange(lengths.max()) < lengths[:, None]

        def score(labels: np.ndarray, outputs: dict[str, np.ndarray]) -> dict[str, float]:
            logits = (outputs[name][is_token] for name in ("start_logits", "end_logits"))
            answers = decode_spans(windows, *logits, self._options.max_answer_tokens)
            return span_metrics(self.task, windows, answers)

        return windows.encoded, score

    def task_card(self, split: str, score: Callable) -> "export.TaskCard":
        """Returns what a bundle says of the task."""
        spans = export.SpanCard(self.task.has_unanswerable, **dataclasses.asdict(self._options))
        # The official scripts speak of percent.
        return export.TaskCard(self.task.name, split, score, best_metric=100.0, spans=spans)
