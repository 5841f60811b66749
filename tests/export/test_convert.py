"""The file against Keras, and its inputs, outputs and operators."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy import special

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import QUANTIZATIONS, TfliteClassifier, convert

LENGTH = 12
NAMES = {"ids": "token_ids", "segment_ids": "segment_ids", "mask": "padding_mask"}


def run(content, inputs):
    """What the file's one output is for each row, by LiteRT alone."""
    runner = Interpreter(model_content=content).get_signature_runner("serving_default")
    rows = range(len(inputs["token_ids"]))
    outputs = [runner(**{k: inputs[v][i : i + 1] for k, v in NAMES.items()}) for i in rows]
    (name,) = outputs[0]
    return name, np.concatenate([output[name] for output in outputs])


@pytest.fixture(scope="module")
def inputs(classifier, examples):
    """Padded inputs of single texts, and with a second segment that no single text has."""
    inputs = {
        k: np.array(v) for k, v in classifier.preprocessor(list(examples.texts[0])).items()
    }
    inputs["segment_ids"][::2, 2:] = inputs["padding_mask"][::2, 2:]
    return inputs


@pytest.mark.parametrize("quantization, tolerance", [("none", 1e-5), ("float16", 1e-2)])
def test_probabilities_are_those_of_keras(
    classifier, convert_classifier, inputs, quantization, tolerance
):
    expected = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    name, outputs = run(convert_classifier(quantization), inputs)
    assert name == "probability"
    np.testing.assert_allclose(outputs, expected, atol=tolerance)
    # A test of nothing, were all texts alike.
    assert np.ptp(expected, axis=0).min() > 0.3


def test_dynamic_int8_keeps_the_labels(classifier, convert_classifier, inputs):
    expected = keras.ops.convert_to_numpy(classifier(inputs))
    _, outputs = run(convert_classifier("dynamic_int8"), inputs)
    assert np.mean(outputs.argmax(-1) == expected.argmax(-1)) >= 0.95
    assert np.bincount(expected.argmax(-1), minlength=3).min() >= 2
    np.testing.assert_allclose(outputs, special.softmax(expected, axis=-1), atol=0.1)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_inputs_and_output_of_the_file(convert_classifier, inputs, quantization):
    interpreter = Interpreter(model_content=convert_classifier(quantization))
    assert len(interpreter.get_input_details()) == 3
    assert len(interpreter.get_output_details()) == 1
    signatures = interpreter.get_signature_list()
    assert list(signatures) == ["serving_default"]
    runner = interpreter.get_signature_runner("serving_default")
    details = runner.get_input_details()
    assert sorted(details) == ["ids", "mask", "segment_ids"]
    for detail in details.values():
        assert detail["shape"].tolist() == [1, LENGTH]
        assert detail["dtype"] == np.int32
    details = runner.get_output_details()
    assert list(details) == ["probability"]
    assert details["probability"]["shape"].tolist() == [1, 3]
    assert details["probability"]["dtype"] == np.float32
    _, outputs = run(convert_classifier(quantization), inputs)
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_operators_are_those_of_two_layers(convert_classifier, quantization):
    """Fused dense layers and nothing stateful: 6 a layer, pooler and classifier."""
    operators = TfliteClassifier(convert_classifier(quantization)).operators()
    assert operators["FULLY_CONNECTED"] == 14
    assert operators["BATCH_MATMUL"] == 4
    # The softmax of each layer and of the output, and the embeddings looked up.
    assert operators["SOFTMAX"] == 3
    assert not [name for name in operators if "VAR" in name]
    # A static shape needs no operator to find it out.
    assert "SHAPE" not in operators


def test_quantization_shrinks_the_weights(classifier, convert_classifier):
    sizes = {
        quantization: len(convert_classifier(quantization)) for quantization in QUANTIZATIONS
    }
    saved = sizes["none"] - sizes["float16"]
    assert saved == pytest.approx(2 * classifier.count_params(), rel=0.3)
    # Kernels alone: six in each of two layers, and the pooler's.
    kernels = 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32
    saved = sizes["none"] - sizes["dynamic_int8"]
    assert saved == pytest.approx(3 * kernels, rel=0.3)


def test_padding_changes_nothing(convert_classifier, inputs):
    """Whatever ids stand where the mask is 0."""
    content = convert_classifier("none")
    other = {**inputs, "token_ids": np.where(inputs["padding_mask"], inputs["token_ids"], 7)}
    np.testing.assert_allclose(run(content, inputs)[1], run(content, other)[1], atol=1e-6)


def test_a_regressor_gives_its_score_as_it_is(make_classifier, inputs):
    model = make_classifier(num_classes=1, seed=3)
    name, outputs = run(convert(model, LENGTH, "none"), inputs)
    assert name == "score"
    assert outputs.shape == (41, 1)
    np.testing.assert_allclose(
        outputs, keras.ops.convert_to_numpy(model(inputs)), rtol=1e-5, atol=1e-5
    )
    # A softmax over one output would be 1 everywhere.
    assert np.ptp(outputs) > 0.1


def test_a_model_that_gives_probabilities_gets_no_second_softmax(make_classifier, inputs):
    model = make_classifier(activation="softmax")
    _, outputs = run(convert(model, LENGTH, "none"), inputs)
    np.testing.assert_allclose(
        outputs, keras.ops.convert_to_numpy(model(inputs)), rtol=1e-5, atol=1e-5
    )


def test_unknown_quantization_is_refused(classifier):
    with pytest.raises(
        TinyBertError, match=r"'int4' is not known.* none, float16, dynamic_int8"
    ):
        convert(classifier, LENGTH, "int4")


@pytest.mark.parametrize("length", [2, 17])
def test_a_length_outside_the_position_table_is_refused(classifier, length):
    with pytest.raises(TinyBertError, match=rf"sequence_length {length} .* 3 to 16"):
        convert(classifier, length, "none")


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_refused(make_classifier, dtype):
    """However the model came by it: of its own or of its encoder."""
    with pytest.raises(TinyBertError, match=rf"computes in {dtype}.*dtype='float32'"):
        convert(make_classifier(dtype=dtype), LENGTH, "none")
