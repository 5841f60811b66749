"""What verification measures, and the files that it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import Verification, verify
from tinybert_tf.export.verify import _check_content, _check_result

LENGTH = 12


@pytest.fixture(scope="module")
def hollow(classifier, tmp_path_factory):
    """What TensorFlow makes, without an error, of a module that only holds a Keras model."""
    spec = tf.TensorSpec((1, LENGTH), tf.int32)

    @tf.function(input_signature=[spec, spec, spec])
    def forward(ids, segment_ids, mask):
        inputs = {"token_ids": ids, "segment_ids": segment_ids, "padding_mask": mask}
        return {"probability": tf.nn.softmax(classifier(inputs))}

    module = tf.Module()
    module.model = classifier
    module.forward = forward
    folder = str(tmp_path_factory.mktemp("hollow"))
    tf.saved_model.save(module, folder, signatures={"serving_default": forward})
    return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


@pytest.fixture(scope="module")
def keras_probabilities(classifier, examples):
    inputs = classifier.preprocessor(list(examples.texts[0]))
    return special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)


@pytest.mark.parametrize(
    "quantization, most", [("none", 1e-5), ("float16", 1e-2), ("dynamic_int8", 0.1)]
)
def test_a_good_file_passes(
    classifier, convert_classifier, encoded, keras_probabilities, quantization, most
):
    checked = verify(convert_classifier(quantization), classifier, encoded, quantization)
    assert checked.examples == 41
    differences = np.abs(checked.predictions - keras_probabilities)
    assert checked.max_difference == pytest.approx(differences.max(), abs=1e-6)
    assert checked.mean_difference == pytest.approx(differences.mean(), abs=1e-6)
    assert 0 < checked.mean_difference < checked.max_difference < most
    agreement = checked.predictions.argmax(-1) == keras_probabilities.argmax(-1)
    assert checked.agreement == agreement.mean() >= 0.95
    assert checked.operators["FULLY_CONNECTED"] == 14


@pytest.mark.parametrize(
    "quantization, message",
    [
        ("none", r"19,875 weights in none want about 79,500\..*nothing was written"),
        # So few bytes of weights that the graph alone has as many: its operators tell.
        ("dynamic_int8", r"reads variables \(.*VAR.*nothing was written"),
    ],
    ids=["by_size", "by_operators"],
)
def test_a_hollow_file_is_refused(classifier, encoded, hollow, quantization, message):
    with pytest.raises(TinyBertError, match=message):
        verify(hollow, classifier, encoded, quantization)


def test_a_file_of_other_weights_is_refused(make_classifier, convert_classifier, encoded):
    with pytest.raises(TinyBertError, match=r"differs from Keras's by 0.* Nothing was written"):
        verify(convert_classifier("none"), make_classifier(seed=9), encoded, "none")


@pytest.mark.parametrize("quantization", ["none", "float16", "dynamic_int8"])
def test_nan_is_refused(quantization):
    with pytest.raises(TinyBertError, match="differs from Keras's by nan"):
        _check_result(verification(max_difference=np.nan), quantization)


def verification(max_difference=0.0, agreement=1.0):
    return Verification(100, max_difference, 0.0, agreement, {}, np.zeros((100, 2)))


@pytest.mark.parametrize(
    "quantization, difference, agreement",
    [("none", 1e-4, 1.0), ("float16", 2e-2, 0.99), ("dynamic_int8", 0.5, 0.95)],
)
def test_tolerances(quantization, difference, agreement):
    _check_result(verification(difference, agreement), quantization)
    with pytest.raises(TinyBertError, match=f"An output of the {quantization} file differs"):
        _check_result(verification(difference * 1.01, 1.0), quantization)
    with pytest.raises(TinyBertError, match=r"gives Keras's label to 9.* of 100 examples"):
        _check_result(verification(0.0, agreement - 0.01), quantization)


class OfRealSize:
    """Stands for a student of 4 layers and width 312, of which only the size is asked."""

    class backbone:
        num_layers = 4

    def count_params(self):
        return 14_350_874


OPERATORS = {"FULLY_CONNECTED": 26, "BATCH_MATMUL": 8}


@pytest.mark.parametrize(
    "quantization, size",
    [("none", 56_900_000), ("float16", 28_500_000), ("dynamic_int8", 14_500_000)],
)
def test_sizes_of_a_real_model(quantization, size):
    """Sizes as measured; the hollow file of this model has about 100 kB."""
    _check_content(bytes(size), OPERATORS, OfRealSize(), quantization)
    for wrong in (100_000, size // 2, 2 * size):
        with pytest.raises(TinyBertError, match=f"has {wrong:,} bytes; 14,350,874 weights"):
            _check_content(bytes(wrong), OPERATORS, OfRealSize(), quantization)


@pytest.mark.parametrize(
    "operators, message",
    [
        ({"FULLY_CONNECTED": 25}, "'FULLY_CONNECTED': 25"),
        ({"BATCH_MATMUL": 9}, "'BATCH_MATMUL': 9"),
        ({"READ_VARIABLE": 1}, r"reads variables \(READ_VARIABLE\)"),
    ],
)
def test_other_operators_are_refused(operators, message):
    with pytest.raises(TinyBertError, match=message):
        _check_content(bytes(56_900_000), {**OPERATORS, **operators}, OfRealSize(), "none")
