"""Prediction files as https://gluebenchmark.com takes them (see its FAQ)."""

import os
import pathlib

import numpy as np

from tinybert_tf.checkpoints.locations import load_classifier, resolve_path
from tinybert_tf.data import GLUE_TASKS, Task, encode_examples, read_glue_test
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.evaluation import TextPredictor
from tinybert_tf.files import atomic_directory, atomic_file
from tinybert_tf.runs.directory import RunDirectory

# The files of each task and the examples of their test sets. AX is GLUE's diagnostic set,
# which models of MNLI answer.
_FILES = {
    "cola": {"CoLA.tsv": 1_063},
    "sst2": {"SST-2.tsv": 1_821},
    "mrpc": {"MRPC.tsv": 1_725},
    "stsb": {"STS-B.tsv": 1_379},
    "qqp": {"QQP.tsv": 390_965},
    "mnli": {"MNLI-m.tsv": 9_796, "MNLI-mm.tsv": 9_847, "AX.tsv": 1_104},
    "qnli": {"QNLI.tsv": 5_463},
    "rte": {"RTE.tsv": 3_000},
    "wnli": {"WNLI.tsv": 146},
}
# The splits that they answer; the diagnostic set is none of MNLI's folder.
_SPLITS = {"MNLI-m.tsv": "test_matched", "MNLI-mm.tsv": "test_mismatched", "AX.tsv": None}
# The site wants the names of these tasks' labels; of the others, 0 and 1.
_NAMED = ("mnli", "qnli", "rte")


def predict_glue(run: RunDirectory, output: str | os.PathLike) -> list[str]:
    """Writes what the student of a run says about the test sets of its GLUE task.

    Args:
        run: `RunDirectory`. With a student, of a GLUE task that was read from GLUE's folder.
        output: str or path. The folder to make, a file for each test set.

    Returns:
        list of str. The names of the files.

    Raises:
        TinyBertError: if the run has no student or another kind of data, a test set cannot be
            read or is not whole, or the folder is there and not empty.
    """
    config = run.config()
    task = config.resolved_task() if config.purpose == "a task" else None
    if task is None or task.name not in _FILES or config.data.format != "glue":
        raise TinyBertError(
            f"{run.path} is no run of a GLUE task with `data.format: glue`: there is no test "
            "set to predict."
        )
    student = load_classifier(run.student)
    preprocessor, student.preprocessor = student.preprocessor, None
    predictor, written = TextPredictor(student), []
    with atomic_directory(output) as folder:
        for file in _FILES[task.name]:
            split = _SPLITS.get(file, "test")
            if split is not None:
                examples = read_glue_test(task, resolve_path(config.data.source), split)
                predictions = predictor(encode_examples(examples, preprocessor))
                write_glue_predictions(task, predictions, folder / file)
                written.append(file)
    return written


def write_glue_predictions(
    task: Task, predictions: np.ndarray, path: str | os.PathLike
) -> None:
    """Writes the predictions on a GLUE test set: a line each, in the order of the test set.

    Args:
        task: `Task`. One of `GLUE_TASKS`, or a copy of one with its labels in another order.
        predictions: float array [examples, outputs]. Logits, or scores, which are limited to
            the task's range.
        path: str or path. The file. Its name is one that GLUE has for the task: `SST-2.tsv`,
            for MNLI `MNLI-m.tsv` (matched), `MNLI-mm.tsv` or `AX.tsv`.

    Raises:
        TinyBertError: if the task is none of GLUE's, the name is not one of its files, or the
            predictions are not as many as that test set has examples, or not all numbers.
    """
    path = pathlib.Path(path)
    official = GLUE_TASKS.get(task.name)
    if official is None or set(official.labels or ()) != set(task.labels or ()):
        raise TinyBertError(
            f"Task '{task.name}' with the labels {task.labels} is not one of GLUE: "
            f"{', '.join(GLUE_TASKS)}.{nearest_name(task.name, GLUE_TASKS)}"
        )
    files = _FILES[task.name]
    if path.name not in files:
        raise TinyBertError(
            f"GLUE has no file {path.name} for the task '{task.name}', but "
            f"{', '.join(files)}.{nearest_name(path.name, files)}"
        )
    expected = (files[path.name], task.num_outputs)
    if predictions.shape != expected:
        raise TinyBertError(
            f"{path.name}: got predictions of shape {predictions.shape}, expected {expected}. "
            "Predict the whole test set, unusable rows included, in its order."
        )
    if not np.isfinite(predictions).all():
        row = int(np.argmin(np.isfinite(predictions).all(axis=1)))
        raise TinyBertError(
            f"{path.name}: prediction {row} is {predictions[row].tolist()}, expected numbers. "
            "Look at the model that made it."
        )
    lines = ["index\tprediction"]
    lines += [f"{i}\t{answer}" for i, answer in enumerate(_spell(task, official, predictions))]
    with atomic_file(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _spell(task: Task, official: Task, predictions: np.ndarray) -> list[str]:
    """Returns the predictions as the site writes labels and scores."""
    if task.is_regression:
        return [f"{score:.3f}" for score in np.clip(predictions[:, 0], *official.score_range)]
    names = task.labels
    if task.name not in _NAMED:
        names = [str(official.labels.index(name)) for name in task.labels]
    return [names[i] for i in predictions.argmax(axis=-1)]
