"""How long a run takes and how much disk it fills, from what the machine does in a second."""

import dataclasses
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.data.batches import padded_length
from tinybert_tf.models import BertEncoder, encoder_of
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.distilling import START_TOKENS
from tinybert_tf.runs.teacher_caching import is_cached
from tinybert_tf.training import FitConfig

FINE_TUNING = "finetune"
TEACHER_CACHE = "teacher's outputs"
# A training step reads and writes arrays of the weights' size about so often: gradients, their
# norm, Adam's moments, the average of the weights.
_PASSES_OVER_WEIGHTS = 18
# What a step takes is so many times its matrix products: the rest is softmax, GELU and norms.
_OVER_PRODUCTS = 1.6
# Of products and of sums; larger ones are no faster.
_MEASURED_TOKENS, _MEASURED_VALUES, _ROUNDS = 512, 1 << 22, 15
# Tracing the graphs of a stage; converting, verifying and timing an exported profile.
_SECONDS_PER_STAGE, _SECONDS_PER_PROFILE = 15.0, 40.0
# Passes over the text that the student's start is fitted on, in those of the teacher.
_START_PASSES = 3
# Copies of float32 weights in a run directory: the preset, the best ones, the last two states
# with Adam's two moments, and the next state beside them while it is written.
_COPIES_OF_WEIGHTS = 11
_BYTES_PER_WEIGHT = 4


@dataclasses.dataclass(frozen=True)
class PlannedStage:
    """What is trained, how long.

    Args:
        name: str. `"finetune"` or a stage of the distillation.
        epochs: int.
        steps: int. Of all epochs.
        tokens: int. Of all epochs, padding included.
        evaluations: int. How often the dev set is scored.
        asks_teacher: bool. Whether the teacher is computed in each step.
        seconds: float or `None`. About; `None` if nothing was measured.
    """

    name: str
    epochs: int
    steps: int
    tokens: int
    evaluations: int
    asks_teacher: bool = False
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Speed:
    """What the machine does in a second.

    Args:
        operations: float. Of matrix products, in the precision of the run.
        values: float. Added to others.
    """

    operations: float
    values: float


# === Steps ===


def plan_stages(
    config: RunConfig, encoded: EncodedExamples, times: float, cached: str
) -> list[PlannedStage]:
    """Returns the stages of a run: fine-tuning, what is computed once, then the distillation's.

    Args:
        config: `RunConfig`.
        encoded: `EncodedExamples`. What is trained on, or a sample of it.
        times: float. How many times as many examples there are.
        cached: str. What is kept of the teacher: see `choose_contents`.
    """
    plans = []
    if config.teacher.fine_tune is not None:
        plans.append(_plan_fit(FINE_TUNING, config.teacher.fine_tune, encoded, times))
    everything = times * with_copies(config)
    if cached != "none":
        tokens = round(everything * encoded.lengths.sum())
        plans.append(PlannedStage(TEACHER_CACHE, 1, 0, tokens, 0, asks_teacher=True))
    for stage in config.distillation.stages:
        plan = _plan_fit(
            stage.name, stage.fit, encoded, times if stage.augmented is False else everything
        )
        asks = not is_cached(stage, cached)
        plans.append(dataclasses.replace(plan, asks_teacher=asks))
    return plans


def with_copies(config: RunConfig) -> int:
    """Returns how many examples become of one: itself and its copies."""
    return 1 + (config.augmentation.copies if config.augmentation else 0)


def _plan_fit(
    name: str, fit: FitConfig, encoded: EncodedExamples, times: float
) -> PlannedStage:
    batches = BucketedBatches(encoded, fit.tokens_per_batch, seed=0)
    padded = int(padded_length(encoded.lengths).sum())
    return PlannedStage(
        name,
        fit.epochs,
        fit.epochs * max(round(times * batches.steps_per_epoch), 1),
        round(fit.epochs * times * padded),
        fit.epochs * fit.evaluations_per_epoch,
    )


