"""The distillation of a run: the student's start, its stages one after the other."""

from collections.abc import Callable, Sequence

import keras

from tinybert_tf.distillation import TinyBertDistiller, initialize_from_teacher, initialize_head
from tinybert_tf.models import BertEncoder, encoder_of
from tinybert_tf.runs.config import GeneralConfig, RunConfig, StageConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.models import load_student_start
from tinybert_tf.training import Batches, Scorer, StageFit, make_optimizer, workers

# Tokens of training examples that the student's start is fitted on; more change little.
START_TOKENS = 32_768
# What says of a classifier of texts which classes it tells apart.
_ANSWERS = ("num_classes", "labels")


def make_distiller(config: RunConfig | GeneralConfig, student, teacher) -> TinyBertDistiller:
    """Makes the distiller of a config; the student's weights stay as they are.

    Args:
        config: `RunConfig` or `GeneralConfig`.
        student: a task model or `BertEncoder`.
        teacher: a model of the same class.

    Raises:
        TinyBertError: if student and teacher do not fit each other.
    """
    options = config.distillation
    return TinyBertDistiller(
        student,
        teacher,
        mapping=options.mapping,
        projections=options.projections,
        attention_heads=options.attention_heads,
        attention_scores=options.attention_scores,
        reference_compatible=options.reference_compatible,
    )


def start_student(
    config: RunConfig | GeneralConfig, distiller: TinyBertDistiller, sample: Sequence[dict]
) -> None:
    """Starts the student of a distiller as the config says; fits the projections, if any learn.

    Args:
        config: `RunConfig` or `GeneralConfig`.
        distiller: `TinyBertDistiller`. Its student has random weights.
        sample: sequence of encoder inputs. Text that the start is fitted on.

    Raises:
        TinyBertError: if student, teacher and start do not fit each other.
    """
    student, teacher = distiller.student, distiller.teacher
    if config.student.start == "teacher":
        initialize_from_teacher(student, teacher, sample, distiller.layer_mapping[1:])
    elif config.student.start != "random":
        _start_from_model(config, student, teacher, sample)
    # It asks the teacher once more, which predictions alone need not wait for.
    if any(stage.hidden or stage.embedding for stage in config.distillation.stages):
        distiller.fit_projections(sample)


def _start_from_model(config, student, teacher, sample: Sequence[dict]) -> None:
    """Starts the student as the model that `student.start` names, or fitted to it.

    A classifier that answers as the teacher does lends its head too. Otherwise the student's
    is fitted to the teacher's logits.
    """
    start = load_student_start(config)
    ours, theirs = encoder_of(student), encoder_of(start)
    answers_alike = (
        type(start) is type(student)
        and ours.pooling == theirs.pooling
        and all(getattr(start, name, None) == getattr(student, name, None) for name in _ANSWERS)
    )
    if answers_alike:
        ours, theirs = student, start
        weights, values = student.weights, start.weights
    else:
        weights, values = map(_weights_before_pooler, (ours, theirs))
    if [w.shape for w in weights] == [w.shape for w in values]:
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)
    else:
        # Its blocks are others than the teacher's: a list of those says nothing about them.
        mapping = config.distillation.mapping
        mapping = mapping if isinstance(mapping, str) else "uniform"
        initialize_from_teacher(ours, theirs, sample, mapping)
    if not answers_alike:
        initialize_head(student, teacher, sample)


def _weights_before_pooler(encoder: BertEncoder) -> list[keras.Variable]:
    pooler = encoder.pooled_dense
    left_out = [] if pooler is None else [id(weight) for weight in pooler.weights]
    return [weight for weight in encoder.weights if id(weight) not in left_out]


def fit_stages(
    config: RunConfig | GeneralConfig,
    run: RunDirectory,
    distiller: TinyBertDistiller,
    *,
    evaluator: Scorer,
    batches_of: Callable[[StageConfig], Batches],
    sample: Sequence[dict],
) -> None:
    """Starts the student and fits the stages of a config, or goes on where a run was left.

    Stages follow each other with their last weights; the student is left with those that
    scored best in the last stage, its start included.

    Args:
        config: `RunConfig` or `GeneralConfig`.
        run: `RunDirectory`.
        distiller: `TinyBertDistiller`. Its student has random weights.
        evaluator: `Scorer` of the distiller's student.
        batches_of: function from a `StageConfig` to its `Batches`.
        sample: sequence of encoder inputs. Text that the start is fitted on.

    Raises:
        TinyBertError: if student, teacher and start do not fit each other.
    """
    before = None
    for stage_config in config.distillation.stages:
        fit, batches = stage_config.fit, batches_of(stage_config)
        with distiller.distribute_strategy.scope():
            optimizer = make_optimizer(
                fit.optimizer, fit.epochs * batches.steps_per_epoch, config.precision
            )
            distiller.compile(optimizer, stage=stage_config.stage())
        stage = StageFit(
            stage_config.name,
            distiller,
            batches=batches,
            evaluator=evaluator,
            config=fit,
            run=run,
            save_minutes=config.checkpoint_minutes,
            scored=distiller.student,
        )
        # What is fitted here is in the state of a stage that has begun.
        if not stage.has_begun():
            if before is None:
                start_student(config, distiller, sample)
                # The same to the last bit, whatever machines the workers are.
                workers.broadcast_weights(distiller.weights)
                dev = workers.broadcast(evaluator.score())
                run.add_results(student_start={"dev": dev})
            elif stage_config.stage().trains_head and not before.stage().trains_head:
                # The stages before have moved the hidden states away from the head.
                dev = _fit_head_again(run, distiller, evaluator, sample, dev)
            stage.keep(0, dev)
        dev = stage.fit()
        before = stage_config
    stage.load_best()


def _fit_head_again(
    run: RunDirectory,
    distiller: TinyBertDistiller,
    evaluator: Scorer,
    sample: Sequence[dict],
    dev: dict[str, float],
) -> dict[str, float]:
    """Fits the student's head to its teacher's logits, unless that makes it worse.

    Args:
        run: `RunDirectory`. Gets the score with the head that was fitted.
        distiller: `TinyBertDistiller`.
        evaluator: `Scorer` of the distiller's student.
        sample: see `initialize_head`.
        dev: dict. The score before.

    Returns:
        dict. The score with the head that the student has now.
    """
    student = distiller.student
    weights = student.get_weights()
    initialize_head(student, distiller.teacher, sample)
    workers.broadcast_weights(student.weights)
    fitted = workers.broadcast(evaluator.score())
    run.add_results(student_head={"dev": fitted})
    if evaluator.is_better(dev, fitted):
        student.set_weights(weights)
        return dev
    return fitted
