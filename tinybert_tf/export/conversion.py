"""From a Keras model to a TFLite file."""

import functools
import re
import tempfile
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.data import EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import _compress, _flatbuffer
from tinybert_tf.export.profiles import Profile
from tinybert_tf.models import BertSpanClassifier, BertTextClassifier

# In the order in which readers that go by index expect them, with the names of readers that go
# by name.
INPUT_NAMES = {"token_ids": "ids", "segment_ids": "segment_ids", "padding_mask": "mask"}
# Training examples that ranges of activations are measured on.
CALIBRATION_EXAMPLES = 200
# These lose the most to ranges fixed beforehand, and the least time. The embedding's table
# is quantized afterwards: here its scale would be that of the texts seen in each length.
_FLOAT_OPERATORS = [
    *("MEAN", "SQUARED_DIFFERENCE", "RSQRT", "SUB", "ADD", "MUL"),
    *("SOFTMAX", "BATCH_MATMUL", "TANH", "GATHER", "SUM", "MAXIMUM", "DIV"),
]


def convert(
    model: BertTextClassifier | BertSpanClassifier,
    lengths: Sequence[int],
    profile: Profile,
    calibration: EncodedExamples | None = None,
) -> bytes:
    """Converts a model to a TFLite file for one text at a time.

    Inputs are `ids`, `segment_ids` and `mask`, int32 [1, length]. The output of a classifier
    is `probability`, float32 [1, classes] after softmax, of a regressor `score` [1, 1], of a
    span classifier `end_logits` and `start_logits` [1, length]. Shapes are static: a batch of
    unknown size costs shape operators and splits the graph.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`, float32.
        lengths: sequence of int. Tokens, special ones included. One makes a file with the
            signature `serving_default`; several one with a signature `length_N` for each, on
            the same weights.
        profile: `Profile`.
        calibration: `EncodedExamples` or `None`. Of the task, no longer than the model takes;
            for profiles that want them.

    Raises:
        TinyBertError: if an argument does not fit the model.
    """
    _check(model, lengths, profile, calibration)
    signatures = signature_names(lengths)
    with tempfile.TemporaryDirectory() as folder:
        _save(model, signatures, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if profile.weights != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if profile.weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if profile.activations == "static_int8":
            content = _convert_static(converter, signatures, calibration)
        else:
            content = converter.convert()
    file = _flatbuffer.parse(content)
    table = keras.ops.convert_to_numpy(model.backbone.token_embedding.embeddings)
    if profile.activations == "dynamic_int8":
        _compress.fold_channel_scales(file)
    if profile.activations == "static_int8":
        _compress.quantize_embedding(file, table)
    if profile.embedding == "product":
        counts = np.bincount(calibration.token_ids, minlength=len(table))
        _compress.product_quantize_embedding(file, table, counts)
        _compress.quantize_positions(file, table.shape[1])
    _flatbuffer.share_buffers(file)
    _order_inputs(file)
    _rename_model(file, model)
    _name_runtime(file)
    return _flatbuffer.pack(file)


def signature_names(lengths: Sequence[int]) -> dict[str, int]:
    """Returns the signatures of a file, and the length in tokens of each."""
    if len(lengths) == 1:
        return {"serving_default": lengths[0]}
    return {f"length_{length}": length for length in lengths}


def is_span_classifier(model) -> bool:
    """Tells whether a model scores tokens, as the one kind here that has several outputs."""
    return isinstance(model, BertSpanClassifier)


def output_names(model) -> tuple[str, ...]:
    """Returns the names of a file's outputs, in their order."""
    if is_span_classifier(model):
        return "end_logits", "start_logits"
    return ("score",) if model.num_classes == 1 else ("probability",)


def output_function(model) -> Callable[[dict], dict]:
    """Returns the function of encoder inputs that a file computes.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`.

    Returns:
        A function from encoder inputs [batch, seq] to named float32 outputs [batch, outputs].
    """
    names = output_names(model)

    def outputs(inputs):
        predictions = model(inputs, training=False)
        if isinstance(predictions, dict):
            return {name: predictions[name] for name in names}
        if names == ("probability",) and model.activation == keras.activations.linear:
            predictions = tf.nn.softmax(predictions)
        return {names[0]: predictions}

    return outputs


def check_lengths(model, lengths: Sequence[int]) -> None:
    """Looks at static lengths before anything is run in them.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`.
        lengths: sequence of int. In tokens.

    Raises:
        TinyBertError: if there is none, or one that the model does not take.
    """
    limit = model.backbone.max_sequence_length
    if not lengths:
        raise TinyBertError(f"There is no length to export. Give one of 3 to {limit} tokens.")
    wrong = [length for length in lengths if not 3 <= length <= limit]
    if wrong:
        raise TinyBertError(
            f"A length of {wrong[0]} tokens does not fit the model: it takes 3 to {limit}."
        )


def _check(model, lengths, profile: Profile, calibration) -> None:
    check_lengths(model, lengths)
    if model.dtype_policy.name != "float32":
        raise TinyBertError(
            f"The model computes in {model.dtype_policy.name}. Load it with dtype='float32'; "
            "the exporter chooses the types itself."
        )
    if profile.wants_calibration and calibration is None:
        raise TinyBertError(
            f"Profile {profile.name} measures on examples of the task. Pass `calibration`, "
            "training examples, or choose a profile that wants none, such as dynamic_int8."
        )


def _save(model, signatures: dict[str, int], folder: str) -> None:
    function = output_function(model)
    module = tf.Module()
    # A tf.Module does not see into a Keras model: without this the file has no weights.
    module.variables_of_model = [variable.value for variable in model.variables]
    module.functions = {}
    for name, length in signatures.items():
        spec = tf.TensorSpec((1, length), tf.int32)

        @tf.function(input_signature=[spec, spec, spec])
        def forward(ids, segment_ids, mask):
            return function(
                {"token_ids": ids, "segment_ids": segment_ids, "padding_mask": mask}
            )

        module.functions[name] = forward
    tf.saved_model.save(module, folder, signatures=dict(module.functions))


def _convert_static(converter, signatures: dict[str, int], calibration) -> bytes:
    """Quantizes activations but those of `_FLOAT_OPERATORS`.

    The debugger is TFLite's interface to leave operators out.
    """
    dataset = functools.partial(_calibration_inputs, signatures, calibration)
    converter.representative_dataset = dataset
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=_FLOAT_OPERATORS)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=dataset, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


