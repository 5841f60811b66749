"""The file against Keras, and its inputs, outputs and operators."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy import special

from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.data import Examples, encode_examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import TfliteModel, convert, load_profile, profile_names

LENGTH = 12
NAMES = {"ids": "token_ids", "segment_ids": "segment_ids", "mask": "padding_mask"}


def run(content, inputs, signature="serving_default"):
    """What the file's outputs are for each row, by LiteRT alone."""
    runner = Interpreter(model_content=content).get_signature_runner(signature)
    rows = range(len(inputs["token_ids"]))
    outputs = [runner(**{k: inputs[v][i : i + 1] for k, v in NAMES.items()}) for i in rows]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


@pytest.fixture(scope="module")
def inputs(classifier, examples):
    """Padded inputs of single texts, and with a second segment that no single text has."""
    inputs = {
        k: np.array(v) for k, v in classifier.preprocessor(list(examples.texts[0])).items()
    }
    inputs["segment_ids"][::2, 2:] = inputs["padding_mask"][::2, 2:]
    return inputs


@pytest.fixture(scope="module")
def probabilities(classifier, inputs):
    expected = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    # A test of nothing, were all texts alike.
    assert np.ptp(expected, axis=0).min() > 0.3
    assert np.bincount(expected.argmax(-1), minlength=3).min() >= 2
    return expected


@pytest.mark.parametrize(
    "profile, most, mean",
    [
        ("float32", 1e-5, 1e-6),
        ("float16", 1e-2, 1e-3),
        ("dynamic_int8", 0.1, 0.02),
        ("static_int8", 0.4, 0.04),
        ("small", 0.2, 0.03),
    ],
)
def test_probabilities_are_those_of_keras(
    convert_classifier, inputs, probabilities, profile, most, mean
):
    outputs = run(convert_classifier(profile), inputs)
    assert list(outputs) == ["probability"]
    np.testing.assert_allclose(outputs["probability"], probabilities, atol=most)
    assert np.abs(outputs["probability"] - probabilities).mean() < mean
    same = outputs["probability"].argmax(-1) == probabilities.argmax(-1)
    # A vocabulary of letters has too few rows to cluster well.
    assert np.mean(same) >= (0.9 if profile == "small" else 0.95)


@pytest.mark.parametrize("profile", profile_names())
def test_inputs_and_output_of_the_file(convert_classifier, inputs, profile):
    interpreter = Interpreter(model_content=convert_classifier(profile))
    assert list(interpreter.get_signature_list()) == ["serving_default"]
    # Task Library goes by the order of the tensors.
    details = interpreter.get_input_details()
    assert [detail["name"] for detail in details] == ["ids", "segment_ids", "mask"]
    for detail in details:
        assert detail["shape"].tolist() == [1, LENGTH]
        assert detail["dtype"] == np.int32
    (detail,) = interpreter.get_output_details()
    assert detail["name"] == "probability"
    assert detail["shape"].tolist() == [1, 3]
    assert detail["dtype"] == np.float32
    outputs = run(convert_classifier(profile), inputs)["probability"]
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("profile", profile_names())
def test_operators_are_those_of_two_layers(convert_classifier, profile):
    """Fused dense layers and nothing stateful: 6 a layer, pooler and classifier."""
    operators = TfliteModel(convert_classifier(profile)).operators()
    assert operators["FULLY_CONNECTED"] == 14
    assert operators["BATCH_MATMUL"] == 4
    # The softmax of each layer and of the output, and the embeddings looked up.
    assert operators["SOFTMAX"] == 3
    assert not [name for name in operators if "VAR" in name]
    # A static shape needs no operator to find it out.
    assert "SHAPE" not in operators


@pytest.mark.parametrize(
    "profile, most",
    [
        ("float32", 1e-5),
        *(
            pytest.param(*values, marks=pytest.mark.slow)
            for values in (("dynamic_int8", 0.1), ("static_int8", 0.4), ("small", 0.2))
        ),
    ],
)
def test_the_mean_of_the_tokens_is_pooled_as_in_keras(make_classifier, inputs, profile, most):
    """Without a pooler, and without the padding."""
    model = make_classifier(pooling="mean")
    encoded = encode_examples(Examples((tuple("abcdefgh"),), np.zeros(8)), model.preprocessor)
    content = convert(model, (12, 16), load_profile(profile), encoded)
    assert TfliteModel(content).operators()["FULLY_CONNECTED"] == 2 * 13
    expected = special.softmax(keras.ops.convert_to_numpy(model(inputs)), axis=-1)
    assert np.ptp(expected, axis=0).min() > 0.3
    for length in (12, 16):
        padded = {k: np.pad(v, ((0, 0), (0, length - 12))) for k, v in inputs.items()}
        outputs = run(content, padded, f"length_{length}")["probability"]
        np.testing.assert_allclose(outputs, expected, atol=most)


def test_quantization_shrinks_the_weights(classifier, convert_classifier):
    sizes = {profile: len(convert_classifier(profile)) for profile in profile_names()}
    saved = sizes["float32"] - sizes["float16"]
    assert saved == pytest.approx(2 * classifier.count_params(), rel=0.3)
    # Kernels alone: six in each of two layers, and the pooler's.
    kernels = 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32
    saved = sizes["float32"] - sizes["dynamic_int8"]
    assert saved == pytest.approx(3 * kernels, rel=0.3)


