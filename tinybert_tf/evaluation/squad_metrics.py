"""Exact match and F1 of SQuAD, as its official scripts compute them, in percent.

`squad_v1_metrics` is `evaluate-v1.1.py`, `squad_v2_metrics` is `evaluate-v2.0.py`, both of
https://rajpurkar.github.io/SQuAD-explorer. They differ where an answer normalizes to nothing
("the"): v1.1 gives it an F1 of 0 even against itself, v2.0 compares it as it is.
"""

import collections
import re
import string
from collections.abc import Callable, Mapping

import numpy as np

from tinybert_tf.data import SpanExamples
from tinybert_tf.errors import TinyBertError

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Lowers, drops ASCII punctuation and English articles, and makes one space of many."""
    text = text.lower().translate(_WITHOUT_PUNCTUATION)
    return " ".join(_ARTICLE.sub(" ", text).split())


def squad_v1_metrics(examples: SpanExamples, predictions: Mapping[str, str]) -> dict:
    """Computes SQuAD v1.1's metrics.

    Args:
        examples: `SpanExamples`.
        predictions: mapping of question id to answer.

    Returns:
        dict of floats. `exact_match` and `f1`, from 0 to 100: means over questions of the best
        over the answers.

    Raises:
        TinyBertError: if a question has no prediction; `""` is one.
    """
    exact, f1 = 100.0 * answer_scores(examples, predictions, False).mean(axis=0)
    return {"exact_match": float(exact), "f1": float(f1)}


def squad_v2_metrics(
    examples: SpanExamples,
    predictions: Mapping[str, str],
    no_answer_probabilities: Mapping[str, float],
    threshold: float = 0.5,
) -> dict:
    """Computes SQuAD v2.0's metrics.

    Args:
        examples: `SpanExamples`.
        predictions: mapping of question id to the best answer there is, or to `""`.
        no_answer_probabilities: mapping of question id to float, from 0 to 1.
        threshold: float. A question of a probability above it counts as not answered.

    Returns:
        dict of floats. `exact` and `f1` from 0 to 100 at `threshold`; the same of questions
        with (`HasAns_exact`, `HasAns_f1`) and without answers (`NoAns_exact`, `NoAns_f1`),
        where there are such; `best_exact` and `best_f1` at the best thresholds for each,
        `best_exact_thresh` and `best_f1_thresh`.

    Raises:
        TinyBertError: if a question has no prediction or no probability.
    """
    raw = answer_scores(examples, predictions, True)
    _check_complete(examples, no_answer_probabilities)
    answered = np.array([bool(example.answers) for example in examples])
    probabilities = np.array([no_answer_probabilities[e.id] for e in examples])
    is_empty = np.array([not predictions[e.id] for e in examples])
    declined = (probabilities > threshold)[:, None]
    scores = 100.0 * np.where(declined, ~answered[:, None], raw)

    figures = {"exact": scores[:, 0].mean(), "f1": scores[:, 1].mean()}
    for name, group in (("HasAns", answered), ("NoAns", ~answered)):
        if group.any():
            figures[f"{name}_exact"], figures[f"{name}_f1"] = scores[group].mean(axis=0)
    for i, name in enumerate(("best_exact", "best_f1")):
        figures[name], figures[f"{name}_thresh"] = _best_threshold(
            raw[:, i], answered, is_empty, probabilities
        )
    return {name: float(value) for name, value in figures.items()}


def answer_scores(
    examples: SpanExamples, predictions: Mapping[str, str], has_unanswerable: bool
) -> np.ndarray:
    """Scores each answer.

    Args:
        examples: `SpanExamples`.
        predictions: mapping of question id to answer.
        has_unanswerable: bool. Whether `""` can be right, and v2.0's script counts.

    Returns:
        float array [questions, 2]. Exact match and F1, from 0 to 1, each the best over the
        answers.

    Raises:
        TinyBertError: if a question has no prediction; `""` is one.
    """
    _check_complete(examples, predictions)
    if has_unanswerable:
        scores = [
            _best_over_answers(predictions[e.id], _gold_answers(e), _f1_or_empty)
            for e in examples
        ]
    else:
        scores = [
            _best_over_answers(predictions[e.id], [a.text for a in e.answers], _f1)
            for e in examples
        ]
    return np.array(scores)


def _gold_answers(example) -> list[str]:
    """Returns the answers of v2.0: not those of articles alone; `""` where there is none."""
    return [a.text for a in example.answers if normalize_answer(a.text)] or [""]


def _best_over_answers(
    prediction: str, answers: list[str], f1: Callable
) -> tuple[float, float]:
    """Returns exact match and F1, from 0 to 1, each with the answer it is highest for."""
    prediction = normalize_answer(prediction)
    answers = [normalize_answer(answer) for answer in answers]
    return (
        float(prediction in answers),
        max(f1(prediction.split(), answer.split()) for answer in answers),
    )


def _f1(prediction: list[str], answer: list[str]) -> float:
    """F1 of two bags of words."""
    common = (collections.Counter(prediction) & collections.Counter(answer)).total()
    # 2 P R / (P + R) with P = common / prediction and R = common / answer.
    return 2.0 * common / (len(prediction) + len(answer)) if common else 0.0


def _f1_or_empty(prediction: list[str], answer: list[str]) -> float:
    if not prediction or not answer:
        return float(prediction == answer)
    return _f1(prediction, answer)


def _best_threshold(
    scores: np.ndarray, answered: np.ndarray, is_empty: np.ndarray, probabilities: np.ndarray
) -> tuple[float, float]:
    """Returns the highest mean score there is, in percent, and its threshold.

    As the official script, question by question in the order of probability, from no question
    answered to all: one that is answered gains its score, or if it has no answer loses 1.
    """
    gains = np.where(answered, scores, np.where(is_empty, 0.0, -1.0))
    order = np.argsort(probabilities, kind="stable")
    totals = np.cumsum([np.sum(~answered), *gains[order]])
    best = int(np.argmax(totals))
    threshold = probabilities[order[best - 1]] if best else 0.0
    return 100.0 * totals[best] / len(scores), threshold


def _check_complete(examples: SpanExamples, values: Mapping[str, object]) -> None:
    missing = [example.id for example in examples if example.id not in values]
    if missing:
        raise TinyBertError(
            f"{len(missing)} of {len(examples)} questions have no prediction, the first is "
            f'{missing[0]}. Predict all; no answer is "".'
        )
