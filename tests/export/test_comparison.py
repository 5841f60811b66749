"""How a converted file is compared with Keras, and the files that are refused."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from tinybert_tf.data import encode_examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import keras_outputs, load_profile
from tinybert_tf.export._comparison import (
    Comparison,
    _check_content,
    _check_result,
    _comparable,
    compare_with_keras,
)

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
def expected(classifier, encoded):
    return keras_outputs(classifier, encoded)


def accuracy(labels, outputs):
    return {"accuracy": float(np.mean(labels == outputs.argmax(-1)))}


def test_what_keras_gives(classifier, examples, expected):
    inputs = classifier.preprocessor(list(examples.texts[0]))
    probabilities = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    assert list(expected) == ["probability"]
    np.testing.assert_allclose(expected["probability"], probabilities, atol=1e-6)


def test_logits_of_tokens_are_zero_at_padding(span_classifier, encoded):
    outputs = keras_outputs(span_classifier, encoded)
    inputs, _ = encoded.batch(np.arange(41), LENGTH)
    for name, values in span_classifier(inputs).items():
        wanted = np.asarray(values) * inputs["padding_mask"]
        np.testing.assert_allclose(outputs[name], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "profile, most, runtime",
    [("float32", 1e-5, "2.9.0"), ("float16", 1e-2, "2.9.0"), ("dynamic_int8", 0.1, "2.9.0")],
)
def test_a_good_file_passes(
    classifier, convert_classifier, encoded, expected, profile, most, runtime
):
    content = convert_classifier(profile)
    checked = compare_with_keras(
        content, classifier, encoded, expected, load_profile(profile), score=accuracy
    )
    assert checked.examples == 41
    assert 0 < checked.mean_difference < checked.max_difference < most
    assert checked.label_agreement >= 0.95
    assert checked.operators["FULLY_CONNECTED"] == 14
    assert checked.minimum_runtime == runtime
    assert checked.keras_metrics == accuracy(encoded.labels, expected["probability"])
    wrong = 1.0 - checked.label_agreement
    assert abs(checked.metrics["accuracy"] - checked.keras_metrics["accuracy"]) <= wrong


@pytest.mark.parametrize(
    "profile, message",
    [
        (
            "float32",
            r"20,387 weights in profile float32 want about 81,548\..*nothing was written",
        ),
        # So few bytes of weights that the graph alone has as many: its operators tell.
        ("dynamic_int8", r"reads variables \(.*VAR.*nothing was written"),
    ],
    ids=["by_size", "by_operators"],
)
def test_a_hollow_file_is_refused(classifier, encoded, expected, hollow, profile, message):
    with pytest.raises(TinyBertError, match=message):
        compare_with_keras(hollow, classifier, encoded, expected, load_profile(profile))


def test_a_file_of_other_weights_is_refused(make_classifier, convert_classifier, encoded):
    other = make_classifier(seed=9)
    with pytest.raises(TinyBertError, match=r"differs from Keras's by 0.* Nothing was written"):
        compare_with_keras(
            convert_classifier("float32"),
            other,
            encoded,
            keras_outputs(other, encoded),
            load_profile("float32"),
        )


GOOD = Comparison(100, 0.0, 0.0, 1.0, {"accuracy": 0.9}, {"accuracy": 0.9}, {}, "2.9.0")


@pytest.mark.parametrize("name", ["max_difference", "mean_difference"])
def test_nan_is_refused(name):
    with pytest.raises(TinyBertError, match="Keras's by nan"):
        _check_result(dataclasses.replace(GOOD, **{name: np.nan}), load_profile("float32"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"max_difference": 0.51}, r"differs from Keras's by 0\.51.*at most 0\.5 "),
        ({"mean_difference": 0.06}, r"by 0\.06.* on average, at most 0\.05 "),
        ({"label_agreement": 0.94}, r"94\.0% of 100 examples.* at least 95\.0%"),
        ({"metrics": {"accuracy": 0.889}}, r"accuracy falls by 0\.0110 to 0\.8890"),
    ],
)
def test_tolerances(change, message):
    profile = load_profile("dynamic_int8")
    at_its_edge = {
        "max_difference": 0.5,
        "mean_difference": 0.05,
        "label_agreement": 0.95,
        "metrics": {"accuracy": 0.895},
    }
    _check_result(dataclasses.replace(GOOD, **at_its_edge), profile)
    with pytest.raises(TinyBertError, match=f"dynamic_int8 file is not close.*{message}"):
        _check_result(dataclasses.replace(GOOD, **change), profile)


def test_a_metric_in_percent_may_fall_by_percent():
    profile = load_profile("dynamic_int8")
    result = dataclasses.replace(GOOD, keras_metrics={"f1": 80.0}, metrics={"f1": 79.1})
    _check_result(result, profile, best_metric=100.0)
    result = dataclasses.replace(result, metrics={"f1": 78.9})
    with pytest.raises(
        TinyBertError, match=r"f1 falls by 1\.1000 to 78\.9000, at most 1\.0 is allowed"
    ):
        _check_result(result, profile, best_metric=100.0)


def test_logits_of_tokens_are_compared_as_probabilities():
    """Whatever is added to them; the third of the first text is padding."""
    logits = np.log([[1.0, 3.0, 1.0], [1.0, 1.0, 2.0]]) - 9.0
    outputs = {"start_logits": logits, "score": logits}
    compared = _comparable(outputs, np.array([2, 3]))
    probabilities = [[0.25, 0.75, 0.0], [0.25, 0.25, 0.5]]
    np.testing.assert_allclose(compared["start_logits"], probabilities, atol=1e-12)
    np.testing.assert_array_equal(compared["score"], logits)


def test_scored_spans_are_judged_by_their_score(span_classifier, convert_once, pairs):
    """A Keras model that chose another span, which is as good, is none that differs."""
    encoded = encode_examples(pairs, span_classifier.preprocessor)
    content = convert_once("spans", span_classifier)
    expected = keras_outputs(span_classifier, encoded)
    chosen = {name: values.copy() for name, values in expected.items()}
    logits = chosen["start_logits"][0]
    second, best = np.argsort(logits[: encoded.lengths[0]])[-2:]
    logits[second] = logits[best] + 1e-3
    plain = load_profile("float32")

    def profile(most):
        tolerance = dataclasses.replace(
            plain.tolerance, max_difference=most, mean_difference=1.0
        )
        return dataclasses.replace(plain, tolerance=tolerance)

    shapes = []

    def score(labels, outputs):
        shapes.append((len(labels), sorted(outputs), outputs["end_logits"].shape))
        return {"f1": 50.0}

    arguments = (content, span_classifier, encoded, chosen)
    checked = compare_with_keras(*arguments, profile(1e-9), score=score, best_metric=100.0)
    assert checked.max_difference > 1e-4
    assert checked.label_agreement == 1 - 1 / len(pairs)
    shape = (len(pairs), encoded.lengths.max())
    assert shapes == [(len(pairs), ["end_logits", "start_logits"], shape)] * 2
    with pytest.raises(TinyBertError, match=r"95\.0% of 20 examples get Keras's label"):
        compare_with_keras(*arguments, profile(1.0))


def test_a_regression_has_no_labels_to_agree_on():
    result = dataclasses.replace(GOOD, label_agreement=None)
    _check_result(result, load_profile("float32"))


class OfRealSize:
    """Stands for a student of 4 layers and width 312, of which only the size is asked."""

    class backbone:
        num_layers = 4
        pooling = "cls"

        class token_embedding:
            embeddings = np.empty((30522, 312), "int8")

    def count_params(self):
        return 14_350_874


OPERATORS = {"FULLY_CONNECTED": 26, "BATCH_MATMUL": 8}


@pytest.mark.parametrize(
    "profile, size",
    [
        ("float32", 56_980_000),
        ("float16", 28_520_000),
        ("dynamic_int8", 14_510_000),
        ("static_int8", 14_740_000),
        ("small", 7_710_000),
    ],
)
def test_sizes_of_a_real_model(profile, size):
    """Sizes as measured; the hollow file of this model has about 100 kB."""
    profile = load_profile(profile)
    _check_content(bytes(size), OPERATORS, OfRealSize(), profile, 1)
    for wrong in (100_000, size // 2, 2 * size):
        with pytest.raises(TinyBertError, match=f"has {wrong:,} bytes; 14,350,874 weights"):
            _check_content(bytes(wrong), OPERATORS, OfRealSize(), profile, 1)


@pytest.mark.parametrize(
    "operators, message",
    [
        ({"FULLY_CONNECTED": 25}, "'FULLY_CONNECTED': 25"),
        ({"BATCH_MATMUL": 9}, "'BATCH_MATMUL': 9"),
        ({"READ_VARIABLE": 1}, r"reads variables \(READ_VARIABLE\)"),
    ],
)
def test_other_operators_are_refused(operators, message):
    profile = load_profile("float32")
    with pytest.raises(TinyBertError, match=message):
        _check_content(bytes(56_900_000), {**OPERATORS, **operators}, OfRealSize(), profile, 1)


def test_two_lengths_have_the_operators_twice():
    twice = {name: 2 * count for name, count in OPERATORS.items()}
    _check_content(bytes(57_000_000), twice, OfRealSize(), load_profile("float32"), 2)