def test_padding_changes_nothing(convert_classifier, inputs):
    """Whatever ids stand where the mask is 0."""
    content = convert_classifier("float32")
    other = {**inputs, "token_ids": np.where(inputs["padding_mask"], inputs["token_ids"], 7)}
    first, second = (run(content, x)["probability"] for x in (inputs, other))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_all_lengths_of_a_file_give_the_same(convert_classifier, inputs, probabilities):
    content = convert_classifier("float32", (12, 16, 32))
    assert TfliteModel(content).signatures == {
        "length_12": 12,
        "length_16": 16,
        "length_32": 32,
    }
    for length in (12, 16, 32):
        padded = {k: np.pad(v, ((0, 0), (0, length - 12))) for k, v in inputs.items()}
        outputs = run(content, padded, f"length_{length}")["probability"]
        np.testing.assert_allclose(outputs, probabilities, atol=1e-5)


@pytest.mark.parametrize("profile", profile_names())
def test_lengths_share_their_weights(convert_classifier, profile):
    """A second length adds a graph, whose size the weights do not change."""
    one, two = convert_classifier(profile), convert_classifier(profile, (6, 12))
    kernels = 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32
    graph = len(one) - kernels * {"float32": 4, "float16": 2}.get(profile, 1)
    assert len(two) - len(one) < graph


def test_each_text_runs_in_the_shortest_length(convert_classifier, classifier, examples):
    model = TfliteModel(convert_classifier("float32", (12, 16, 32)))
    assert [model.length_for(tokens) for tokens in (3, 12, 13, 16, 17, 32)] == [
        12, 12, 16, 16, 32, 32,
    ]  # fmt: skip
    classifier.preprocessor.sequence_length = 32
    encoded = encode_examples(examples, classifier.preprocessor)
    inputs = classifier.preprocessor(list(examples.texts[0]))
    classifier.preprocessor.sequence_length = LENGTH
    assert encoded.lengths.max() == 28
    expected = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    np.testing.assert_allclose(model.predict(encoded)["probability"], expected, atol=1e-5)


def test_a_regressor_gives_its_score_as_it_is(regressor, convert_once, inputs):
    outputs = run(convert_once("regressor", regressor), inputs)
    assert list(outputs) == ["score"]
    expected = keras.ops.convert_to_numpy(regressor(inputs))
    np.testing.assert_allclose(outputs["score"], expected, rtol=1e-5, atol=1e-5)
    # A softmax over one output would be 1 everywhere.
    assert np.ptp(outputs["score"]) > 0.1


def test_a_span_classifier_gives_start_and_end_logits(span_classifier, convert_once, inputs):
    outputs = run(convert_once("spans", span_classifier), inputs)
    expected = span_classifier(inputs)
    assert sorted(outputs) == sorted(expected) == ["end_logits", "start_logits"]
    for name, values in expected.items():
        assert np.ptp(values) > 1.0
        np.testing.assert_allclose(outputs[name], values, rtol=1e-4, atol=1e-5)


def test_a_model_that_gives_probabilities_gets_no_second_softmax(make_classifier, inputs):
    model = make_classifier(activation="softmax", num_layers=1)
    outputs = run(convert(model, (LENGTH,), load_profile("float32")), inputs)
    expected = keras.ops.convert_to_numpy(model(inputs))
    np.testing.assert_allclose(outputs["probability"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("profile", ["static_int8", "small"])
def test_profiles_that_measure_want_examples(classifier, profile):
    with pytest.raises(TinyBertError, match=rf"{profile} measures on examples.*calibration"):
        convert(classifier, (LENGTH,), load_profile(profile))


@pytest.mark.parametrize("length", [2, 33])
def test_a_length_outside_the_position_table_is_refused(classifier, length):
    with pytest.raises(TinyBertError, match=rf"A length of {length} tokens .* 3 to 32"):
        convert(classifier, (LENGTH, length), load_profile("float32"))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_refused(make_classifier, dtype):
    """However the model came by it: of its own or of its encoder."""
    with pytest.raises(TinyBertError, match=rf"computes in {dtype}.*dtype='float32'"):
        convert(make_classifier(dtype=dtype), (LENGTH,), load_profile("float32"))


# === Names ===


@pytest.fixture(scope="module")
def twin(classifier):
    """The same model with the names that it has in a process that made others before."""
    encoder = {**classifier.backbone.get_config(), "name": "bert_encoder_9"}
    config = {
        **classifier.get_config(),
        "name": "bert_text_classifier_7",
        "backbone": type(classifier.backbone).from_config(encoder),
    }
    twin = type(classifier).from_config(config)
    twin.set_weights(classifier.get_weights())
    return twin


def test_what_is_saved_has_names_of_its_own(classifier, twin, tmp_path):
    """The files but the one with the time, and the hashes with its hash, are the same."""
    files = []
    for model in (classifier, twin):
        folder = tmp_path / model.name
        save_preset(model, classifier.preprocessor, folder)
        files.append(
            {
                path.relative_to(folder): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file() and path.name not in ("metadata.json", "hashes.json")
            }
        )
    assert files[0] == files[1] and len(files[0]) > 3


@pytest.mark.parametrize(
    "profile", ["float32", pytest.param("dynamic_int8", marks=pytest.mark.slow)]
)
def test_what_is_converted_has_names_of_its_own(convert_classifier, twin, profile):
    assert convert(twin, [LENGTH], load_profile(profile)) == convert_classifier(profile)
