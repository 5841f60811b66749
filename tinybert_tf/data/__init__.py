"""Tasks, readers and batches."""

from tinybert_tf.data.pipeline import (
    BucketedBatches,
    EncodedExamples,
    Predictor,
    concatenate_examples,
    encode_examples,
)
from tinybert_tf.data.readers import (
    Examples,
    check_training_labels,
    further_dev_splits,
    read_glue,
    read_glue_test,
    read_table,
    read_tfds,
)
from tinybert_tf.data.squad import (
    SPAN_TASKS,
    SpanExamples,
    SpanPredictor,
    SpanTask,
    SpanWindows,
    decode_spans,
    encode_windows,
    read_squad,
)
from tinybert_tf.data.tasks import GLUE_TASKS, Task

__all__ = [
    "GLUE_TASKS",
    "SPAN_TASKS",
    "BucketedBatches",
    "EncodedExamples",
    "Examples",
    "Predictor",
    "SpanExamples",
    "SpanPredictor",
    "SpanTask",
    "SpanWindows",
    "Task",
    "check_training_labels",
    "concatenate_examples",
    "decode_spans",
    "encode_examples",
    "encode_windows",
    "further_dev_splits",
    "read_glue",
    "read_glue_test",
    "read_squad",
    "read_table",
    "read_tfds",
]
