import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder
from tinybert_tf.models._quantized_weights import load_quantized_weights, save_quantized_weights


def _tiny_encoder(**overrides):
    sizes = {
        "vocabulary_size": 11,
        "num_layers": 1,
        "num_heads": 2,
        "hidden_dim": 4,
        "intermediate_dim": 6,
        "max_sequence_length": 5,
    }
    return BertEncoder(**{**sizes, **overrides})


class _OneDense(keras.Model):
    def __init__(self):
        super().__init__(name="one")
        self.dense = keras.layers.Dense(2, name="dense")
        self.dense.build((None, 2))
        self.built = True


def test_a_channel_has_its_largest_weight_at_127(tmp_path):
    model = _OneDense()
    # Column 0: largest 2.54, scale 0.02; column 1: largest 127, scale 1.
    model.dense.kernel.assign([[2.54, -127.0], [0.05, 3.4]])
    model.dense.bias.assign([0.123456, -7.0])

    save_quantized_weights(model, tmp_path / "w.safetensors")
    tensors = load_file(tmp_path / "w.safetensors")

    np.testing.assert_array_equal(tensors["dense/kernel"], [[127, -127], [2, 3]])
    assert tensors["dense/kernel"].dtype == np.int8
    np.testing.assert_allclose(tensors["dense/kernel.scale"], [[0.02, 1.0]], rtol=1e-6)
    np.testing.assert_array_equal(tensors["dense/bias"], np.float32([0.123456, -7.0]))


def test_loading_gives_scale_times_integer(tmp_path):
    model = _OneDense()
    model.dense.kernel.assign([[2.54, -127.0], [0.05, 3.4]])
    save_quantized_weights(model, tmp_path / "w.safetensors")
    other = _OneDense()

    load_quantized_weights(other, tmp_path / "w.safetensors")

    np.testing.assert_allclose(other.dense.kernel, [[2.54, -127.0], [0.04, 3.0]], rtol=1e-6)


def test_no_weight_is_off_by_more_than_half_a_step(tmp_path):
    keras.utils.set_random_seed(0)
    encoder, loaded = _tiny_encoder(), _tiny_encoder()

    save_quantized_weights(encoder, tmp_path / "w.safetensors")
    load_quantized_weights(loaded, tmp_path / "w.safetensors")

    for before, after in zip(encoder.weights, loaded.weights, strict=True):
        before, after = np.asarray(before), np.asarray(after)
        axis = -1 if "embedding" in encoder.weights[0].path and before.shape[0] == 11 else None
        step = np.abs(before).max(axis=axis, keepdims=True) / 127
        assert np.all(np.abs(before - after) <= 0.5 * step + 1e-7)


def test_an_embedding_row_of_zeros_stays_zero(tmp_path):
    encoder = _tiny_encoder()
    table = np.array(encoder.token_embedding.embeddings)
    table[3] = 0.0
    encoder.token_embedding.embeddings.assign(table)

    save_quantized_weights(encoder, tmp_path / "w.safetensors")
    load_quantized_weights(encoder, tmp_path / "w.safetensors")

    np.testing.assert_array_equal(np.asarray(encoder.token_embedding.embeddings)[3], 0.0)


def test_another_architecture_is_named(tmp_path):
    save_quantized_weights(_tiny_encoder(), tmp_path / "w.safetensors")

    with pytest.raises(TinyBertError, match=r"transformer_layer_1/.* is in the model alone"):
        load_quantized_weights(_tiny_encoder(num_layers=2), tmp_path / "w.safetensors")


def test_another_size_is_named(tmp_path):
    save_quantized_weights(_tiny_encoder(), tmp_path / "w.safetensors")

    with pytest.raises(TinyBertError, match=r"shape \(11, 4\), the model of \(13, 4\)"):
        load_quantized_weights(_tiny_encoder(vocabulary_size=13), tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [None, b"", b"not a tensor file at all"])
def test_an_unreadable_file_is_a_message(tmp_path, content):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TinyBertError, match="Cannot read the weights"):
        load_quantized_weights(_tiny_encoder(), path)


def test_the_file_of_an_unknown_tensor_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_quantized_weights(_tiny_encoder(), path)
    save_file({**load_file(path), "extra/kernel": np.zeros((2, 2), "int8")}, path)

    with pytest.raises(TinyBertError, match="extra/kernel is in the file alone"):
        load_quantized_weights(_tiny_encoder(), path)
