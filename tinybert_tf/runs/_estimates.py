"""How long a run takes and how much disk it fills, from a few steps that are measured."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.data.batches import LENGTH_STEP
from tinybert_tf.distillation import TinyBertDistiller
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.training import FitConfig, make_optimizer

FINE_TUNING = "finetune"
# Tokens of the larger step that is measured: one of more would only take longer.
_MEASURED_TOKENS = 512
# Tracing the graphs of a stage; converting, verifying and timing an exported profile.
_SECONDS_PER_STAGE, _SECONDS_PER_PROFILE = 15.0, 40.0
# Forward passes of the teacher over the text that the student's start is fitted on.
_START_TOKENS, _START_PASSES = 32_768, 4
# Copies of float32 weights in a run directory: the preset, the best ones, the last state with
# Adam's two moments, and the next state beside it while it is written.
_COPIES_OF_WEIGHTS = 8
_BYTES_PER_WEIGHT = 4


@dataclasses.dataclass(frozen=True)
class StepCost:
    """What a step takes: a part that every step has, and one for each token.

    Args:
        seconds: float. Of the step.
        seconds_per_token: float. Padding counts.
    """

    seconds: float
    seconds_per_token: float

    def of(self, steps: int, tokens: int) -> float:
        """Returns the seconds of some steps that have some tokens together."""
        return steps * self.seconds + tokens * self.seconds_per_token


@dataclasses.dataclass(frozen=True)
class PlannedStage:
    """What is trained, how long.

    Args:
        name: str. `"finetune"` or a stage of the distillation.
        epochs: int.
        steps: int. Of all epochs.
        tokens: int. Of all epochs, padding included.
        evaluations: int. How often the dev set is scored.
        seconds: float or `None`. About; `None` if nothing was measured.
    """

    name: str
    epochs: int
    steps: int
    tokens: int
    evaluations: int
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Costs:
    """What was measured.

    Args:
        steps: dict of `StepCost` by stage. Of training.
        forward: dict of `StepCost` by `"teacher"` and `"student"`. Of prediction.
    """

    steps: dict[str, StepCost]
    forward: dict[str, StepCost]


# === Steps ===


def plan_stages(
    config: RunConfig, encoded: EncodedExamples, times: float
) -> list[PlannedStage]:
    """Returns the stages of a run: fine-tuning, then those of the distillation.

    Args:
        config: `RunConfig`.
        encoded: `EncodedExamples`. What is trained on, or a sample of it.
        times: float. How many times as many examples there are.
    """
    plans = []
    if config.teacher.fine_tune is not None:
        plans.append(_plan_fit(FINE_TUNING, config.teacher.fine_tune, encoded, times))
    copies = config.augmentation.copies if config.augmentation else 0
    for stage in config.distillation.stages:
        more = 1 if stage.augmented is False else 1 + copies
        plans.append(_plan_fit(stage.name, stage.fit, encoded, times * more))
    return plans


def _plan_fit(
    name: str, fit: FitConfig, encoded: EncodedExamples, times: float
) -> PlannedStage:
    batches = BucketedBatches(encoded, fit.tokens_per_batch, seed=0)
    padded = int(np.sum(-(-encoded.lengths // LENGTH_STEP) * LENGTH_STEP))
    return PlannedStage(
        name,
        fit.epochs,
        fit.epochs * max(round(times * batches.steps_per_epoch), 1),
        round(fit.epochs * times * padded),
        fit.epochs * fit.evaluations_per_epoch,
    )


# === Time ===


def measure_costs(
    config: RunConfig, teacher, student, distiller: TinyBertDistiller, encoded: EncodedExamples
) -> Costs:
    """Measures a few steps of each stage; the weights of the models change.

    Args:
        config: `RunConfig`.
        teacher: a classifier without preprocessor.
        student: the same.
        distiller: `TinyBertDistiller`. Of both.
        encoded: `EncodedExamples`. With labels.
    """
    forward = {
        name: _measure(lambda inputs, model=model: model(inputs, training=False), encoded)
        for name, model in (("teacher", teacher), ("student", student))
    }
    steps = {}
    for stage in config.distillation.stages:
        optimizer = make_optimizer(stage.fit.optimizer, 1, config.precision)
        distiller.compile(optimizer, stage=stage.stage(), run_eagerly=True)
        steps[stage.name] = _measure(distiller.train_on_batch, encoded)
    fit = config.teacher.fine_tune
    if fit is not None:
        optimizer = make_optimizer(fit.optimizer, 1, config.precision)
        teacher.compile(optimizer, run_eagerly=True)

        def step(inputs):
            shape = (len(inputs["token_ids"]), *encoded.labels.shape[1:])
            teacher.train_on_batch(inputs, np.resize(encoded.labels, shape))

        steps[FINE_TUNING] = _measure(step, encoded)
    return Costs(steps, forward)


def _measure(step: Callable[[dict], object], encoded: EncodedExamples) -> StepCost:
    """Measures batches of two sizes, after one that does not count.

    Args:
        step: function of encoder inputs.
        encoded: `EncodedExamples`. Of at least one example.
    """
    order = np.argsort(encoded.lengths, kind="stable")
    length = int(encoded.lengths[order[len(order) // 2]])
    count = max(_MEASURED_TOKENS // length, 4)
    # Examples of about the median length, again and again if there are few.
    near = np.clip(len(order) // 2 - np.arange(count), 0, None)
    seconds, tokens = [], []
    for rows in (count // 4, count // 4, count):
        inputs, _ = encoded.batch(order[near[:rows]])
        started = time.perf_counter()
        step(inputs)
        seconds.append(time.perf_counter() - started)
        tokens.append(inputs["token_ids"].size)
    per_token = max(seconds[2] - seconds[1], 0.0) / (tokens[2] - tokens[1])
    return StepCost(max(seconds[1] - per_token * tokens[1], 0.0), per_token)


def with_seconds(plan: PlannedStage, costs: Costs, dev_tokens: float) -> PlannedStage:
    """Returns a stage with about the seconds that it takes.

    Args:
        plan: `PlannedStage`.
        costs: `Costs`.
        dev_tokens: float. Of the dev set.
    """
    scored = costs.forward["teacher" if plan.name == FINE_TUNING else "student"]
    training = costs.steps[plan.name].of(plan.steps, plan.tokens)
    evaluating = plan.evaluations * dev_tokens * scored.seconds_per_token
    return dataclasses.replace(plan, seconds=training + evaluating + _SECONDS_PER_STAGE)


def run_seconds(config: RunConfig, plans: list[PlannedStage], costs: Costs) -> float:
    """Returns about what a whole run takes, augmentation aside.

    Args:
        config: `RunConfig`.
        plans: list of `PlannedStage`. With seconds.
        costs: `Costs`.
    """
    start = _START_PASSES * _START_TOKENS * costs.forward["teacher"].seconds_per_token
    exports = len(config.export.profiles) * _SECONDS_PER_PROFILE
    return sum(plan.seconds for plan in plans) + start + exports


# === Disk ===


def disk_bytes(config: RunConfig, teacher, student) -> int:
    """Returns about how much a run directory fills.

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
