"""Extractive question answering: SQuAD files, windows over long contexts, answers as text.

A context that does not fit into the model's length is seen through overlapping windows, as in
original BERT (`run_squad.py` of https://github.com/google-research/bert). Answers are cut
out of the context as it was given: every token knows which characters it stands for.
"""

import bisect
import dataclasses
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tinybert_tf.data.pipeline import BucketedBatches, EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file

_TOKENIZE_CHUNK = 1024
_NO_CHARACTER = -1


@dataclasses.dataclass(frozen=True)
class SpanTask:
    """A task of answering questions with spans of a context.

    Args:
        name: str. How configs and messages call the task.
        has_unanswerable: bool. Whether some questions have no answer in their context, as in
            SQuAD v2.
        metrics: tuple of str. The names the official scripts give them; checkpoints are
            chosen by the first one.
    """

    name: str
    has_unanswerable: bool
    metrics: tuple[str, ...]


SPAN_TASKS: dict[str, SpanTask] = {
    task.name: task
    for task in (
        SpanTask("squad_v1", False, ("f1", "exact_match")),
        SpanTask("squad_v2", True, ("best_f1", "best_exact", "f1", "exact")),
    )
}


class Answer(NamedTuple):
    """An answer: `text` is `context[start:start + len(text)]`."""

    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class SpanExample:
    """A question about a context.

    Args:
        id: str. The question's.
        question: str.
        context: str.
        answers: tuple of `Answer`. What people answered; empty if there is no answer.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]


@dataclasses.dataclass(frozen=True)
class SpanExamples:
    """Questions, in the order of the source.

    Args:
        examples: tuple of `SpanExample`.
    """

    examples: tuple[SpanExample, ...]

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[SpanExample]:
        return iter(self.examples)

    def take(self, indices: Sequence[int] | np.ndarray) -> "SpanExamples":
        """Returns the questions at `indices`, in that order.

        Args:
            indices: sequence of int. Positions from 0 to `len(self) - 1`.
        """
        return SpanExamples(tuple(self.examples[i] for i in indices))


# === Files ===


def read_squad(task: SpanTask, path: str | os.PathLike) -> SpanExamples:
    """Reads a file in the JSON layout of SQuAD v1.1 and v2.0.

    Args:
        task: `SpanTask`. Says whether questions without an answer (`is_impossible`) may occur.
        path: str or path. The file.

    Raises:
        TinyBertError: if the file is not of that layout, an id comes twice, a question has no
            answer and is not marked as such, or an answer is not where it is said to be in
            its context. Article and question are named.
    """
    try:
        content = json.loads(read_text_file(path, "SQuAD file"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise TinyBertError(
            f"{path} is not valid JSON: {error}. Is it complete? Get it again."
        ) from error
    examples = {}
    for number, article in enumerate(_get(content, "data", list, str(path)), start=1):
        title = article.get("title", number) if isinstance(article, dict) else number
        where = f"{path}, article '{title}'"
        for i, paragraph in enumerate(_get(article, "paragraphs", list, where), start=1):
            for example in _read_paragraph(task, paragraph, f"{where}, paragraph {i}", where):
                if example.id in examples:
                    raise TinyBertError(
                        f"{where}, question {example.id}: its id is there twice. "
                        "Predictions are told apart by it: give every question its own."
                    )
                examples[example.id] = example
    if not examples:
        raise TinyBertError(f"{path}: there are no questions, expected one or more.")
    return SpanExamples(tuple(examples.values()))


def _read_paragraph(
    task: SpanTask, paragraph: object, where: str, article: str
) -> Iterator[SpanExample]:
    context = _get_text(paragraph, "context", where)
    for number, qa in enumerate(_get(paragraph, "qas", list, where), start=1):
        question_id = _get_text(qa, "id", f"{where}, question {number}")
        question_where = f"{article}, question {question_id}"
        question = _get_text(qa, "question", question_where)
        answers = _read_answers(task, qa, context, question_where)
        yield SpanExample(question_id, question, context, answers)


def _read_answers(task: SpanTask, qa: dict, context: str, where: str) -> tuple[Answer, ...]:
    if qa.get("is_impossible", False):
        if not task.has_unanswerable:
            raise TinyBertError(
                f"{where}: is marked is_impossible, but every question of task '{task.name}' "
                "has an answer. Take the task 'squad_v2'."
            )
        return ()
    answers = tuple(
        Answer(_get_text(answer, "text", where), _get(answer, "answer_start", int, where))
        for answer in _get(qa, "answers", list, where)
    )
    if not answers:
        raise TinyBertError(
            f"{where}: has no answer. Add one, remove the question, or where the context has "
            "none mark it with is_impossible (SQuAD v2)."
        )
    for text, start in answers:
        found = context[start : start + len(text)] if start >= 0 else ""
        if found != text:
            first = context.find(text)
            hint = f" It is at {first}." if first >= 0 else " It is nowhere in the context."
            raise TinyBertError(
                f"{where}: the answer {text!r} is not in its context at character {start}, "
                f"which reads {found!r}.{hint} Correct answer_start, counted in characters."
            )
    return answers


def _get(value: object, name: str, kind: type, where: str):
    """Returns a member of a JSON object, which must be of a type."""
    if not isinstance(value, dict) or name not in value:
        known = ", ".join(map(repr, value)) if isinstance(value, dict) else repr(value)[:80]
        raise TinyBertError(
            f"{where}: there is no '{name}', only {known}. Expected the layout of SQuAD: data, "
            "paragraphs, context, qas, id, question, answers, text, answer_start."
        )
    member = value[name]
    if not isinstance(member, kind) or isinstance(member, bool):
        spelled = {list: "a list", str: "a string", int: "an integer"}[kind]
        raise TinyBertError(
            f"{where}: '{name}' is {json.dumps(member)[:80]}, expected {spelled}."
        )
    return member


def _get_text(value: object, name: str, where: str) -> str:
    text = _get(value, name, str, where)
    if not text or text.isspace():
        raise TinyBertError(f"{where}: '{name}' is empty, expected text.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TinyBertError(
            f"{where}: '{name}' holds {text[error.start]!r}, half a character. "
            "Write both halves of the surrogate pair, or the character itself."
        ) from error
    return text


# === Windows ===


@dataclasses.dataclass(frozen=True, eq=False)
class SpanWindows:
    """Questions with the windows of their contexts, `[CLS] question [SEP] window [SEP]`.

    Args:
        examples: `SpanExamples`. What the windows are of.
        encoded: `EncodedExamples`. A window each; labels are [windows, 2], int32: the
            positions of the first and last token of the first answer, both 0 (`[CLS]`) where
            it is not wholly in the window.
        example_splits: int array [examples + 1]. Where the windows of each example start.
        starts: int32 array [tokens]. The first character of the context that a token stands
            for; -1 at tokens that are not of the context.
        ends: int32 array [tokens]. The character after its last one.
        is_best_context: bool array [tokens]. Whether this window is the one that shows most
            of what is around this token, of all windows that show it.
    """

    examples: SpanExamples
    encoded: EncodedExamples
    example_splits: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    is_best_context: np.ndarray


class _Tokens(NamedTuple):
    """int32 arrays [tokens] of one text."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def encode_windows(
    examples: SpanExamples, preprocessor, doc_stride: int = 128, max_query_tokens: int = 64
) -> SpanWindows:
    """Tokenizes questions and contexts once and cuts contexts into windows.

    Args:
        examples: `SpanExamples`.
        preprocessor: `BertPreprocessor`. Windows have its `sequence_length`; 384 is usual.
        doc_stride: int. Tokens from the start of a window to that of the next.
        max_query_tokens: int. Questions are cut to this many tokens.

    Raises:
        TinyBertError: if a question would leave no room for its context, or `doc_stride` or
            `max_query_tokens` is not positive.
    """
    room = preprocessor.sequence_length - max_query_tokens - 3
    if doc_stride < 1 or max_query_tokens < 1 or room < 1:
        raise TinyBertError(
            f"doc_stride={doc_stride} and max_query_tokens={max_query_tokens} with a "
            f"sequence_length of {preprocessor.sequence_length}: both must be positive, and "
            "question, [CLS] and two [SEP] must leave room for the context."
        )
    tokenizer = preprocessor.tokenizer
    questions = _tokenize(tokenizer, [example.question for example in examples])
    contexts = _tokenize(tokenizer, [example.context for example in examples])
    windows, counts = [], []
    for example in examples:
        question = questions[example.question].ids[:max_query_tokens]
        context = contexts[example.context]
        length = preprocessor.sequence_length - len(question) - 3
        bounds = _window_bounds(len(context.ids), length, doc_stride)
        answer = _answer_tokens(example, context)
        best = _best_windows(len(context.ids), bounds)
        windows += [
            _make_window(tokenizer, question, context, window, answer, best == i)
            for i, window in enumerate(bounds)
        ]
        counts.append(len(bounds))
    ids, segments, starts, ends, is_best, labels = zip(*windows, strict=True)
    encoded = EncodedExamples(
        token_ids=np.concatenate(ids).astype("int32"),
        segment_ids=np.concatenate(segments).astype("int32"),
        row_splits=np.cumsum([0, *map(len, ids)]),
        labels=np.array(labels, "int32"),
        pad_token_id=tokenizer.pad_token_id,
    )
    return SpanWindows(
        examples,
        encoded,
        np.cumsum([0, *counts]),
        np.concatenate(starts).astype("int32"),
        np.concatenate(ends).astype("int32"),
        np.concatenate(is_best),
    )


