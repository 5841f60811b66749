import keras_nlp
import numpy as np
import pytest

from tinybert_tf.checkpoints import from_keras_hub
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import gelu_tanh

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
