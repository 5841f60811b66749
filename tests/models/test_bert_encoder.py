import math

import keras
import keras_nlp
import numpy as np
import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import (
    ARCHITECTURES,
    BertEncoder,
    BertSelfAttention,
    BertTransformerLayer,
    bert_encoder,
    gelu_tanh,
)

# === BERT in numpy, written from the paper's equations ===


def float64(variable):
    return variable.value.numpy().astype("float64")


def affine(x, dense):
    kernel, bias = map(float64, dense.weights)
    return x @ kernel + bias


def layer_norm(x, layer):
    gamma, beta = map(float64, layer.weights)
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True)) * gamma + beta


def exact_gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def head_slices(width, num_heads):
    size = width // num_heads
    return [slice(i * size, (i + 1) * size) for i in range(num_heads)]


def reference_scores(x, attention, num_heads):
    query, key = affine(x, attention.query), affine(x, attention.key)
    heads = head_slices(x.shape[-1], num_heads)
    scale = math.sqrt(x.shape[-1] // num_heads)
    return np.stack(
        [[q[:, s] @ k[:, s].T / scale for s in heads] for q, k in zip(query, key, strict=True)]
    )


def reference_block(x, scores, mask, layer):
    # The relation of scores and output: softmax(scores + mask), with nothing at padding.
    weights = np.exp(scores - scores.max(-1, keepdims=True)) * mask[:, None, None, :]
    probabilities = weights / weights.sum(-1, keepdims=True)
    value = affine(x, layer.self_attention.value)
    heads = head_slices(x.shape[-1], scores.shape[1])
    context = [probabilities[:, i] @ value[..., s] for i, s in enumerate(heads)]
    attended = affine(np.concatenate(context, -1), layer.self_attention.output_dense)
    x = layer_norm(x + attended, layer.attention_norm)
    y = affine(exact_gelu(affine(x, layer.intermediate_dense)), layer.output_dense)
    return layer_norm(x + y, layer.output_norm)


def reference_embedding(inputs, encoder):
    words = float64(encoder.token_embedding.embeddings)
    positions = float64(encoder.position_embedding.position_embeddings)
    segments = float64(encoder.segment_embedding.embeddings)
    length = inputs["token_ids"].shape[1]
    total = words[inputs["token_ids"]] + positions[:length] + segments[inputs["segment_ids"]]
    return layer_norm(total, encoder.embeddings_norm)


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_every_inner_value_is_the_papers(make_encoder, inputs, num_heads):
    encoder = make_encoder(num_heads=num_heads)
    outputs = encoder.expose(hidden_states=True, attention_scores=True)(inputs)
    x = reference_embedding(inputs, encoder)
    np.testing.assert_allclose(outputs["hidden_states"][0], x, atol=1e-5)
    for i, layer in enumerate(encoder.transformer_layers):
        scores = reference_scores(x, layer.self_attention, num_heads)
        assert scores.shape == (3, num_heads, 5, 5)
        np.testing.assert_allclose(outputs["attention_scores"][i], scores, atol=1e-5)
        x = reference_block(x, scores, inputs["padding_mask"], layer)
        np.testing.assert_allclose(outputs["hidden_states"][i + 1], x, atol=1e-5)
    np.testing.assert_allclose(outputs["sequence_output"], x, atol=1e-5)
    pooled = np.tanh(affine(x[:, 0], encoder.pooled_dense))
    np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)


def test_mean_pooling_is_the_mean_of_the_real_tokens(make_encoder, inputs):
    encoder = make_encoder(pooling="mean")
    nothing = {k: np.concatenate([v, np.zeros((1, 5), "int64")]) for k, v in inputs.items()}
    outputs = encoder(nothing)
    hidden = outputs["sequence_output"].numpy()
    means = [hidden[0].mean(0), hidden[1, :4].mean(0), hidden[2, :3].mean(0), np.zeros(8)]
    np.testing.assert_allclose(outputs["pooled_output"], means, atol=1e-6)
    # 8 x 8 and 8 weights fewer than with a pooler.
    assert make_encoder().count_params() - encoder.count_params() == 72
    again = BertEncoder.from_config(encoder.get_config())
    assert again.pooling == "mean" and again.pooled_dense is None


def test_another_pooling_is_refused(make_encoder):
    with pytest.raises(
        TinyBertError, match=r"pooling is 'max', expected one of \('cls', 'mean'"
    ):
        make_encoder(pooling="max")


def test_activations_at_one():
    # x Phi(x) at 1 is 0.84134; the tanh approximation gives 0.84119.
    encoder = BertEncoder(11, 1, 2, 8, 12)
    assert float(encoder.activation(np.float32(1))) == pytest.approx(0.8413447, abs=1e-6)
    assert float(gelu_tanh(np.float32(1))) == pytest.approx(0.8411920, abs=1e-6)


# === What it outputs ===