def _tokenize(tokenizer, texts: Sequence[str]) -> dict[str, _Tokens]:
    """Tokenizes each text once, however often it occurs: questions share contexts."""
    tokens, texts = {}, list(dict.fromkeys(texts))
    for start in range(0, len(texts), _TOKENIZE_CHUNK):
        chunk = texts[start : start + _TOKENIZE_CHUNK]
        ragged = tokenizer.tokenize_with_offsets(chunk)
        splits = ragged[0].row_splits.numpy()[1:-1]
        columns = [np.split(part.values.numpy(), splits) for part in ragged]
        tokens.update(zip(chunk, map(_Tokens, *columns), strict=True))
    return tokens


def _window_bounds(count: int, length: int, doc_stride: int) -> list[tuple[int, int]]:
    """Returns where windows over `count` tokens begin and end."""
    bounds = [(0, min(length, count))]
    while bounds[-1][1] < count:
        start = bounds[-1][0] + min(length, doc_stride)
        bounds.append((start, min(start + length, count)))
    return bounds


def _best_windows(count: int, bounds: Sequence[tuple[int, int]]) -> np.ndarray:
    """Returns for each token the window that shows most around it.

    As in `run_squad.py`: the lesser of the tokens to the left and to the right, and a
    hundredth of the window's length; the first window on a tie.
    """
    positions = np.arange(count)
    scores = []
    for start, end in bounds:
        score = np.minimum(positions - start, end - 1 - positions) + 0.01 * (end - start)
        scores.append(np.where((start <= positions) & (positions < end), score, -np.inf))
    return np.argmax(scores, axis=0)


