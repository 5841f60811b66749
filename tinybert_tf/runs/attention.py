"""Attention of teacher and student in a text of the user's."""

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.data import Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.attention_maps import compute_attention_maps, save_attention_maps
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory


def save_attention_to(run: RunDirectory, text: str, text_pair: str | None) -> None:
    """Saves the maps of a text, in place of those that the run has.

    Args:
        run: `RunDirectory`. With a teacher and a student.
        text: str. For the task's first text field.
        text_pair: str or `None`. For its second one.

    Raises:
        TinyBertError: if the run has no texts to classify or no models, there are more or
            fewer texts than fields, or one is blank.
    """
    config = run.config()
    task = config.resolved_task() if isinstance(config, RunConfig) else None
    if task is None or task.kind != "text":
        raise TinyBertError(
            f"The run in {run.path} classifies no texts, so there is no attention to show. "
            "Leave --text out."
        )
    texts = _check_texts(task, (text,) if text_pair is None else (text, text_pair))
    teacher, student = load_classifier(run.teacher), load_classifier(run.student)
    maps = compute_attention_maps(teacher, student, config.distillation.mapping, texts)
    save_attention_maps(run.attention, maps)


def _check_texts(task: Task, texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(texts) != len(task.text_fields):
        flags = "--text and --text_pair" if len(task.text_fields) == 2 else "--text alone"
        raise TinyBertError(
            f"The task '{task.name}' reads {' and '.join(task.text_fields)}; got {len(texts)} "
            f"text(s). Give {flags}."
        )
    for name, text in zip(task.text_fields, texts, strict=True):
        if not text.strip():
            raise TinyBertError(f"The text for '{name}' is empty. Give a sentence.")
    return texts
