"""A finished student as a preset with weights in 8 bits, as those in the package are."""

import os
import pathlib

from tinybert_tf.checkpoints.locations import load_classifier, load_plain_encoder
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_directory, check_absent, note_hashes
from tinybert_tf.models import BertEncoder
from tinybert_tf.models._quantized_weights import save_quantized_preset
from tinybert_tf.runs.config import GeneralConfig, RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.distilling import make_distiller
from tinybert_tf.runs.examples import read_split
from tinybert_tf.runs.general import HeldOutEvaluator
from tinybert_tf.runs.models import make_student_encoder
from tinybert_tf.runs.steps import task_steps
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training import Checkpoints, make_optimizer, resolve_precision


def pack_student(run: RunDirectory, output: str | os.PathLike) -> dict:
    """Saves the student of a run as a preset whose encoder is in 8 bits.

    A general student is a preset of a `BertEncoder`, a task's of a classifier with its head.

    Args:
        run: `RunDirectory`. A finished one.
        output: str or path. The folder to make.

    Returns:
        dict. Scores before and after the rounding, `float32` and `int8`: of a general student
        the losses on held-out text, with the projections of the run's last step; of another
        the task's metrics on its test split.

    Raises:
        TinyBertError: if there is no student, or data or teacher are there no more.
    """
    config = run.config()
    if not isinstance(config, GeneralConfig | RunConfig) or not run.student.exists():
        raise TinyBertError(
            f"{run.path} holds no student. It is made by the commands `run`, `distill` and "
            "`general-distill` of `python -m tinybert_tf`."
        )
    check_absent(output)
    pack = _pack_general if isinstance(config, GeneralConfig) else _pack_classifier
    with atomic_directory(output) as path:
        scores = pack(config, run, path)
        note_hashes(path)
    run.add_results(packed=scores)
    return scores


def _pack_classifier(config: RunConfig, run: RunDirectory, path: pathlib.Path) -> dict:
    steps = task_steps(config)
    examples = read_split(steps.task, config.data, "test")
    student = load_classifier(run.student)
    save_quantized_preset(student, path)
    encoded = steps.encode(examples, student.preprocessor)
    models = {"float32": student, "int8": load_classifier(path)}
    return {name: steps.make_evaluator(m, encoded).score() for name, m in models.items()}


def _pack_general(config: GeneralConfig, run: RunDirectory, path: pathlib.Path) -> dict:
    teacher, tokenizer = load_plain_encoder(config.teacher, resolve_precision(config.precision))
    student = make_student_encoder(config, teacher)
    distiller = make_distiller(config, student, teacher)
    stage = config.distillation.stages[-1]
    optimizer = make_optimizer(stage.fit.optimizer, 1, config.precision)
    distiller.compile(optimizer, stage=stage.stage())
    Checkpoints(run.checkpoints, stage.name).restore(distiller)
    evaluator = HeldOutEvaluator(config, distiller, tokenizer)
    save_quantized_preset(BertEncoder.from_preset(str(run.student)), path)
    BertPreprocessor(tokenizer).save_to_preset(str(path))
    scores = {}
    for name, preset in (("float32", run.student), ("int8", path)):
        student.set_weights(BertEncoder.from_preset(str(preset)).get_weights())
        scores[name] = evaluator.score()
    return scores