def _answer_tokens(example: SpanExample, context: _Tokens) -> tuple[int, int] | None:
    """Returns the first and last token that overlap the first answer."""
    if not example.answers:
        return None
    text, start = example.answers[0]
    # Tokens are in order and do not overlap.
    first = bisect.bisect_right(context.ends, start)
    last = bisect.bisect_left(context.starts, start + len(text)) - 1
    if first > last:
        raise TinyBertError(
            f"Question {example.id}: no token is left of its answer {text!r}, which holds "
            "only characters that the tokenizer drops. Remove the question."
        )
    return first, last


def _make_window(tokenizer, question, context: _Tokens, window, answer, is_best) -> tuple:
    """Returns ids, segments, first characters, ends, is_best_context and label."""
    start, end = window
    separator = [tokenizer.sep_token_id]
    ids = np.concatenate(
        [[tokenizer.cls_token_id], question, separator, context.ids[start:end], separator]
    )
    before = len(question) + 2
    outside = np.full(before, _NO_CHARACTER)

    def placed(values):
        return np.concatenate([outside, values[start:end], outside[:1]])

    segments = np.repeat([0, 1], [before, end - start + 1])
    is_best = placed(is_best) == 1
    label = (0, 0)
    if answer and start <= answer[0] and answer[1] < end:
        label = tuple(before + position - start for position in answer)
    return ids, segments, placed(context.starts), placed(context.ends), is_best, label


# === Answers ===


