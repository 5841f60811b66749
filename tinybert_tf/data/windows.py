"""Overlapping windows over contexts that are longer than a model reads at once.

As in original BERT (`run_squad.py` of https://github.com/google-research/bert). Every token
knows which characters of the context it stands for.
"""

import bisect
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinybert_tf.data.batches import EncodedExamples
from tinybert_tf.data.squad import SpanExample, SpanExamples
from tinybert_tf.errors import TinyBertError

_TOKENIZE_CHUNK = 1024


NO_CHARACTER = -1


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
    outside = np.full(before, NO_CHARACTER)

    def placed(values):
        return np.concatenate([outside, values[start:end], outside[:1]])

    segments = np.repeat([0, 1], [before, end - start + 1])
    is_best = placed(is_best) == 1
    label = (0, 0)
    if answer and start <= answer[0] and answer[1] < end:
        label = tuple(before + position - start for position in answer)
    return ids, segments, placed(context.starts), placed(context.ends), is_best, label