def _calibration_inputs(signatures: dict[str, int], calibration: EncodedExamples):
    """Yields examples as the model will see them, padding included."""
    count = min(len(calibration), CALIBRATION_EXAMPLES)
    rows = np.random.default_rng(0).permutation(len(calibration))[:count]
    longest = max([*signatures.values(), int(calibration.lengths.max())])
    for row in rows:
        inputs, _ = calibration.batch(np.array([row]), longest)
        for name, length in signatures.items():
            yield name, {INPUT_NAMES[k]: v[:, :length] for k, v in inputs.items()}


def _order_inputs(file) -> None:
    """Puts the inputs in the order of `INPUT_NAMES`; a SavedModel sorts them by name."""
    for signature in file.signatureDefs:
        graph = file.subgraphs[signature.subgraphIndex]
        tensors = {i.name.decode(): i.tensorIndex for i in signature.inputs}
        graph.inputs = np.array([tensors[name] for name in INPUT_NAMES.values()], np.int32)
        for name, tensor in tensors.items():
            graph.tensors[tensor].name = name.encode()
        for output in signature.outputs:
            graph.tensors[output.tensorIndex].name = output.name


def _rename_model(file, model) -> None:
    """Takes names out of a file that Keras counts up with every model that a process makes."""
    own = re.compile(rf"\b{re.escape(model.name)}(_\d+)?/".encode())
    backbone = re.compile(rf"\b{re.escape(model.backbone.name)}(_\d+)?/".encode())
    for graph in file.subgraphs:
        for tensor in graph.tensors:
            tensor.name = backbone.sub(b"backbone/", own.sub(b"", tensor.name))


def _name_runtime(file) -> None:
    """Writes the oldest runtime into the file, where its converter wrote another."""
    for entry in file.metadata:
        if entry.name == b"min_runtime_version":
            version = _flatbuffer.minimum_runtime(file).encode().ljust(16, b"\0")
            file.buffers[entry.buffer].data = np.frombuffer(version, np.uint8)
