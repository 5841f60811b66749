"""The peers of `benchmarks/export_latency.py` that other runtimes run."""

import importlib.util
import pathlib
import runpy

import pytest

from tinybert_tf.export.benchmark import PEERS, Settings, benchmark

BENCHMARKS = pathlib.Path(__file__).resolve().parents[3] / "benchmarks"
_PACKAGES = ("onnx", "onnxruntime", "torch", "transformers")


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location(
        "export_latency_peers", BENCHMARKS / "export_latency_peers.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_workers_find_the_runtimes(module, make_classifier, tmp_path, monkeypatch):
    """Without the packages, which the classes import when they are made."""
    monkeypatch.setattr(module, "run_script", lambda *args: (tmp_path / "x.onnx").touch())
    assert module.PEERS.keys() == {"onnx_int8", "pytorch"}
    assert not module.PEERS.keys() & PEERS.keys()
    model = make_classifier(num_layers=1)
    for name, peer in module.PEERS.items():
        (subject,) = peer.make(name, model, [6, 12], tmp_path)
        assert (subject.name, subject.reference) == (name, peer.reference)
        assert subject.signatures == {} and subject.gives_logits
        runtime = runpy.run_path(str(subject.runtime.file))[subject.runtime.kind]
        assert {"load", "prepare", "__call__", "integers"} <= vars(runtime).keys()


@pytest.mark.skipif(
    any(importlib.util.find_spec(package) is None for package in _PACKAGES),
    reason="needs the extra [benchmark]",
)
def test_they_compute_what_the_student_does(module, float32, classifier, examples):
    """At every length; each real text as long as it is."""
    report = benchmark(
        float32,
        ["onnx_int8", "pytorch"],
        keras_models={"student": classifier},
        examples=examples,
        settings=Settings(lengths=[6, 12], rounds=1, seconds=0.0),
        known_peers=module.PEERS,
    )
    rows = {(r["model"], r["length"]): r for r in report["results"]}
    for length in (6, 12, None):
        assert rows["pytorch", length]["check"]["max_difference"] < 1e-5
        assert 1e-5 < rows["onnx_int8", length]["check"]["max_difference"] < 0.2
        assert rows["onnx_int8", length]["calls"] == (41 if length is None else 8)
        ratios = rows["float32 multi", length]["times_as_fast_as"]
        assert {"onnx_int8", "pytorch"} <= ratios.keys()
