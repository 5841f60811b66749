"""From logits of tokens to answers: the best spans of every question."""

import dataclasses
import itertools
import math
from typing import NamedTuple

import numpy as np

from tinybert_tf.data import SpanWindows
from tinybert_tf.data.windows import NO_CHARACTER


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
    end_logits = np.where(windows.starts != NO_CHARACTER, end_logits, -np.inf)
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
