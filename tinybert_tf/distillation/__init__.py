"""TinyBERT's distillation: losses, layer mapping, the student's start, the Distiller."""

from tinybert_tf import backend  # noqa: F401 - before Keras is imported
from tinybert_tf.distillation.distiller import TinyBertDistiller
from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.distillation.losses import (
    attention_loss,
    hidden_loss,
    prediction_mse,
    soft_cross_entropy,
    span_cross_entropy,
)
from tinybert_tf.distillation.stages import INTERMEDIATE, PREDICTION, Stage
from tinybert_tf.distillation.student_init import initialize_from_teacher, initialize_head

__all__ = [
    "INTERMEDIATE",
    "PREDICTION",
    "Stage",
    "TinyBertDistiller",
    "attention_loss",
    "hidden_loss",
    "initialize_from_teacher",
    "initialize_head",
    "prediction_mse",
    "resolve_layer_mapping",
    "soft_cross_entropy",
    "span_cross_entropy",
]
