"""TinyBERT's distillation: losses, layer mapping, the student's start, the Distiller."""

from tinybert_tf import backend  # noqa: F401 - before Keras is imported
from tinybert_tf.distillation.distiller import TinyBertDistiller
from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.distillation.losses import (
    attention_loss,
    hidden_loss,
    label_cross_entropy,
    prediction_mse,
    soft_cross_entropy,
    span_cross_entropy,
)
from tinybert_tf.distillation.stages import INTERMEDIATE, PREDICTION, Stage
from tinybert_tf.distillation.student_init import initialize_from_teacher, initialize_head
from tinybert_tf.distillation.teacher_cache import TeacherCache

__all__ = [
    "INTERMEDIATE",
    "PREDICTION",
    "Stage",
    "TeacherCache",
    "TinyBertDistiller",
    "attention_loss",
    "hidden_loss",
    "initialize_from_teacher",
    "initialize_head",
    "label_cross_entropy",
    "prediction_mse",
    "resolve_layer_mapping",
    "soft_cross_entropy",
    "span_cross_entropy",
]
