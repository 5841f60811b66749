"""Fitting a model so that it can be killed and goes on: optimizers, schedules, strategies."""

from tinybert_tf import backend  # noqa: F401 - before Keras is imported
from tinybert_tf.training.fitting import (
    Batches,
    Checkpoints,
    FitConfig,
    Record,
    Scorer,
    StageFit,
)
from tinybert_tf.training.optimizers import (
    LossScaleOptimizer,
    OptimizerConfig,
    WarmupDecay,
    assign_averages,
    averaged_weights,
    make_optimizer,
)
from tinybert_tf.training.strategies import make_strategy, resolve_precision
from tinybert_tf.training.workers import WorkerLostError, join_workers

__all__ = [
    "Batches",
    "Checkpoints",
    "FitConfig",
    "LossScaleOptimizer",
    "OptimizerConfig",
    "Record",
    "Scorer",
    "StageFit",
    "WarmupDecay",
    "WorkerLostError",
    "assign_averages",
    "averaged_weights",
    "join_workers",
    "make_optimizer",
    "make_strategy",
    "resolve_precision",
]
