"""TinyBERT's distillation: losses, layer mapping, the student's start, the Distiller."""

from tinybert_tf.distillation.distiller import TinyBertDistiller
from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.distillation.stages import INTERMEDIATE, PREDICTION, Stage
from tinybert_tf.distillation.student_init import initialize_from_teacher, initialize_head

__all__ = [
    "INTERMEDIATE",
    "PREDICTION",
    "Stage",
    "TinyBertDistiller",
    "initialize_from_teacher",
    "initialize_head",
    "resolve_layer_mapping",
]
