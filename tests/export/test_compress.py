"""Edits of the file, against what they are edits of."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import _compress as compress
from tinybert_tf.export import _flatbuffer as flatbuffer


def converted(layer, *specs, optimize=True):
    function = tf.function(layer, input_signature=[tf.TensorSpec(*spec) for spec in specs])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], layer
    )
    if optimize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def run(content, x):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


class Dense(tf.Module):
    """Whose channels differ a thousand times in size."""

    def __init__(self):
        super().__init__()
        random = np.random.default_rng(0)
        scale = np.geomspace(0.001, 1.0, 48)
        self.kernel = tf.constant(random.normal(size=(64, 48)) * scale, tf.float32)
        self.bias = tf.constant(random.normal(size=48) * scale, tf.float32)

    def __call__(self, x):
        return tf.matmul(x, self.kernel) + self.bias


def test_folded_scales_give_the_same_on_an_older_version():
    dense = Dense()
    content = converted(dense, ((3, 64), tf.float32))
    model = flatbuffer.parse(content)
    assert flatbuffer.minimum_runtime(model) == "2.17.0"
    compress.fold_channel_scales(model)
    assert flatbuffer.minimum_runtime(model) == "2.3.0"
    (weights,) = (t for t in model.subgraphs[0].tensors if t.type == schema.TensorType.INT8)
    assert len(weights.quantization.scale) == 1
    x = np.random.default_rng(1).normal(size=(3, 64)).astype("float32")
    before, after = run(content, x), run(flatbuffer.pack(model), x)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-6)
    # Of the small channels one scale for all weights would leave nothing.
    error = np.abs(after - dense(x).numpy()).max(0) / np.abs(dense(x)).max(0)
    assert error.max() < 0.1


class Lookup(tf.Module):
    def __init__(self, table):
        super().__init__()
        self.table = tf.constant(table, tf.float32)

    def __call__(self, ids):
        return tf.gather(self.table, ids)


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(0).normal(0.0, 0.05, (5000, 8)).astype("float32")


@pytest.mark.parametrize("optimize", [False, True], ids=["of_float32", "of_int8"])
def test_a_product_quantized_table(table, optimize):
    """Rare tokens lose what 2 bits a weight lose of a normal distribution, frequent ones less.

    A scalar quantizer of 2 bits leaves 0.1175 of the variance (Max, 1960), no code less than
    2^-4 = 0.0625 (Shannon).
    """
    counts = np.arange(5000)[::-1].copy()
    model = flatbuffer.parse(converted(Lookup(table), ((1, 50), tf.int32), optimize=optimize))
    compress.product_quantize_embedding(model, table, counts)
    content = flatbuffer.pack(model)
    assert len(content) < table.nbytes / 4
    ids = np.arange(5000, dtype=np.int32).reshape(100, 1, 50)
    rows = np.concatenate([run(content, part)[0] for part in ids])
    lost = ((rows - table) ** 2).mean(-1) / table.var()
    frequent, rare = lost[: compress.FREQUENT_TOKENS], lost[compress.FREQUENT_TOKENS :]
    assert 0.0625 < rare.mean() < 0.1175
    assert 0.0625**2 < frequent.mean() < 0.1175**2


def test_a_width_that_cannot_be_cut_is_refused():
    with pytest.raises(TinyBertError, match=r"width 18 .*dynamic_int8"):
        compress.product_quantize_embedding(None, np.zeros((9, 18), "float32"), None)


def test_an_int8_table(table):
    model = flatbuffer.parse(converted(Lookup(table), ((1, 50), tf.int32), optimize=False))
    compress.quantize_embedding(model, table)
    flatbuffer.share_buffers(model)
    content = flatbuffer.pack(model)
    assert len(content) < table.nbytes / 3
    ids = np.arange(50, dtype=np.int32)[None]
    step = np.abs(table).max() / 127
    np.testing.assert_allclose(run(content, ids)[0], table[:50], atol=step / 2 + 1e-7)


def test_a_file_without_the_table_is_refused(table):
    model = flatbuffer.parse(converted(Lookup(table), ((1, 50), tf.int32)))
    other = np.random.default_rng(2).normal(size=(50, 20)).astype("float32")
    with pytest.raises(TinyBertError, match=r"no lookup in a table of shape \(50, 20\)"):
        compress.product_quantize_embedding(model, other, np.zeros(50, "int64"))


def test_buffers_of_the_same_bytes_are_shared():
    model = flatbuffer.parse(converted(Dense(), ((3, 64), tf.float32)))
    graph = model.subgraphs[0]
    size = len(flatbuffer.pack(model))
    weights = next(t for t in graph.tensors if t.type == schema.TensorType.INT8)
    copy = flatbuffer.add_buffer(model, model.buffers[weights.buffer].data)
    flatbuffer.add_tensor(graph, b"again", (48, 64), "int8", buffer=copy, scale=1.0)
    assert len(flatbuffer.pack(model)) > size + 48 * 64
    flatbuffer.share_buffers(model)
    assert graph.tensors[-1].buffer == weights.buffer
    assert len(flatbuffer.pack(model)) < size + 1000


def test_packing_keeps_the_model(table):
    content = converted(Lookup(table), ((1, 50), tf.int32), optimize=False)
    packed = flatbuffer.pack(flatbuffer.parse(content))
    ids = np.arange(50, dtype=np.int32)[None]
    np.testing.assert_array_equal(run(packed, ids), run(content, ids))
    assert flatbuffer.pack(flatbuffer.parse(packed)) == packed
