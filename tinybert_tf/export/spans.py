"""What a bundle says of questions and contexts, and the answers that an app must find."""

import dataclasses

import numpy as np

from tinybert_tf.data import SpanExamples, SpanWindows, encode_windows
from tinybert_tf.data.squad import SpanExample
from tinybert_tf.evaluation import SpanPrediction, decode_spans
from tinybert_tf.export._contract import read_contract
from tinybert_tf.export._golden import SCHEMA_VERSION, run_ids
from tinybert_tf.export.runtime import TfliteModel
from tinybert_tf.tokenization import BertPreprocessor

# Answers of each question that golden.json has at most.
_ANSWERS = 3
_LOGITS = ("start_logits", "end_logits")


@dataclasses.dataclass(frozen=True)
class SpanCard:
    """What a bundle says of how contexts are cut and answers are chosen.

    Args:
        has_unanswerable: bool. See `tinybert_tf.data.SpanTask`.
        doc_stride: int. See `tinybert_tf.data.encode_windows`.
        max_query_tokens: int. As `doc_stride`.
        max_answer_tokens: int. See `tinybert_tf.evaluation.decode_spans`.
    """

    has_unanswerable: bool = False
    doc_stride: int = 128
    max_query_tokens: int = 64
    max_answer_tokens: int = 30

    @classmethod
    def of(cls, task: dict) -> "SpanCard":
        """Returns the card of what bundle.json says of a task."""
        return cls(task["has_unanswerable"], **task["windows"])

    def info(self) -> dict:
        """Returns what bundle.json says of it, a part of `task`."""
        windows = dataclasses.asdict(self)
        return {"has_unanswerable": windows.pop("has_unanswerable"), "windows": windows}

    def encode(
        self, preprocessor: BertPreprocessor, questions: list[tuple[str, str]]
    ) -> SpanWindows:
        """Returns the windows of questions, each with its context.

        Raises:
            TinyBertError: see `encode_windows`.
        """
        examples = SpanExamples(
            tuple(SpanExample(str(i), *question, ()) for i, question in enumerate(questions))
        )
        return encode_windows(examples, preprocessor, self.doc_stride, self.max_query_tokens)


def golden_windows(preprocessor: BertPreprocessor, card: SpanCard) -> SpanWindows:
    """Returns the project's own questions (`export/golden_texts.json`), as windows.

    The last context is repeated until it needs more than one window, however long they are.

    Raises:
        TinyBertError: see `encode_windows`.
    """
    *questions, (question, context) = map(tuple, read_contract("golden_texts.json")["span"])
    repeated = context
    while True:
        windows = card.encode(preprocessor, [*questions, (question, repeated)])
        if windows.example_splits[-1] - windows.example_splits[-2] > 1:
            return windows
        repeated = f"{repeated} {context}"


def make_span_golden(models: dict[str, bytes], windows: SpanWindows, card: SpanCard) -> dict:
    """Runs golden questions through the files of a bundle.

    Args:
        models: dict from file name to its content.
        windows: `SpanWindows`. See `golden_windows`.
        card: `SpanCard`.

    Returns:
        dict. The content of golden.json: for each example its `texts`, question and context;
        its `windows`, each with unpadded `token_ids` and `segment_ids` and the `outputs` of
        each file at these tokens; and what follows from the outputs of each file, the best
        `answers` and the `no_answer_scores` (`SpanPrediction`).
    """
    runners = {name: TfliteModel(content) for name, content in models.items()}
    rows = [
        {
            "token_ids": token_ids,
            "segment_ids": segment_ids,
            "outputs": {
                name: run_window(r, token_ids, segment_ids) for name, r in runners.items()
            },
        }
        for token_ids, segment_ids in window_ids(windows)
    ]
    predictions = {name: _predict(windows, rows, name, card) for name in models}
    examples = []
    for i, example in enumerate(windows.examples):
        first, last = windows.example_splits[i : i + 2]
        examples.append(
            {
                "texts": [example.question, example.context],
                "windows": rows[first:last],
                "answers": {
                    name: [answer._asdict() for answer in predicted[i].answers]
                    for name, predicted in predictions.items()
                },
                "no_answer_scores": {
                    name: predicted[i].no_answer_score
                    for name, predicted in predictions.items()
                },
            }
        )
    return {"schema_version": SCHEMA_VERSION, "examples": examples}


def window_ids(windows: SpanWindows) -> list[tuple[list[int], list[int]]]:
    """Returns unpadded token ids and segment ids of each window."""
    encoded = windows.encoded
    splits = encoded.row_splits[1:-1]
    arrays = (np.split(values, splits) for values in (encoded.token_ids, encoded.segment_ids))
    return [(ids.tolist(), segments.tolist()) for ids, segments in zip(*arrays, strict=True)]


def run_window(
    runner: TfliteModel, token_ids: list[int], segment_ids: list[int]
) -> dict[str, list[float]]:
    """Runs unpadded ids as `run_ids` does; returns the outputs at their tokens."""
    outputs = run_ids(runner, token_ids, segment_ids)
    return {name: values[: len(token_ids)] for name, values in outputs.items()}


def _predict(
    windows: SpanWindows, rows: list[dict], model: str, card: SpanCard
) -> list[SpanPrediction]:
    """Returns the answers that follow from the outputs as golden.json has them."""
    starts, ends = (
        np.concatenate([row["outputs"][model][name] for row in rows]).astype("float32")
        for name in _LOGITS
    )
    return decode_spans(windows, starts, ends, card.max_answer_tokens, _ANSWERS)
