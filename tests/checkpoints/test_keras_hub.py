import keras_nlp
import numpy as np
import pytest
from scipy.special import erf

from tinybert_tf.checkpoints import from_keras_hub, masked_lm_from_keras_hub
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertMaskedLM, gelu_tanh

INPUTS = {
    "token_ids": np.array([[2, 5, 6, 7, 3], [2, 8, 3, 9, 0]]),
    "segment_ids": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]),
    "padding_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
}


@pytest.fixture
def backbone():
    """A tiny KerasHub BERT whose weights are far from their initial values."""
    backbone = keras_nlp.models.BertBackbone(
        vocabulary_size=11,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        dropout=0.2,
        max_sequence_length=16,
        num_segments=3,
    )
    generator = np.random.default_rng(0)
    for variable in backbone.trainable_variables:
        center = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(generator.normal(center, 0.4, variable.shape))
    return backbone


def assert_same_outputs(encoder, backbone):
    outputs, expected = encoder(INPUTS), backbone(INPUTS)
    assert outputs.keys() == expected.keys() == {"sequence_output", "pooled_output"}
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, rtol=0, atol=1e-5)


def test_outputs(backbone):
    encoder = from_keras_hub(backbone)
    assert_same_outputs(encoder, backbone)
    assert encoder.activation is gelu_tanh
    assert encoder.dropout == encoder.attention_dropout == 0.2
    # A copy: training one leaves the other as it is.
    encoder.token_embedding.embeddings.assign(np.zeros((11, 8)))
    assert np.abs(backbone.token_embedding.embeddings.value).max() > 0


def test_scores(backbone):
    outputs = from_keras_hub(backbone).expose(True, True)(INPUTS)
    mask = INPUTS["padding_mask"]
    for i, layer in enumerate(backbone.transformer_layers):
        x, probabilities = layer(
            outputs["hidden_states"][i], padding_mask=mask, return_attention_scores=True
        )
        scores = outputs["attention_scores"][i].numpy()
        weights = np.exp(scores) * mask[:, None, None, :]
        ours = weights / weights.sum(-1, keepdims=True)
        np.testing.assert_allclose(ours, probabilities, rtol=0, atol=1e-5)
        np.testing.assert_allclose(outputs["hidden_states"][i + 1], x, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "path"])
def test_preset_directory(backbone, tmp_path, kind):
    backbone.save_to_preset(str(tmp_path))
    assert_same_outputs(from_keras_hub(kind(tmp_path)), backbone)


def test_exact_gelu_differs(backbone):
    exact = from_keras_hub(backbone, activation="gelu")
    difference = exact(INPUTS)["sequence_output"] - backbone(INPUTS)["sequence_output"]
    # Far above rounding, and as small as the approximation's error.
    assert 1e-5 < np.abs(difference).max() < 1e-2


def test_overrides(backbone):
    encoder = from_keras_hub(backbone, dropout=0.0, dtype="bfloat16", name="teacher")
    assert encoder.dropout == encoder.attention_dropout == 0.0
    assert encoder.variable_dtype == "bfloat16" and encoder.name == "teacher"


@pytest.mark.parametrize("given", [None, {"vocabulary_size": 11}])
def test_something_else(given):
    with pytest.raises(TinyBertError, match=f"got a {type(given).__name__}, expected a KerasH"):
        from_keras_hub(given)


# === Masked LM ===

MASKED_INPUTS = {**INPUTS, "mask_positions": np.array([[1, 3], [3, 0]])}


@pytest.fixture
def masked_lm(backbone):
    """A tiny KerasHub masked LM whose head is far from its initial values, too."""
    model = keras_nlp.models.BertMaskedLM(backbone)
    generator = np.random.default_rng(1)
    head = model.masked_lm_head
    for variable in head.trainable_variables:
        if variable is not backbone.token_embedding.embeddings:
            variable.assign(generator.normal(0.5, 0.4, variable.shape))
    return model


def reference_logits(masked_lm):
    """`LayerNorm(gelu(h W + b)) E^T + bias` in numpy, KerasHub's epsilon and exact GELU."""
    hidden = np.asarray(masked_lm.backbone(INPUTS)["sequence_output"])
    x = np.take_along_axis(hidden, MASKED_INPUTS["mask_positions"][..., None], axis=1)
    head = masked_lm.masked_lm_head
    kernel, bias = map(np.asarray, head._intermediate_dense.weights)
    gamma, beta = map(np.asarray, head._intermediate_layer_norm.weights)
    x = x @ kernel + bias
    x = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    table = np.asarray(masked_lm.backbone.token_embedding.embeddings)
    return (x * gamma + beta) @ table.T + np.asarray(head._bias)


def test_masked_lm(masked_lm):
    ours = masked_lm_from_keras_hub(masked_lm)
    logits = ours(MASKED_INPUTS)
    assert logits.shape == (2, 2, 11)
    np.testing.assert_allclose(logits, reference_logits(masked_lm), rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits, masked_lm(MASKED_INPUTS), rtol=0, atol=1e-5)


def test_masked_lm_through_both_presets(masked_lm, tmp_path):
    masked_lm.save_to_preset(str(tmp_path / "theirs"))
    ours = masked_lm_from_keras_hub(tmp_path / "theirs", dropout=0.0)
    assert ours.backbone.dropout == 0.0
    ours.save_to_preset(str(tmp_path / "ours"))
    restored = BertMaskedLM.from_preset(str(tmp_path / "ours"))
    # The head's own activation and epsilon, which are not the encoder's, came along.
    expected = reference_logits(masked_lm)
    np.testing.assert_allclose(restored(MASKED_INPUTS), expected, rtol=0, atol=1e-5)


def test_masked_lm_without_a_head(backbone, tmp_path):
    backbone.save_to_preset(str(tmp_path))
    with pytest.raises(TinyBertError, match=r"has no trained masked-LM head.*load_masked_lm"):
        masked_lm_from_keras_hub(tmp_path)


def test_masked_lm_of_something_else(backbone):
    with pytest.raises(TinyBertError, match="a BertBackbone, expected KerasHub's BertMask"):
        masked_lm_from_keras_hub(backbone)
