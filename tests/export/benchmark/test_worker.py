"""One measurement: what the worker runs, and that it is measured alone."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import Subject, measure
from tinybert_tf.export.benchmark.subjects import LITERT, WORKER


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """A file of two signatures whose outputs tell which of them ran, and on what."""
    module = tf.Module()
    functions = {}
    for length in (4, 8):
        spec = tf.TensorSpec((1, length), tf.int32)

        @tf.function(input_signature=[spec, spec, spec])
        def forward(ids, segment_ids, mask, length=length):
            sums = [tf.reduce_sum(x) for x in (ids, segment_ids, mask)]
            return {"probability": tf.cast([[length, *sums, ids[0, length - 1]]], tf.float32)}

        functions[f"length_{length}"] = forward
    module.functions = functions
    folder = tmp_path_factory.mktemp("probe")
    tf.saved_model.save(module, str(folder / "saved"), signatures=dict(functions))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    (folder / "probe.tflite").write_bytes(converter.convert())
    return folder / "probe.tflite"


@pytest.fixture
def request_for(tmp_path):
    """A function that writes texts and returns the request to run a TFLite file on them."""

    def make(path, signatures, ids, tokens, seconds=0.0):
        texts = tmp_path / "texts.npz"
        segment_ids = np.array(ids) % 2
        np.savez(texts, ids=np.array(ids), segment_ids=segment_ids, tokens=np.array(tokens))
        return {
            "runtime": [str(LITERT.file), LITERT.kind],
            "path": str(path),
            "threads": 1,
            "signatures": signatures,
            "texts": str(texts),
            "seconds": seconds,
            "outputs": str(tmp_path / "outputs.npy"),
        }

    return make


@pytest.fixture
def run(request_for):
    """A function that has the worker run a TFLite file, in this process; see `ask`."""
    worker = runpy.run_path(str(WORKER))

    def run(*args):
        request = request_for(*args)
        return worker["measure"](**request), np.load(request["outputs"])

    return run


@pytest.fixture
def ask(request_for):
    """A function that has a worker run a TFLite file; returns its answer and its outputs."""

    def ask(*args):
        request = request_for(*args)
        result = subprocess.run(
            [sys.executable, "-P", str(WORKER)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(result.stdout), np.load(request["outputs"])

    return ask


IDS = [[11, 12, 0, 0, 0, 0, 0, 0], [21, 22, 23, 24, 0, 0, 0, 0], [31, 32, 33, 34, 35, 0, 0, 0]]


def test_a_text_runs_in_the_shortest_signature_that_holds_it(run, probe):
    signatures = {"length_8": 8, "length_4": 4}
    _, outputs = run(probe, signatures, IDS, [2, 4, 5])
    # Length, sums of ids, segment ids and mask, and the last id.
    assert outputs.tolist() == [
        [4, 23, 1, 2, 0],
        [4, 90, 2, 4, 24],
        [8, 165, 3, 5, 0],
    ]


@pytest.mark.parametrize("length", [4, 8])
def test_only_the_signature_that_is_asked_for_runs(run, probe, length):
    _, outputs = run(probe, {f"length_{length}": length}, IDS[:2], [2, 4])
    assert outputs[:, 0].tolist() == [length, length]


def test_the_worker_s_outputs_are_the_interpreter_s(ask, exported, classifier, examples):
    inputs = {
        k: np.array(v) for k, v in classifier.preprocessor(list(examples.texts[0])).items()
    }
    path = exported / "dynamic_int8" / "model.tflite"
    tokens = inputs["padding_mask"].sum(-1)
    runner = Interpreter(str(path)).get_signature_runner("serving_default")
    expected = [
        runner(
            ids=inputs["token_ids"][i : i + 1],
            segment_ids=inputs["token_ids"][i : i + 1] % 2,
            mask=inputs["padding_mask"][i : i + 1],
        )["probability"][0]
        for i in range(len(tokens))
    ]
    _, outputs = ask(path, {"serving_default": 12}, inputs["token_ids"], tokens)
    np.testing.assert_array_equal(outputs, expected)
    assert np.ptp(outputs, axis=0).min() > 0.1


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_every_pass_over_the_texts_is_whole(run, probe, seconds):
    answer, outputs = run(probe, {"length_8": 8}, IDS, [2, 4, 5], seconds)
    passes, rest = divmod(len(answer["seconds"]), 3)
    assert rest == 0
    assert passes == 1 if seconds == 0.0 else passes > 1
    # Of the first pass alone.
    assert len(outputs) == 3
    assert min(answer["seconds"]) > 0
    for name in ("import_seconds", "load_seconds", "first_seconds", "cpu_seconds"):
        assert answer[name] > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_the_model_s(ask, probe, tmp_path):
    """Ten million weights take the 40 MB that the probe does not."""
    spec = tf.TensorSpec((1, 8), tf.int32)
    weights = tf.Variable(np.ones((8, 1_250_000), "float32"))

    @tf.function(input_signature=[spec, spec, spec])
    def forward(ids, segment_ids, mask):
        product = tf.cast(ids + segment_ids + mask, tf.float32) @ weights
        return {"probability": tf.reduce_sum(product, axis=-1, keepdims=True)}

    module = tf.Module()
    module.weights, module.forward = weights, forward
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"length_8": forward})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    (tmp_path / "large.tflite").write_bytes(converter.convert())
    rose = []
    for path in (probe, tmp_path / "large.tflite"):
        answer, _ = ask(path, {"length_8": 8}, IDS, [2, 4, 5])
        rose.append(answer["peak_bytes"] - answer["runtime_bytes"])
    assert 0 < rose[0] < 20e6
    assert 40e6 < rose[1] < 200e6


def test_the_worker_imports_its_runtime_and_nothing_else(probe, request_for):
    """Or memory and start would be TensorFlow's."""
    request = request_for(probe, {"length_8": 8}, IDS, [2, 4, 5])
    program = (
        "import json, runpy, sys\n"
        f"measure = runpy.run_path({str(WORKER)!r})['measure']\n"
        f"measure(**{request!r})\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    modules = set(json.loads(result.stdout.splitlines()[-1]))
    assert {"numpy", "ai_edge_litert"} <= modules
    assert not {"tensorflow", "keras", "torch", "onnxruntime", "tinybert_tf"} & modules


def test_a_worker_that_fails_is_named_with_its_reason(tmp_path):
    np.savez(tmp_path / "t.npz", ids=np.array(IDS), segment_ids=np.array(IDS), tokens=[2, 4, 5])
    (tmp_path / "model.tflite").write_bytes(b"no flatbuffer at all")
    subject = Subject("mine", LITERT, tmp_path / "model.tflite", {"length_8": 8}, "student")
    with pytest.raises(
        TinyBertError,
        match=r"measuring mine \(8 tokens, threads: 2\) ended with code 1: \w+Error",
    ):
        measure._ask_worker(measure.Row(subject, 8, 2), str(tmp_path / "t.npz"), 0.0)
