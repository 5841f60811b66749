"""Tasks, readers and batches."""

from tinybert_tf.data.batches import (
    BucketedBatches,
    EncodedExamples,
    concatenate_examples,
    count_tokens,
    encode_examples,
)
from tinybert_tf.data.columns import (
    Table,
    find_label_field,
    find_score_range,
    find_text_fields,
    read_columns,
)
from tinybert_tf.data.examples import Examples, check_training_labels
from tinybert_tf.data.glue import further_dev_splits, read_glue, read_glue_test
from tinybert_tf.data.labels import match_labels
from tinybert_tf.data.squad import SPAN_TASKS, SpanExamples, SpanTask, read_squad
from tinybert_tf.data.tables import read_table, read_texts
from tinybert_tf.data.tasks import GLUE_TASKS, Task
from tinybert_tf.data.tfds import read_tfds
from tinybert_tf.data.windows import SpanWindows, encode_windows

__all__ = [
    "GLUE_TASKS",
    "SPAN_TASKS",
    "BucketedBatches",
    "EncodedExamples",
    "Examples",
    "SpanExamples",
    "SpanTask",
    "SpanWindows",
    "Table",
    "Task",
    "check_training_labels",
    "concatenate_examples",
    "count_tokens",
    "encode_examples",
    "encode_windows",
    "find_label_field",
    "find_score_range",
    "find_text_fields",
    "further_dev_splits",
    "match_labels",
    "read_columns",
    "read_glue",
    "read_glue_test",
    "read_squad",
    "read_table",
    "read_texts",
    "read_tfds",
]
