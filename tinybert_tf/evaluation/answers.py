"""What teacher and student answer to the test split's questions, side by side."""

import dataclasses
import json
import os
import pathlib
import zlib

from tinybert_tf.data import SpanExamples, SpanTask
from tinybert_tf.data.squad import SpanExample
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.spans import SpanPrediction
from tinybert_tf.evaluation.squad_metrics import answer_scores
from tinybert_tf.files import atomic_file, read_text_file

# Characters of the context shown on each side of an answer.
_EXCERPT = 90


@dataclasses.dataclass(frozen=True)
class AnsweredQuestion:
    """A question and both models' answers.

    Args:
        id: str. The question's.
        question: str.
        excerpt: str. The context around the first true answer, or its beginning.
        answers: list of str. What people answered; empty if there is no answer.
        teacher: str. Its answer; `""` where it finds none.
        student: str. Likewise.
        teacher_f1: float. Of its answer, from 0 to 1, as `answer_scores` gives it.
        student_f1: float. Likewise.
    """

    id: str
    question: str
    excerpt: str
    answers: list[str]
    teacher: str
    student: str
    teacher_f1: float
    student_f1: float


def compare_answers(
    task: SpanTask, examples: SpanExamples, predictions: dict[str, list[SpanPrediction]]
) -> list[AnsweredQuestion]:
    """Puts both models' answers beside the questions, in their order.

    Args:
        task: `SpanTask`. Says whether "no answer" is one, at a probability above 0.5.
        examples: `SpanExamples`.
        predictions: dict. Those of `teacher` and `student`, one for each question.
    """
    answers, scores = {}, {}
    for name, found in predictions.items():
        texts = [p.text_or_none() if task.has_unanswerable else p.text for p in found]
        by_id = {e.id: text for e, text in zip(examples, texts, strict=True)}
        answers[name] = texts
        scores[name] = answer_scores(examples, by_id, task.has_unanswerable)[:, 1]
    return [
        AnsweredQuestion(
            id=example.id,
            question=example.question,
            excerpt=_excerpt(example),
            answers=list(dict.fromkeys(answer.text for answer in example.answers)),
            teacher=answers["teacher"][i],
            student=answers["student"][i],
            teacher_f1=float(scores["teacher"][i]),
            student_f1=float(scores["student"][i]),
        )
        for i, example in enumerate(examples)
    ]


def save_answers(path: str | os.PathLike, questions: list[AnsweredQuestion]) -> None:
    """Writes one JSON object a line, with the fields of `AnsweredQuestion`.

    Args:
        path: str or path. Replaced only when the new file is whole.
        questions: list of `AnsweredQuestion`.
    """
    with atomic_file(pathlib.Path(path)) as aside, aside.open("w", encoding="utf-8") as file:
        for question in questions:
            line = json.dumps(dataclasses.asdict(question), ensure_ascii=False)
            file.write(line + "\n")


def read_answers(path: str | os.PathLike) -> list[AnsweredQuestion] | None:
    """Reads what `save_answers` wrote; `None` if it wrote nothing.

    Args:
        path: str or path.

    Raises:
        TinyBertError: if a line is no answered question.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return None
    questions = []
    # Not splitlines(): a text may hold what Unicode counts as the end of a line.
    lines = read_text_file(path, "answers").rstrip("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            question = AnsweredQuestion(**json.loads(line))
            is_worse = question.student_f1 < question.teacher_f1
        except (ValueError, TypeError):
            is_worse = None
        if is_worse is None:
            raise TinyBertError(
                f"{path}, line {number}: expected a question that both models answered; got "
                f"{line[:80]!r}. The step `evaluate` writes the file anew."
            )
        questions.append(question)
    return questions


def find_worse_answers(questions: list[AnsweredQuestion]) -> list[AnsweredQuestion]:
    """Returns the questions that the student answers worse than the teacher, by F1.

    Args:
        questions: list of `AnsweredQuestion`.

    Returns:
        list of `AnsweredQuestion`. Where it loses most first; hundreds lose all, so those that
        lose as much are in an order of no meaning, or the first article would have them all.
    """
    worse = [q for q in questions if q.student_f1 < q.teacher_f1]
    return sorted(worse, key=lambda q: (q.student_f1 - q.teacher_f1, zlib.crc32(q.id.encode())))


def _excerpt(example: SpanExample) -> str:
    start = stop = 0
    if example.answers:
        answer = example.answers[0]
        start, stop = answer.start, answer.start + len(answer.text)
    first, last = max(0, start - _EXCERPT), stop + _EXCERPT
    before = "\u2026" if first else ""
    after = "\u2026" if last < len(example.context) else ""
    return before + example.context[first:last] + after
