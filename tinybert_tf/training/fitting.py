"""Training that can be killed at any moment and goes on to the same weights."""

import math
import pathlib
import re
import time
from typing import Annotated, Protocol

import h5py
import keras
import numpy as np
import pydantic
import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import check_room, find_damage, hashed_atomic_file
from tinybert_tf.interrupts import deferring_interrupts
from tinybert_tf.strict import strict_dataclass
from tinybert_tf.training import workers
from tinybert_tf.training._progress import StageProgress
from tinybert_tf.training.optimizers import OptimizerConfig, assign_averages, averaged_weights


@strict_dataclass
class FitConfig:
    """How long and how a model trains.

    Args:
        epochs: passes over the training examples.
        optimizer: `OptimizerConfig`.
        tokens_per_batch: rows times padded length of a batch. Fewer means more updates.
        evaluations_per_epoch: how often the dev set is scored and the best model kept.
    """

    epochs: Annotated[int, pydantic.Field(ge=1, le=10_000)]
    optimizer: OptimizerConfig
    tokens_per_batch: int = pydantic.Field(4096, ge=1, le=2**31)
    evaluations_per_epoch: int = pydantic.Field(1, ge=1, le=1_000)


# Between lines of `metrics.jsonl`.
_LOG_SECONDS = 5.0
# Where a state has them, beside what Keras saves.
_SEEDS = "dropout_seeds"
_NOTICE = "the state is saved after this step; once more, and it is not"
# The newest may be damaged when it is needed.
_KEPT_STATES = 2


def _metrics(model: keras.Model) -> list[keras.metrics.Metric]:
    """Returns what a state leaves out: every `fit` begins its metrics anew.

    And they are summed over the workers when they are read, as one alone cannot do.
    """
    # `model.metrics` may be those of one stage.
    return [*model.metrics, *model._metrics]


def _dropout_seeds(model: keras.Model) -> dict[str, keras.Variable]:
    seeds = [v for v in model.variables if v.name == "seed_generator_state"]
    return {str(i): seed for i, seed in enumerate(seeds)}


class Checkpoints:
    """The training state of a stage and the best weights of the model it trains.

    Args:
        folder: path.
        name: str. Of the stage.
    """

    def __init__(self, folder: pathlib.Path, name: str):
        self.folder = folder
        self.name = name
        self.best = folder / f"{name}.best.weights.h5"

    def states(self) -> dict[int, pathlib.Path]:
        """Returns the saved states by step."""
        pattern = re.compile(rf"{re.escape(self.name)}\.(\d+)\.weights\.h5")
        matches = {pattern.fullmatch(path.name): path for path in self.folder.glob("*.h5")}
        return {int(match[1]): path for match, path in matches.items() if match}

    def restore(self, model: keras.Model) -> int:
        """Loads the latest state, optimizer and dropout seeds included; returns its step.

        One that is damaged is told of and renamed, and the one before is taken.

        Raises:
            TinyBertError: if there are states and all of them are damaged.
        """
        # What is damaged the chief has renamed before the others look.
        with workers.chief_first():
            return self._restore(model)

    def _restore(self, model: keras.Model) -> int:
        states, faults = self.states(), []
        for step, path in sorted(states.items(), reverse=True):
            if not (fault := find_damage(path) or self._load(model, path)):
                for damaged in [path for later, path in states.items() if later > step]:
                    damaged.rename(damaged.with_name(f"{damaged.name}.damaged"))
                for damage in faults:
                    print(f"{damage}. Training goes on from step {step}.", flush=True)
                return step
            faults.append(fault)
        if faults:
            raise TinyBertError(
                f"There is no state of {self.name} to go on from: {'; '.join(faults)}. Remove "
                f"{self.folder / self.name}.*, and --resume trains it from its beginning."
            )
        return 0

    def _load(self, model: keras.Model, path: pathlib.Path) -> str:
        """Loads a state; returns what is wrong with it, or nothing."""
        try:
            keras.saving.load_weights(model, path, objects_to_skip=_metrics(model))
            with h5py.File(path) as file:
                for name, seed in _dropout_seeds(model).items():
                    seed.assign(file[_SEEDS][name][()])
        except tf.errors.OpError:
            # Not of the file: no memory, or a worker that was lost.
            raise
        # What Keras and h5py raise is not documented, and is of any kind.
        except Exception as error:
            return f"{path} cannot be loaded ({type(error).__name__}: {str(error)[:300]})"
        return ""

    def save(self, model: keras.Model, step: int) -> None:
        """Saves the state after `step` steps; keeps the one before and drops older ones."""
        check_room(self.folder, [*model.variables, *model.optimizer.variables])
        with hashed_atomic_file(self.folder / f"{self.name}.{step}.weights.h5") as path:
            keras.saving.save_weights(model, path, objects_to_skip=_metrics(model))
            # Keras leaves the state of dropout out of its weight files.
            with h5py.File(path, "a") as file:
                for name, seed in _dropout_seeds(model).items():
                    file[f"{_SEEDS}/{name}"] = keras.ops.convert_to_numpy(seed)
        for _, path in sorted(self.states().items())[:-_KEPT_STATES]:
            path.unlink()


