import keras
import numpy as np
import pytest
from scipy.special import erf

from tinybert_tf.models import BertMaskedLM, gelu_tanh

TEXTS = ["a b", "c"]


@pytest.fixture
def make_model(make_encoder, randomize):
    def make(preprocessor=None, **encoder_settings):
        return randomize(BertMaskedLM(make_encoder(**encoder_settings), preprocessor))

    return make


@pytest.fixture
def masked(inputs):
    return {**inputs, "mask_positions": np.array([[1, 4], [3, 1], [0, 0]])}


def reference_logits(model, hidden):
    """`LayerNorm(gelu(h W + b)) E^T + bias`, with the token embedding E."""
    head = model.masked_lm_head
    embeddings = model.backbone.token_embedding.embeddings.value.numpy()
    variables = [
        *head._intermediate_dense.weights,
        *head._intermediate_layer_norm.weights,
        head._bias,
    ]
    kernel, bias, gamma, beta, output_bias = (v.value.numpy() for v in variables)
    x = hidden @ kernel + bias
    x = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    return (x * gamma + beta) @ embeddings.T + output_bias


def test_logits(make_model, masked):
    model = make_model()
    hidden = model.expose()(masked)["sequence_output"].numpy()
    at_masks = np.take_along_axis(hidden, masked["mask_positions"][..., None], axis=1)
    logits = model(masked)
    assert logits.shape == (3, 2, 11)
    np.testing.assert_allclose(logits, reference_logits(model, at_masks), atol=1e-5)


def test_output_weights_are_the_token_embedding(make_model):
    model = make_model()
    # Dense and LayerNorm of the head and its bias; no second table.
    head = 2 + 2 + 1
    assert len(model.weights) == len(model.backbone.weights) + head


def test_expose(make_model, masked):
    model = make_model()
    outputs = model.expose(attention_scores=True)(masked)
    assert outputs.keys() == {
        "sequence_output",
        "pooled_output",
        "attention_scores",
        "predictions",
    }
    assert len(outputs["attention_scores"]) == 2
    np.testing.assert_array_equal(outputs["predictions"], model(masked))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_in_mixed_precision(make_model, masked, policy):
    expected, logits = make_model()(masked), make_model(dtype=policy)(masked)
    assert logits.dtype == "float32"
    np.testing.assert_allclose(logits, expected, atol=0.15)


def test_texts_ask_for_every_position(make_model, preprocessor):
    model = make_model(preprocessor)
    everywhere = keras.ops.convert_to_tensor([[0, 1, 2, 3, 4]] * 2)
    expected = model({**preprocessor(TEXTS), "mask_positions": everywhere})
    model.compile(run_eagerly=True)
    logits = model.predict(TEXTS, verbose=0)
    assert logits.shape == (2, 5, 11)
    np.testing.assert_allclose(logits, expected, atol=1e-6)


def test_ready_inputs_pass_the_preprocessor(make_model, preprocessor, masked):
    model = make_model(preprocessor, dropout=0.0)
    logits = model(masked).numpy()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), run_eagerly=True)
    y, weights = np.array([[5, 3], [9, 8], [0, 0]]), np.array([[1, 1], [1, 1], [0, 0]])
    loss = model.fit(masked, y, sample_weight=weights, verbose=0).history["loss"][0]
    cross_entropy = np.log(np.exp(logits).sum(-1))
    cross_entropy -= np.take_along_axis(logits, y[..., None], -1)[..., 0]
    assert loss == pytest.approx((cross_entropy * weights).sum() / 6, rel=1e-4)


def test_preset_round_trip(make_model, preprocessor, assert_same_model, masked, tmp_path):
    model = make_model(preprocessor, activation=gelu_tanh)
    model.save_to_preset(str(tmp_path))
    restored = BertMaskedLM.from_preset(str(tmp_path))
    assert_same_model(restored, model)
    assert restored.masked_lm_head.intermediate_activation is gelu_tanh
    np.testing.assert_array_equal(restored(masked), model(masked))


def test_keras_file_round_trip(make_model, preprocessor, assert_same_model, masked, tmp_path):
    model = make_model(preprocessor)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert_same_model(restored, model)
    np.testing.assert_array_equal(restored(masked), model(masked))
