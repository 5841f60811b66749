"""From a Keras classifier to a TFLite file."""

import tempfile

import keras
import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertTextClassifier

QUANTIZATIONS = ("none", "float16", "dynamic_int8")
# The order in which readers that go by index expect the inputs, and the names of readers that
# go by name.
INPUT_NAMES = {"token_ids": "ids", "segment_ids": "segment_ids", "padding_mask": "mask"}


def convert(model: BertTextClassifier, sequence_length: int, quantization: str) -> bytes:
    """Converts a classifier or regressor to a TFLite model for one text at a time.

    Inputs are `ids`, `segment_ids` and `mask`, int32 [1, sequence_length]; the output is
    `probability`, float32 [1, classes] after softmax, or `score`, float32 [1, 1]. The shape
    is static: a batch of unknown size costs shape operators and splits the graph.

    Args:
        model: `BertTextClassifier`, float32.
        sequence_length: int. Tokens, special ones included.
        quantization: str. `"none"` keeps float32, `"float16"` halves the weights,
            `"dynamic_int8"` quantizes weights per channel and activations at run time.

    Raises:
        TinyBertError: if an argument does not fit the model.
    """
    if quantization not in QUANTIZATIONS:
        raise TinyBertError(
            f"quantization '{quantization}' is not known. Known are {', '.join(QUANTIZATIONS)}."
        )
    limit = model.backbone.max_sequence_length
    if not 3 <= sequence_length <= limit:
        raise TinyBertError(
            f"sequence_length {sequence_length} does not fit the model: it takes 3 to {limit}."
        )
    if model.dtype_policy.name != "float32":
        raise TinyBertError(
            f"The model computes in {model.dtype_policy.name}. Load it with dtype='float32'; "
            "the exporter chooses the types itself."
        )
    with tempfile.TemporaryDirectory() as folder:
        _save(model, sequence_length, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if quantization != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def output_name(model: BertTextClassifier) -> str:
    """Returns the name of the file's output."""
    return "score" if model.num_classes == 1 else "probability"


def _save(model: BertTextClassifier, sequence_length: int, folder: str) -> None:
    spec = tf.TensorSpec((1, sequence_length), tf.int32)
    name = output_name(model)

    @tf.function(input_signature=[spec, spec, spec])
    def forward(ids, segment_ids, mask):
        inputs = {"token_ids": ids, "segment_ids": segment_ids, "padding_mask": mask}
        outputs = model(inputs, training=False)
        if name == "probability" and model.activation == keras.activations.linear:
            outputs = tf.nn.softmax(outputs)
        return {name: outputs}

    module = tf.Module()
    # A tf.Module does not see into a Keras model: without this the file has no weights.
    module.variables_of_model = [variable.value for variable in model.variables]
    module.forward = forward
    tf.saved_model.save(module, folder, signatures={"serving_default": forward})