# === Time ===


def measure_speed(width: int, precision: str) -> Speed:
    """Measures products and sums of the size that a model's are of, the best of some rounds.

    Args:
        width: int. Of the model.
        precision: str. A Keras dtype policy.
    """
    dtype = keras.DTypePolicy(precision).compute_dtype
    tokens = tf.ones((_MEASURED_TOKENS, width), dtype)
    kernel = tf.ones((width, 4 * width), dtype)
    # In place: fresh memory for the result would cost more than the sum.
    values = tf.Variable(tf.ones(_MEASURED_VALUES))
    more = tf.ones(_MEASURED_VALUES)
    product = _best_seconds(lambda: tf.matmul(tokens, kernel))
    total = _best_seconds(lambda: values.assign_add(more)[:1])
    return Speed(2 * _MEASURED_TOKENS * 4 * width**2 / product, _MEASURED_VALUES / total)


def _best_seconds(compute: Callable[[], tf.Tensor]) -> float:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        # What is computed on a GPU is waited for.
        compute().numpy()
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def forward_operations(encoder: BertEncoder, length: float) -> float:
    """Returns the operations of matrix products for a token of a text of some length.

    Args:
        encoder: `BertEncoder`.
        length: float. In tokens.
    """
    width = encoder.hidden_dim
    products = 4 * width**2 + 2 * width * encoder.intermediate_dim + 2 * length * width
    return 2 * encoder.num_layers * products


def with_seconds(
    plan: PlannedStage, models: tuple, speed: Speed, *, length: float, dev_tokens: float
) -> PlannedStage:
    """Returns a stage with about the seconds that it takes.

    Args:
        plan: `PlannedStage`.
        models: teacher and student.
        speed: `Speed`.
        length: float. Tokens of a text, on average.
        dev_tokens: float. Of the dev set.
    """
    teacher, student = models
    ahead, behind = (forward_operations(encoder_of(model), length) for model in models)
    if plan.name == FINE_TUNING:
        scored, trained, per_token = ahead, teacher, 3 * ahead
    elif plan.name == TEACHER_CACHE:
        scored, trained, per_token = ahead, teacher, ahead
    else:
        scored, trained, per_token = behind, student, plan.asks_teacher * ahead + 3 * behind
    operations = plan.tokens * per_token + plan.evaluations * dev_tokens * scored
    values = plan.steps * trained.count_params() * _PASSES_OVER_WEIGHTS
    seconds = _OVER_PRODUCTS * operations / speed.operations + values / speed.values
    return dataclasses.replace(plan, seconds=seconds + _SECONDS_PER_STAGE)


def run_seconds(
    config: RunConfig, plans: list[PlannedStage], teacher, speed: Speed, length: float
) -> float:
    """Returns about what a whole run takes, augmentation aside.

    Args:
        config: `RunConfig`.
        plans: list of `PlannedStage`. With seconds.
        teacher: the teacher.
        speed: `Speed`.
        length: float. Tokens of a text, on average.
    """
    operations = forward_operations(encoder_of(teacher), length)
    start = _START_PASSES * START_TOKENS * operations / speed.operations
    exports = len(config.export.profiles) * _SECONDS_PER_PROFILE
    return sum(plan.seconds for plan in plans) + start + exports


# === Disk ===


def disk_bytes(config: RunConfig, teacher, student) -> int:
    """Returns about how much a run directory fills, copies and the teacher's outputs aside.

    Args:
        config: `RunConfig`.
        teacher: the teacher.
        student: the student.
    """
    weights = teacher.count_params() * (_COPIES_OF_WEIGHTS if config.teacher.fine_tune else 1)
    weights += student.count_params() * (
        _COPIES_OF_WEIGHTS * len(config.distillation.stages) + 2 * len(config.export.profiles)
    )
    return weights * _BYTES_PER_WEIGHT
