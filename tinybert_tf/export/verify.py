"""Checks that an exported file is what it should be; a file that is not is never written."""

import dataclasses

import keras
import numpy as np

from tinybert_tf.data import EncodedExamples, Predictor
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.runtime import TfliteClassifier
from tinybert_tf.models import BertTextClassifier

# Bytes a weight takes, and how far probabilities may be from Keras's. For int8 single
# examples near the boundary may move; the share of equal labels is what counts.
_BYTES = {"none": 4, "float16": 2, "dynamic_int8": 1}
_MAX_DIFFERENCE = {"none": 1e-4, "float16": 2e-2, "dynamic_int8": 0.5}
_MIN_AGREEMENT = {"none": 1.0, "float16": 0.99, "dynamic_int8": 0.95}
# Bytes that the graph and small unquantized tensors may take, however few the weights are.
_GRAPH_BYTES = 256_000


@dataclasses.dataclass(frozen=True)
class Verification:
    """What running a file on real examples showed, against the Keras model.

    Args:
        examples: int. How many were run.
        max_difference: float. The largest difference of an output.
        mean_difference: float.
        agreement: float. Share of examples with the same label; 1.0 for regression.
        operators: dict. How often each TFLite operator stands in the file.
        predictions: float32 array [examples, outputs]. Of the file.
    """

    examples: int
    max_difference: float
    mean_difference: float
    agreement: float
    operators: dict[str, int]
    predictions: np.ndarray


def verify(
    content: bytes, model: BertTextClassifier, encoded: EncodedExamples, quantization: str
) -> Verification:
    """Runs a TFLite file on real examples and compares it with the Keras model.

    Args:
        content: bytes. The file.
        model: `BertTextClassifier`. What was converted.
        encoded: `EncodedExamples`. No longer than the file's length.
        quantization: str. Of the file; decides on the tolerances.

    Raises:
        TinyBertError: if the file is hollow or differs from the model more than its
            quantization explains.
    """
    runner = TfliteClassifier(content)
    operators = runner.operators()
    _check_content(content, operators, model, quantization)
    expected = keras_outputs(model, encoded)
    predictions = runner.predict(encoded)
    difference = np.abs(predictions - expected)
    agreement = 1.0
    if model.num_classes > 1:
        agreement = float(np.mean(predictions.argmax(-1) == expected.argmax(-1)))
    result = Verification(
        examples=len(encoded),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        agreement=agreement,
        operators=operators,
        predictions=predictions,
    )
    _check_result(result, quantization)
    return result


def keras_outputs(model: BertTextClassifier, encoded: EncodedExamples) -> np.ndarray:
    """Returns what the file should: probabilities or scores [examples, outputs]."""
    outputs = Predictor(model)(encoded)
    if model.num_classes > 1 and model.activation == keras.activations.linear:
        outputs = np.asarray(keras.ops.softmax(outputs))
    return outputs


def _check_content(content: bytes, operators: dict, model, quantization: str) -> None:
    """Catches hollow files: a conversion may succeed and leave the weights out."""
    expected = model.count_params() * _BYTES[quantization]
    if not 0.8 * expected < len(content) < 1.3 * expected + _GRAPH_BYTES:
        raise TinyBertError(
            f"The converted file has {len(content):,} bytes; {model.count_params():,} weights "
            f"in {quantization} want about {expected:,}. The conversion went wrong; nothing "
            "was written."
        )
    # Two products of a head's matrices and six dense layers a block, pooler and classifier.
    layers = model.backbone.num_layers
    wanted = {"BATCH_MATMUL": 2 * layers, "FULLY_CONNECTED": 6 * layers + 2}
    found = {name: operators.get(name, 0) for name in wanted}
    stateful = [name for name in operators if "VAR" in name or "VARIABLE" in name]
    if found != wanted or stateful:
        raise TinyBertError(
            f"The converted file holds {found}, a model of {layers} layers has {wanted}"
            + (f"; it also reads variables ({', '.join(stateful)})" if stateful else "")
            + ". The conversion went wrong; nothing was written."
        )


def _check_result(result: Verification, quantization: str) -> None:
    if not result.max_difference <= _MAX_DIFFERENCE[quantization]:
        raise TinyBertError(
            f"An output of the {quantization} file differs from Keras's by "
            f"{result.max_difference:.4f}; at most {_MAX_DIFFERENCE[quantization]} is "
            "expected. Nothing was written. Try a milder quantization."
        )
    if result.agreement < _MIN_AGREEMENT[quantization]:
        raise TinyBertError(
            f"The {quantization} file gives Keras's label to {result.agreement:.1%} of "
            f"{result.examples} examples; at least {_MIN_AGREEMENT[quantization]:.0%} is "
            "expected. Nothing was written. Try a milder quantization."
        )
