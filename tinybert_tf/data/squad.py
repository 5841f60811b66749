"""Extractive question answering: its tasks, and files in the JSON layout of SQuAD."""

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import missing_hint, read_text_file


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

    kind: ClassVar[str] = "span"
    formats: ClassVar[tuple[str, ...]] = ("squad",)
    agreement: ClassVar[str] = "same answer"

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
"""Tasks of spans by name: SQuAD v1.1 and v2.0."""


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

# Of an article, of a paragraph, and of a question beside its context.
_LEVELS = {"paragraphs", "qas", "question"}


def read_squad(task: SpanTask, path: str | os.PathLike) -> SpanExamples:
    """Reads a file in the JSON layout of SQuAD v1.1 and v2.0, or one of its relatives.

    Other tools write the articles, paragraphs or questions as a bare list or as JSON lines; a
    question beside its context; ids as integers; the answers as one object, of lists or of a
    single answer; and of questions without an answer, `answers` that are empty and no
    `is_impossible`. An answer with space at its ends is read without it.

    Args:
        task: `SpanTask`. Says whether questions without an answer (`is_impossible`) may occur.
        path: str or path. The file.

    Raises:
        TinyBertError: if the file is not of these layouts, an id comes twice, a question has
            no answer and is not marked as such, or an answer is not where it is said to be in
            its context. Article and question are named.
    """
    examples = {}
    for number, article in enumerate(_read_articles(path), start=1):
        title = article.get("title", number) if isinstance(article, dict) else number
        where = f"{path}, article '{title}'"
        for paragraph, paragraph_where in _paragraphs(article, where):
            for example in _read_paragraph(task, paragraph, paragraph_where, where):
                if example.id in examples:
                    raise TinyBertError(
                        f"{where}, question {example.id}: its id is there twice. "
                        "Predictions are told apart by it: give every question its own."
                    )
                examples[example.id] = example
    if not examples:
        raise TinyBertError(f"{path}: there are no questions, expected one or more.")
    return SpanExamples(tuple(examples.values()))


def _read_articles(path: str | os.PathLike) -> list:
    """Returns the list of a file, or of its JSON lines."""
    if not os.path.exists(path):
        raise TinyBertError(f"There is no SQuAD file {path}.{missing_hint(path)}")
    text = read_text_file(path, "SQuAD file").removeprefix("\ufeff")
    try:
        content = json.loads(text)
    # Nested too deep, or an integer of more digits than Python converts, among them.
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.split("\n") if line.strip()]
        try:
            # A file of one long line is no JSON lines: the first message says where it breaks.
            articles = [json.loads(line) for line in lines] if len(lines) > 1 else []
        except (ValueError, RecursionError):
            articles = []
        if not articles:
            raise TinyBertError(
                f"{path} is not valid JSON: {error}. Is it complete? Get it again."
            ) from error
        return articles
    if isinstance(content, list):
        return content
    # A file of JSON lines may have a single one.
    if isinstance(content, dict) and "data" not in content and _LEVELS & content.keys():
        return [content]
    return _get(content, "data", list, str(path))


def _paragraphs(article: object, where: str) -> Iterator[tuple[object, str]]:
    """Yields the paragraphs of an article, a paragraph, or a question beside its context."""
    if isinstance(article, dict) and "paragraphs" not in article:
        if "qas" in article:
            yield article, where
            return
        if {"question", "context"} <= article.keys():
            yield {"context": article["context"], "qas": [article]}, where
            return
    for i, paragraph in enumerate(_get(article, "paragraphs", list, where), start=1):
        yield paragraph, f"{where}, paragraph {i}"


def _read_paragraph(
    task: SpanTask, paragraph: object, where: str, article: str
) -> Iterator[SpanExample]:
    context = _get_text(paragraph, "context", where)
    for number, qa in enumerate(_get(paragraph, "qas", list, where), start=1):
        question_id = _get_id(qa, f"{where}, question {number}")
        question_where = f"{article}, question {question_id}"
        question = _get_text(qa, "question", question_where)
        answers = _read_answers(task, qa, context, question_where)
        yield SpanExample(question_id, question, context, answers)


def _get_id(qa: object, where: str) -> str:
    number = qa.get("id") if isinstance(qa, dict) else None
    if isinstance(number, int) and not isinstance(number, bool):
        return str(number)
    return _get_text(qa, "id", where)


def _read_answers(task: SpanTask, qa: dict, context: str, where: str) -> tuple[Answer, ...]:
    if qa.get("is_impossible", False):
        if not task.has_unanswerable:
            raise TinyBertError(
                f"{where}: is marked is_impossible, but every question of task '{task.name}' "
                "has an answer. Take the task 'squad_v2'."
            )
        return ()
    answers = tuple(
        _strip(
            Answer(_get_text(answer, "text", where), _get(answer, "answer_start", int, where))
        )
        for answer in _list_answers(qa, where)
    )
    if not answers and task.has_unanswerable and "is_impossible" not in qa:
        return ()
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


def _list_answers(qa: dict, where: str) -> list:
    """Returns the answers as a list of objects, also where they are one object."""
    answers = qa.get("answers")
    if not isinstance(answers, dict):
        return _get(qa, "answers", list, where)
    texts, starts = answers.get("text"), answers.get("answer_start")
    if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
        return [
            {"text": text, "answer_start": start}
            for text, start in zip(texts, starts, strict=True)
        ]
    return [answers]


def _strip(answer: Answer) -> Answer:
    """Returns an answer without the space at its ends."""
    text = answer.text.lstrip()
    return Answer(text.rstrip(), answer.start + len(answer.text) - len(text))


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