def test_shapes(make_encoder, inputs):
    encoder = make_encoder()
    outputs = encoder(inputs)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "sequence_output": (3, 5, 8),
        "pooled_output": (3, 8),
    }
    assert encoder.output["sequence_output"].shape == (None, None, 8)


@pytest.mark.parametrize("hidden_states", [False, True])
@pytest.mark.parametrize("attention_scores", [False, True])
def test_expose_gives_what_is_asked_for(make_encoder, inputs, hidden_states, attention_scores):
    encoder = make_encoder()
    exposed = encoder.expose(hidden_states, attention_scores)
    assert {id(w) for w in exposed.weights} == {id(w) for w in encoder.weights}
    outputs = exposed(inputs)
    expected = {"sequence_output", "pooled_output"}
    if hidden_states:
        expected.add("hidden_states")
        assert [tuple(x.shape) for x in outputs["hidden_states"]] == [(3, 5, 8)] * 3
    if attention_scores:
        expected.add("attention_scores")
        assert [tuple(x.shape) for x in outputs["attention_scores"]] == [(3, 2, 5, 5)] * 2
    assert outputs.keys() == expected
    for name, value in encoder(inputs).items():
        np.testing.assert_array_equal(outputs[name], value)


def test_padding_does_not_change_real_tokens(make_encoder, inputs):
    exposed = make_encoder().expose(hidden_states=True, attention_scores=True)
    short = {name: value[:, :3] for name, value in inputs.items()}
    short["padding_mask"] = np.ones((3, 3))
    # Whatever stands in the padding.
    padded = {
        "token_ids": np.concatenate([short["token_ids"], [[9, 10], [0, 0], [2, 3]]], 1),
        "segment_ids": np.concatenate([short["segment_ids"], [[1, 1], [0, 0], [0, 1]]], 1),
        "padding_mask": np.concatenate([short["padding_mask"], np.zeros((3, 2))], 1),
    }
    expected, outputs = exposed(short), exposed(padded)
    np.testing.assert_allclose(outputs["pooled_output"], expected["pooled_output"], atol=1e-6)
    for ours, theirs in zip(outputs["hidden_states"], expected["hidden_states"], strict=True):
        np.testing.assert_allclose(ours[:, :3], theirs, atol=1e-5)
    for ours, theirs in zip(
        outputs["attention_scores"], expected["attention_scores"], strict=True
    ):
        np.testing.assert_allclose(ours[..., :3, :3], theirs, atol=1e-5)


def test_mask_may_be_boolean_and_empty(make_encoder, inputs):
    encoder = make_encoder()
    expected = encoder(inputs)["pooled_output"]
    inputs["padding_mask"] = inputs["padding_mask"].astype(bool)
    np.testing.assert_array_equal(encoder(inputs)["pooled_output"], expected)
    inputs["padding_mask"] = np.zeros((3, 5))
    assert np.isfinite(encoder(inputs)["sequence_output"]).all()