class Record(Protocol):
    """Where a stage writes what comes of it: a run's directory."""

    @property
    def checkpoints(self) -> pathlib.Path:
        """The folder of what a killed process goes on from."""

    def log(self, stage: str, step: int, values: dict) -> None:
        """Keeps values of a step."""

    def read_results(self) -> dict:
        """Returns all figures so far."""

    def add_results(self, **figures) -> dict:
        """Adds figures and returns all of them."""


class Batches(Protocol):
    """What a stage trains on: `BucketedBatches`, `CorpusBatches` or alike."""

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has."""

    @property
    def tokens_per_epoch(self) -> int:
        """How many tokens an epoch has, padding left out."""

    def dataset(self, epochs: int = 1, first_step: int = 0) -> tf.data.Dataset:
        """Returns the batches from a step on, in an order that every process finds again."""


class Scorer(Protocol):
    """What tells how good the weights of a stage are: an evaluator, or losses."""

    def score(self) -> dict[str, float]:
        """Returns the dev metrics of the weights that the scored model has now."""

    def is_better(self, scores: dict[str, float], best: dict[str, float]) -> bool:
        """Tells whether scores are better than the best so far."""


class _StageCallback(keras.callbacks.Callback):
    """Shows, logs, scores and saves while a stage trains; ends it if it must not go on."""

    def __init__(
        self,
        stage,
        progress,
        *,
        first_step,
        evaluation_steps,
        save_seconds,
        stop_if_asked,
    ):
        super().__init__()
        self.stage = stage
        self.progress = progress
        self.step = first_step
        self.evaluation_steps = evaluation_steps
        self.save_seconds = save_seconds
        self.stop_if_asked = stop_if_asked
        self._saved_step = first_step
        self._saved = self._logged = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.stage.check_loss(self.step, logs)
        self.progress.update(self.step, float(np.mean(logs["loss"])))
        now = time.monotonic()
        if now - self._logged > _LOG_SECONDS or self.step == self.stage.total_steps:
            self.stage.log(self.step, logs)
            self._logged = now
        if self.step in self.evaluation_steps:
            self.stage.check_weights(self.step)
            self.stage.evaluate(self.step)
        # A run that is killed behind a score trains up to it again, to the same score.
        if self.step == self.stage.total_steps or now - self._saved > self.save_seconds:
            self._save()
        # The others end with the chief: before it, they would keep it from saving.
        if workers.is_chief():
            self.stop_if_asked(self._save)

    def _save(self):
        if self._saved_step == self.step:
            return
        self.stage.check_weights(self.step)
        self.stage.save(self.step)
        self._saved_step, self._saved = self.step, time.monotonic()


class StageFit:
    """Fits one stage of a run, from wherever it was left.

    Under a strategy the model is made and compiled in its scope, and fitted outside of it: what
    Keras makes while it saves, or a scorer while it scores, is to be no matter of all workers.

    Args:
        name: str. Of the stage; names its files and log lines.
        model: a compiled `keras.Model`. What is trained.
        batches: `Batches`. Of the training set.
        evaluator: `Scorer` of what is scored on the dev set.
        config: `FitConfig`.
        run: `Record`.
        save_minutes: float. Between states.
        scored: `keras.Model` or `None`. What is scored and whose best weights are kept: a
            distiller's student. `None` is the model itself.
    """

    def __init__(
        self,
        name: str,
        model: keras.Model,
        *,
        batches: Batches,
        evaluator: Scorer,
        config: FitConfig,
        run: Record,
        save_minutes: float,
        scored: keras.Model | None = None,
    ):
        self.name = name
        self.model = model
        self.scored = model if scored is None else scored
        self.batches = batches
        self.evaluator = evaluator
        self.config = config
        self.run = run
        self.save_minutes = save_minutes
        self.checkpoints = Checkpoints(run.checkpoints, name)
        self.total_steps = config.epochs * batches.steps_per_epoch

    def has_begun(self) -> bool:
        """Tells whether there is a state to go on from."""
        return workers.broadcast(bool(self.checkpoints.states()))

    def fit(self) -> dict[str, float]:
        """Trains to the end of the stage and returns its last dev metrics.

        The model is left with the last weights or, if the optimizer averages, their average.
        """
        # Keras builds it in `fit`, and would leave a state out that there is no place for.
        with self.model.distribute_strategy.scope():
            self.model.optimizer.build(self.model.trainable_variables)
        first_step = self.checkpoints.restore(self.model)
        workers.check_alike(f"the state of {self.name}", first_step)
        started = time.monotonic()
        self._replace_lost_best(first_step)
        if first_step < self.total_steps:
            self._fit_from(first_step)
        self._add_seconds(time.monotonic() - started)
        assign_averages(self.model.optimizer)
        return self.run.read_results()[self.name]["dev"]

    def load_best(self) -> None:
        """Puts the weights of the best score into the scored model."""
        # The chief may be writing them yet.
        workers.barrier()
        keras.saving.load_weights(
            self.scored, self.checkpoints.best, objects_to_skip=self._not_weights()
        )

    def _not_weights(self) -> list:
        # An encoder was never compiled.
        optimizer = getattr(self.scored, "optimizer", None)
        return [] if optimizer is None else [optimizer, *_metrics(self.scored)]

    def _fit_from(self, first_step: int) -> None:
        tokens = self.batches.tokens_per_epoch / self.batches.steps_per_epoch
        with (
            StageProgress(self.name, first_step, self.total_steps, tokens) as progress,
            deferring_interrupts(_NOTICE) as stop_if_asked,
        ):
            callback = _StageCallback(
                self,
                progress,
                first_step=first_step,
                evaluation_steps=self._evaluation_steps(),
                save_seconds=60 * self.save_minutes,
                stop_if_asked=stop_if_asked,
            )
            self._fit_epochs(first_step, callback)

    def _fit_epochs(self, first_step: int, callback: _StageCallback) -> None:
        steps, epochs = self.batches.steps_per_epoch, self.config.epochs
        epoch, done = divmod(first_step, steps)
        if done:
            # Keras counts every epoch the same steps: the rest of a begun one is its own fit.
            self._keras_fit(epoch, epoch + 1, first_step, callback)
            epoch += 1
        if epoch < epochs:
            self._keras_fit(epoch, epochs, epoch * steps, callback)

    def _keras_fit(self, epoch: int, epochs: int, first_step: int, callback) -> None:
        self.model.fit(
            self.batches.dataset(epochs, first_step),
            initial_epoch=epoch,
            epochs=epochs,
            steps_per_epoch=min(
                self.batches.steps_per_epoch,
                epochs * self.batches.steps_per_epoch - first_step,
            ),
            shuffle=False,
            verbose=0,
            callbacks=[callback],
        )

    def _evaluation_steps(self) -> set[int]:
        per_epoch, steps = self.config.evaluations_per_epoch, self.batches.steps_per_epoch
        fractions = np.arange(1, self.config.epochs * per_epoch + 1) / per_epoch
        return {max(round(fraction * steps), 1) for fraction in fractions}

    def log(self, step: int, values: dict) -> None:
        """Logs values of a step."""
        self.run.log(self.name, step, {k: float(np.mean(v)) for k, v in values.items()})

    def evaluate(self, step: int) -> None:
        """Scores the model on the dev set; keeps its weights if they are the best yet."""
        with averaged_weights(self.model.optimizer):
            self._evaluate(step)

    def _evaluate(self, step: int) -> None:
        dev = workers.broadcast(self.evaluator.score())
        self.log(step, {f"dev_{name}": value for name, value in dev.items()})
        scores = ", ".join(f"{name} {value:.4f}" for name, value in dev.items())
        print(f"{self.name}, step {step} of {self.total_steps}: dev {scores}", flush=True)
        self.keep(step, dev)

    def keep(self, step: int, dev: dict[str, float]) -> None:
        """Writes a score to the results and, if it is the best yet, the weights beside them.

        Args:
            step: int. 0 before the first one: a start may stay the best.
            dev: dict. The dev metrics of the weights that the scored model has.
        """
        figures = self.run.read_results().get(self.name, {})
        best = figures.get("best_dev")
        # The first score is always the best so far, even where the metric is 0 or below. One of
        # a start that was killed is none: its file may be gone.
        if best is None or step == 0 or self.evaluator.is_better(dev, best):
            if workers.is_chief():
                self._save_best()
            figures.update(best_dev=dev, best_step=step)
        self.run.add_results(**{self.name: {**figures, "dev": dev, "step": step}})

    def _save_best(self) -> None:
        check_room(self.checkpoints.folder, self.scored.weights)
        with hashed_atomic_file(self.checkpoints.best) as path:
            keras.saving.save_weights(self.scored, path, objects_to_skip=self._not_weights())

    def _replace_lost_best(self, step: int) -> None:
        """Scores the weights that training goes on with, if the best ones are lost."""
        figures = self.run.read_results().get(self.name, {})
        fault = ""
        if step and "best_dev" in figures:
            fault = find_damage(self.checkpoints.best)
        elif step == self.total_steps:
            fault = f"There is no score of {self.name} in the results"
        fault = workers.broadcast(fault)
        if fault:
            print(f"{fault}. The best weights are now those of step {step}.", flush=True)
            lost = ("best_dev", "best_step")
            left = {name: value for name, value in figures.items() if name not in lost}
            self.run.add_results(**{self.name: left})
            self.evaluate(step)

    def check_loss(self, step: int, values: dict) -> None:
        """Looks at the loss of a step.

        Args:
            step: int.
            values: dict. `loss` and its terms.

        Raises:
            TinyBertError: if it is no number; the terms that are none are named.
        """
        means = {name: float(np.mean(value)) for name, value in values.items()}
        if not math.isfinite(means["loss"]):
            broken = [name for name, mean in means.items() if not math.isfinite(mean)]
            terms = ", ".join(f"{name} is {means[name]}" for name in broken)
            raise self._divergence(step, terms)

    def check_weights(self, step: int) -> None:
        """Raises TinyBertError if the weights after a step, or the optimizer's, are no numbers.

        The loss of a step tells of the weights before it.
        """
        for variable in (*self.model.trainable_variables, *self.model.optimizer.variables):
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                raise self._divergence(step, f"{variable.path} has values that are no numbers")

    def _divergence(self, step: int, what: str) -> TinyBertError:
        states = self.checkpoints.states()
        kept = f"The state after step {max(states)} is kept" if states else "There is no state"
        optimizer = self.config.optimizer
        return TinyBertError(
            f"{self.name}, step {step} of {self.total_steps}: {what}. {kept}. A lower "
            f"learning_rate (it is {optimizer.learning_rate}), more warmup (it is "
            f"{optimizer.warmup}) or precision float32 may help; if it is so from the first "
            "steps on, look at the weights and the data that it starts from."
        )

    def save(self, step: int) -> None:
        """Saves the training state."""
        if workers.is_chief():
            self.checkpoints.save(self.model, step)

    def _add_seconds(self, seconds: float) -> None:
        """Adds to the stage's wall time; what a killed process took is not in it."""
        figures = self.run.read_results()[self.name]
        figures["seconds"] = figures.get("seconds", 0.0) + seconds
        self.run.add_results(**{self.name: figures})