class SpanPredictor:
    """Runs a span classifier over windows, in batches of like length.

    Args:
        model: `BertSpanClassifier`.
        tokens_per_batch: int.
    """

    def __init__(self, model, tokens_per_batch: int = 8192):
        self._tokens_per_batch = tokens_per_batch
        ids = tf.TensorSpec((None, None), tf.int32)
        inputs = dict.fromkeys(("token_ids", "segment_ids", "padding_mask"), ids)
        # One graph for batches of every shape.
        self._forward = tf.function(
            lambda x: model(x, training=False), input_signature=[inputs]
        )

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


class SpanAnswer(NamedTuple):
    """A span of the context: `text` is `context[start:end]`, `score` a sum of two logits."""

    text: str
    start: int
    end: int
    score: float


@dataclasses.dataclass(frozen=True)
class SpanPrediction:
    """The answers to a question.

    Args:
        answers: tuple of `SpanAnswer`. Of different texts, the best first. Empty only if the
            context has no token.
        no_answer_score: float. The sum of both logits at `[CLS]`, the least of all windows.
    """

    answers: tuple[SpanAnswer, ...]
    no_answer_score: float

    @property
    def no_answer_probability(self) -> float:
        """How likely no answer is beside the best one, from 0 to 1."""
        if not self.answers:
            return 1.0
        difference = self.answers[0].score - self.no_answer_score
        # The logistic function, without its overflow.
        return 0.5 * (1.0 - math.tanh(0.5 * difference))

    @property
    def text(self) -> str:
        """The best answer's text."""
        return self.answers[0].text if self.answers else ""

    def text_or_none(self, threshold: float = 0.5) -> str:
        """Returns `""`, no answer, where that is likelier than `threshold`.

        Args:
            threshold: float. From 0 to 1; `squad_v2_metrics` finds the best.
        """
        return "" if self.no_answer_probability > threshold else self.text


def decode_spans(
    windows: SpanWindows,
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    max_answer_tokens: int = 30,
    best: int = 20,
) -> list[SpanPrediction]:
    """Finds the best spans of every question.

    A span lies in one window, begins at a token that this window shows best and has at most
    `max_answer_tokens` tokens. Spans are found exactly; `run_squad.py` looks at
    pairs of the 20 best starts and ends only.

    Args:
        windows: `SpanWindows`.
        start_logits: float array [tokens].
        end_logits: float array [tokens].
        max_answer_tokens: int.
        best: int. How many answers to a question are kept at most.

    Returns:
        list of `SpanPrediction`, one for each example, in their order.
    """
    splits = windows.encoded.row_splits
    no_answer_scores = (start_logits + end_logits)[splits[:-1]]
    start_logits = np.where(windows.is_best_context, start_logits, -np.inf)
    end_logits = np.where(windows.starts != _NO_CHARACTER, end_logits, -np.inf)
    predictions = []
    for i, example in enumerate(windows.examples):
        rows = range(windows.example_splits[i], windows.example_splits[i + 1])
        spans = []
        for tokens in (slice(splits[row], splits[row + 1]) for row in rows):
            for score, first, last in _best_spans(
                start_logits[tokens], end_logits[tokens], max_answer_tokens, best
            ):
                start, end = windows.starts[tokens][first], windows.ends[tokens][last]
                spans.append((score, int(start), int(end)))
        # Whatever the order of windows: the best first, the earliest on a tie.
        spans.sort(key=lambda span: (-span[0], *span[1:]))
        answers = {}
        for score, start, end in spans:
            text = example.context[start:end]
            answers.setdefault(text, SpanAnswer(text, start, end, score))
        kept = tuple(itertools.islice(answers.values(), best))
        predictions.append(SpanPrediction(kept, float(no_answer_scores[rows].min())))
    return predictions


def _best_spans(
    start_logits: np.ndarray, end_logits: np.ndarray, max_tokens: int, count: int
) -> list[tuple[float, int, int]]:
    """Returns scores, first and last tokens of the best spans of a window, in no order."""
    padded = np.concatenate([end_logits, np.full(max_tokens - 1, -np.inf)])
    # scores[i, j] is that of the span of j + 1 tokens that begins at i.
    ends = np.lib.stride_tricks.sliding_window_view(padded, max_tokens)
    scores = (start_logits[:, None] + ends).ravel()
    count = min(count, np.count_nonzero(scores > -np.inf))
    best = np.argpartition(-scores, count - 1)[:count] if count else []
    return [(float(scores[i]), i // max_tokens, i // max_tokens + i % max_tokens) for i in best]