def test_dropout_is_off_unless_training(make_encoder, inputs):
    encoder = make_encoder(dropout=0.5)
    assert encoder.attention_dropout == 0.5
    first, second = (np.array(encoder(inputs)["pooled_output"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(encoder(inputs, training=True)["pooled_output"], first)
    # Attention probabilities have a rate of their own.
    attention_only = make_encoder(dropout=0.0, attention_dropout=0.5)
    assert not np.allclose(attention_only(inputs, training=True)["pooled_output"], first)
    none = make_encoder(dropout=0.0)
    np.testing.assert_allclose(none(inputs, training=True)["pooled_output"], first, atol=1e-6)


# === Sizes ===


def bert_parameters(
    *, vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim, max_sequence_length
):
    del num_heads  # heads share out the width
    d, f = hidden_dim, intermediate_dim
    embeddings = (vocabulary_size + max_sequence_length + 2) * d + 2 * d
    attention = 4 * (d * d + d) + 2 * d
    feed_forward = (d * f + f) + (f * d + d) + 2 * d
    return embeddings + num_layers * (attention + feed_forward) + (d * d + d)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("tinybert_4l_312d", 14_350_248),
        ("tinybert_6l_768d", 66_955_008),
        ("minilm_6l_384d", 22_713_216),
        ("bert_tiny", 4_385_920),
        ("bert_mini", 11_170_560),
        ("bert_small", 28_763_648),
        ("bert_medium", 41_373_184),
        ("bert_base", 109_482_240),
        ("bert_large", 335_141_888),
    ],
)
def test_architectures_have_the_published_sizes(name, parameters):
    assert bert_parameters(**ARCHITECTURES[name]) == parameters


@pytest.mark.parametrize(
    ("name", "parameters"), [("tinybert_4l_312d", 14_350_248), ("bert_base", 109_482_240)]
)
def test_parameters(name, parameters, monkeypatch):
    # Random numbers are most of the time that a large model takes.
    monkeypatch.setattr(bert_encoder, "_initializer", keras.initializers.Zeros)
    assert BertEncoder.from_preset(name, load_weights=False).count_params() == parameters


# === Saving and loading ===


@pytest.mark.parametrize("activation", ["gelu", "relu", gelu_tanh])
def test_config_round_trip(make_encoder, activation):
    settings = {
        "activation": activation,
        "dropout": 0.2,
        "attention_dropout": 0.3,
        "num_segments": 3,
        "layer_norm_epsilon": 1e-6,
        "dtype": "mixed_bfloat16",
        "name": "some_name",
    }
    encoder = make_encoder(**settings)
    restored = BertEncoder.from_config(encoder.get_config())
    assert restored.get_config() == encoder.get_config()
    assert restored.activation is keras.activations.get(activation)
    assert restored.dtype_policy.name == "mixed_bfloat16"
    assert restored.transformer_layers[0].attention_dropout == 0.3
    assert restored.segment_embedding.input_dim == 3


@pytest.mark.parametrize(
    "layer",
    [
        BertSelfAttention(2, dropout=0.1, kernel_initializer="zeros", dtype="mixed_float16"),
        BertTransformerLayer(2, 12, gelu_tanh, 0.1, 0.2, 1e-6, "zeros", dtype="float64"),
    ],
    ids=["attention", "block"],
)
def test_layer_config_round_trip(layer):
    restored = type(layer).from_config(layer.get_config())
    assert restored.get_config() == layer.get_config()


def test_preset_round_trip(make_encoder, inputs, tmp_path):
    encoder = make_encoder(activation=gelu_tanh)
    encoder.save_to_preset(str(tmp_path))
    expected = encoder(inputs)["sequence_output"]
    for loader in (BertEncoder, keras_nlp.models.Backbone):
        restored = loader.from_preset(str(tmp_path))
        assert type(restored) is BertEncoder
        np.testing.assert_array_equal(restored(inputs)["sequence_output"], expected)
    half = BertEncoder.from_preset(str(tmp_path), dtype="bfloat16", dropout=0.3)
    assert half.variable_dtype == "bfloat16" and half.dropout == 0.3
    random = BertEncoder.from_preset(str(tmp_path), load_weights=False)
    assert not np.allclose(random(inputs)["sequence_output"], expected)


def test_keras_file_round_trip(make_encoder, inputs, tmp_path):
    encoder = make_encoder(activation=gelu_tanh)
    encoder.save(tmp_path / "encoder.keras")
    restored = keras.saving.load_model(tmp_path / "encoder.keras")
    assert type(restored) is BertEncoder
    for name, value in encoder(inputs).items():
        np.testing.assert_array_equal(restored(inputs)[name], value)


def test_named_architecture_has_no_weights():
    with pytest.raises(TinyBertError, match=r"'bert_tiny' .* without weights.*load_weights=Fa"):
        BertEncoder.from_preset("bert_tiny")
    overrides = {"num_layers": 1, "vocabulary_size": 11, "max_sequence_length": 16}
    encoder = BertEncoder.from_preset("bert_tiny", load_weights=False, **overrides)
    assert encoder.hidden_dim == 128 and len(encoder.transformer_layers) == 1


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(TinyBertError, match=r"hidden_dim=10 .* num_heads=4"):
        BertEncoder(11, num_layers=1, num_heads=4, hidden_dim=10, intermediate_dim=12)


# === Precision and compilation ===


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 0.02), ("mixed_bfloat16", 0.12)]
)
def test_mixed_precision(make_encoder, inputs, policy, tolerance):
    encoder, half = make_encoder(), make_encoder(dtype=policy)
    expected = encoder.expose(hidden_states=True, attention_scores=True)(inputs)
    outputs = half.expose(hidden_states=True, attention_scores=True)(inputs)
    assert half.variable_dtype == "float32"
    for name in ("hidden_states", "attention_scores"):
        for ours, theirs in zip(outputs[name], expected[name], strict=True):
            assert ours.dtype == half.compute_dtype
            difference = np.abs(ours.numpy().astype("float32") - theirs.numpy())
            assert difference.max() < tolerance
    # The mask holds in the narrow type: no trace of the padding's tokens.
    inputs["token_ids"] = np.where(inputs["padding_mask"], inputs["token_ids"], 9)
    changed = half(inputs)["pooled_output"]
    assert changed.numpy().tolist() == outputs["pooled_output"].numpy().tolist()


def test_jit_compiled_equals_plain(make_encoder, inputs):
    exposed = make_encoder().expose(hidden_states=True, attention_scores=True)
    expected = exposed(inputs)
    exposed.compile(jit_compile=True)
    outputs = exposed.predict(inputs, verbose=0)
    assert outputs.keys() == expected.keys()
    for name in ("hidden_states", "attention_scores"):
        for ours, theirs in zip(outputs[name], expected[name], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"], expected["pooled_output"], atol=1e-5)
