"""Tasks, readers and batches."""

from tinybert_tf.data.pipeline import (
    BucketedBatches,
    EncodedExamples,
    Predictor,
    encode_examples,
)
from tinybert_tf.data.readers import (
    Examples,
    check_training_labels,
    read_glue,
    read_table,
    read_tfds,
)
from tinybert_tf.data.tasks import GLUE_TASKS, Task

__all__ = [
    "GLUE_TASKS",
    "BucketedBatches",
    "EncodedExamples",
    "Examples",
    "Predictor",
    "Task",
    "check_training_labels",
    "encode_examples",
    "read_glue",
    "read_table",
    "read_tfds",
]
