"""What the benchmark runs, in which order, and what it makes of the times; never how fast."""

import dataclasses
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tinybert_tf.checkpoints import load_text_classifier
from tinybert_tf.commands import benchmark as command
from tinybert_tf.commands.benchmark import run_command
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import (
    PEERS,
    STATIC_FILE,
    benchmark,
    figures,
    measure,
    peers,
    phone_commands,
    read_bundles,
)
from tinybert_tf.export.benchmark.subjects import Subject, common_tokenizer
from tinybert_tf.export.bundle import export_bundle
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

WORKER = pathlib.Path(measure.__file__).with_name("worker.py")
# So tiny that its file is converted in a moment.
TINY = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
TINY["max_sequence_length"] = 16


@pytest.fixture(scope="module")
def exported(classifier, examples, tmp_path_factory):
    """Bundles of the classifier for 12 tokens, and for 6 and 12, by profile."""
    folder = tmp_path_factory.mktemp("bundles")
    for profile in ("float32", "dynamic_int8"):
        export_bundle(classifier, examples, folder / profile, profile, 12, lengths=(6, 12))
    return folder


@pytest.fixture(scope="module")
def float32(exported):
    """The bundle of profile float32, read."""
    return read_bundles([exported / "float32"])


@pytest.fixture(scope="module")
def both(exported):
    """The bundles of profiles float32 and dynamic_int8."""
    return read_bundles([exported / "float32", exported / "dynamic_int8"])


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
def ask(tmp_path):
    """A function that has a worker run a TFLite file; returns its answer and its outputs."""

    def ask(path, signatures, ids, tokens, seconds=0.0):
        texts, outputs = tmp_path / "texts.npz", tmp_path / "outputs.npy"
        segment_ids = np.array(ids) % 2
        np.savez(texts, ids=np.array(ids), segment_ids=segment_ids, tokens=np.array(tokens))
        request = {
            "runtime": "litert",
            "path": str(path),
            "threads": 1,
            "signatures": signatures,
            "texts": str(texts),
            "seconds": seconds,
            "outputs": str(outputs),
        }
        result = subprocess.run(
            [sys.executable, "-P", str(WORKER)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(result.stdout), np.load(outputs)

    return ask


@pytest.fixture
def recorded(monkeypatch):
    """Replaces the processes; the list has every row in the order in which it was measured.

    A call takes as many milliseconds as the text has tokens, of real texts 5; a multi-length
    file half of it; the second time everything takes 1 ms longer.
    """
    rows = []

    def answer(row, texts, seconds, outputs=None):
        rows.append((row.subject.name, row.length, row.threads, seconds))
        took = float(row.length or 5) * (0.5 if "multi" in row.subject.name else 1.0)
        took += float(rows.count(rows[-1]) - 1)
        return {
            "import_seconds": 0.1,
            "load_seconds": 0.02,
            "first_seconds": 0.003,
            "seconds": [1e-3 * took, 3e-3 * took, 1e-3 * took],
            "cpu_seconds": 0.9,
            "runtime_bytes": 30_000_000,
            "peak_bytes": 50_000_000,
        }

    monkeypatch.setattr(measure, "_ask_worker", answer)
    return rows


# === The worker ===

IDS = [[11, 12, 0, 0, 0, 0, 0, 0], [21, 22, 23, 24, 0, 0, 0, 0], [31, 32, 33, 34, 35, 0, 0, 0]]


def test_a_text_runs_in_the_shortest_signature_that_holds_it(ask, probe):
    signatures = {"length_8": 8, "length_4": 4}
    _, outputs = ask(probe, signatures, IDS, [2, 4, 5])
    # Length, sums of ids, segment ids and mask, and the last id.
    assert outputs.tolist() == [
        [4, 23, 1, 2, 0],
        [4, 90, 2, 4, 24],
        [8, 165, 3, 5, 0],
    ]


@pytest.mark.parametrize("length", [4, 8])
def test_only_the_signature_that_is_asked_for_runs(ask, probe, length):
    _, outputs = ask(probe, {f"length_{length}": length}, IDS[:2], [2, 4])
    assert outputs[:, 0].tolist() == [length, length]


def test_the_worker_s_outputs_are_the_interpreter_s(ask, exported, classifier, examples):
    inputs = {
        k: np.array(v) for k, v in classifier.preprocessor(list(examples.texts[0])).items()
    }
    path = exported / "dynamic_int8" / "model.tflite"
    tokens = inputs["padding_mask"].sum(-1)
    run = Interpreter(str(path)).get_signature_runner("serving_default")
    expected = [
        run(
            ids=inputs["token_ids"][i : i + 1],
            segment_ids=inputs["token_ids"][i : i + 1] % 2,
            mask=inputs["padding_mask"][i : i + 1],
        )["probability"][0]
        for i in range(len(tokens))
    ]
    _, outputs = ask(path, {"serving_default": 12}, inputs["token_ids"], tokens)
    np.testing.assert_array_equal(outputs, expected)
    assert np.ptp(outputs, axis=0).min() > 0.1


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_every_pass_over_the_texts_is_whole(ask, probe, seconds):
    answer, outputs = ask(probe, {"length_8": 8}, IDS, [2, 4, 5], seconds)
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


def test_the_worker_imports_its_runtime_and_nothing_else(probe, tmp_path):
    """Or memory and start would be TensorFlow's."""
    np.savez(tmp_path / "t.npz", ids=np.array(IDS), segment_ids=np.array(IDS), tokens=[2, 4, 5])
    program = (
        "import json, runpy, sys\n"
        f"measure = runpy.run_path({str(WORKER)!r})['measure']\n"
        f"measure('litert', {str(probe)!r}, 1, {{'length_8': 8}}, "
        f"{str(tmp_path / 't.npz')!r}, 0.0)\n"
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
    subject = Subject("mine", "litert", tmp_path / "model.tflite", {"length_8": 8}, "student")
    with pytest.raises(
        TinyBertError,
        match=r"measuring mine \(8 tokens, threads: 2\) ended with code 1: \w+Error",
    ):
        measure._ask_worker(measure.Row(subject, 8, 2), str(tmp_path / "t.npz"), 0.0)


# === Order and figures ===


def test_every_round_measures_each_row_once_and_in_one_order(both, recorded):
    report = benchmark(both, threads=[2, 1], rounds=3, seconds=0.25)
    once = [
        (name, length, threads, 0.25)
        for threads in (1, 2)
        for length, names in (
            (6, ["float32 multi", "dynamic_int8 multi"]),
            (12, ["float32", "float32 multi", "dynamic_int8", "dynamic_int8 multi"]),
        )
        for name in names
    ]
    assert recorded == once * 3
    rows = [(r["model"], r["length"], r["threads"], 0.25) for r in report["results"]]
    assert rows == once
    assert all(r["check"] is None and len(r["rounds"]) == 3 for r in report["results"])


def test_real_texts_are_one_pass_each(float32, recorded, examples):
    benchmark(float32, examples=examples, lengths=[12], rounds=2)
    assert (
        recorded
        == [
            ("float32", 12, 1, 2.0),
            ("float32 multi", 12, 1, 2.0),
            ("float32", None, 1, 0.0),
            ("float32 multi", None, 1, 0.0),
        ]
        * 2
    )


def test_percentiles_are_over_all_rounds():
    random = np.random.default_rng(0)
    times = [random.gamma(2.0, 1e-3, count) for count in (40, 60, 50)]
    answers = [
        {
            "seconds": list(t),
            "import_seconds": 0.5 * i,
            "load_seconds": 0.01 * i,
            "first_seconds": 0.03 - 0.01 * i,
            "cpu_seconds": 1.0 - 0.1 * i,
            "runtime_bytes": 1e7,
            "peak_bytes": (3 + i) * 1e7,
        }
        for i, t in enumerate(times)
    ]
    row = figures.summarize(answers)
    assert row["calls"] == 150
    together = 1e3 * np.concatenate(times)
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        assert row["milliseconds"][name] == pytest.approx(np.percentile(together, percent))
    assert row["milliseconds"]["mean"] == pytest.approx(together.mean())
    assert [r["p50"] for r in row["rounds"]] == pytest.approx(
        [1e3 * np.median(t) for t in times]
    )
    assert [r["mean"] for r in row["rounds"]] == pytest.approx([1e3 * t.mean() for t in times])
    # Load and first call belong together: their sum is 30 ms in every round.
    assert row["start_milliseconds"] == pytest.approx(30)
    assert row["load_milliseconds"] == pytest.approx(10)
    assert row["first_milliseconds"] == pytest.approx(20)
    assert row["import_milliseconds"] == pytest.approx(500)
    assert row["cores_busy"] == pytest.approx(0.9)
    assert row["peak_megabytes"] == pytest.approx(40)
    assert row["model_megabytes"] == pytest.approx(30)


def test_without_proc_there_is_no_memory():
    answer = dict.fromkeys(
        ("import_seconds", "load_seconds", "first_seconds", "cpu_seconds"), 0.1
    )
    answer |= {"seconds": [0.1], "runtime_bytes": None, "peak_bytes": None}
    row = figures.summarize([answer])
    assert row["peak_megabytes"] is None and row["model_megabytes"] is None


def test_a_ratio_is_the_median_of_the_rounds():
    """4, 2 and 5 times as fast; the ratio of the medians over all rounds would be 5."""
    ours = {"rounds": [{"p50": p, "mean": 2 * p} for p in (1.0, 5.0, 2.0)]}
    theirs = {"rounds": [{"p50": p, "mean": 3 * p} for p in (4.0, 10.0, 10.0)]}
    assert figures.times_as_fast(ours, theirs, 128) == pytest.approx(4.0)
    # Of real texts by the time of all.
    assert figures.times_as_fast(ours, theirs, None) == pytest.approx(4.0 * 1.5)


def test_what_rows_are_compared_with(float32, recorded, examples, classifier, monkeypatch):
    monkeypatch.setattr(measure, "_check_outputs", lambda *args: {})
    report = benchmark(float32, ["teacher"], teacher=classifier, examples=examples, rounds=2)
    ratios = {(r["model"], r["length"]): r["times_as_fast_as"] for r in report["results"]}
    # The rounds of 12 tokens take 12 and 13 ms, of the multi-length file 6 and 7.
    whole, half = pytest.approx(1.0), pytest.approx((12 / 6 + 13 / 7) / 2)
    assert ratios == {
        # The teacher is measured at the static length.
        ("float32 multi", 6): {},
        ("float32", 12): {"teacher": whole},
        ("float32 multi", 12): {"teacher": half},
        ("teacher", 12): {},
        # And not on texts.
        ("float32", None): {},
        ("float32 multi", None): {STATIC_FILE: pytest.approx((5 / 2.5 + 6 / 3.5) / 2)},
    }


# === Peers ===


def test_a_whole_benchmark(exported, both, classifier, make_classifier, examples, monkeypatch):
    """Files and TFLite peers, run and compared with Keras; a BERT-base of a moment."""
    monkeypatch.setitem(peers.ARCHITECTURES, "bert_base", TINY)
    report = benchmark(
        both,
        ["teacher", "bert_base", "teacher"],
        student=classifier,
        teacher=make_classifier(seed=5),
        examples=examples,
        rounds=1,
        seconds=0.0,
    )
    rows = {(r["model"], r["length"]): r for r in report["results"]}
    assert len(rows) == len(report["results"]) == 12
    for (model, length), row in rows.items():
        # Eight random texts, or every real one.
        assert row["calls"] == (41 if length is None else 8), model
        assert row["check"]["texts"] == 41
        if "int8" in model:
            assert 1e-5 < row["check"]["max_difference"] < 0.2
            assert row["check"]["agreement"] >= 0.9
        else:
            assert row["check"]["max_difference"] < 1e-5
            assert row["check"]["agreement"] == 1.0
        times = row["milliseconds"]
        assert 0 < times["p50"] <= times["p90"] <= times["p99"]
        assert row["start_milliseconds"] > 0
    assert rows["dynamic_int8 multi", None]["times_as_fast_as"].keys() == {STATIC_FILE}
    assert rows["dynamic_int8", 12]["times_as_fast_as"].keys() == {"teacher", "bert_base"}
    assert rows["teacher", 12]["times_as_fast_as"] == {}
    size = (exported / "dynamic_int8" / "model_multi.tflite").stat().st_size
    assert report["models"]["dynamic_int8 multi"] == {
        "runtime": "litert",
        "megabytes": size / 1e6,
    }
    assert report["settings"] == {
        "peers": {name: PEERS[name].about for name in ("teacher", "bert_base")},
        "rounds": 1,
        "seconds": 0.0,
        "seed": 42,
    }


@pytest.mark.skipif(
    any(importlib.util.find_spec(p) is None for p in PEERS["onnx_int8"].packages),
    reason="needs the extra [benchmark]",
)
def test_peers_of_other_runtimes_compute_what_the_student_does(float32, classifier, examples):
    """At every length; each real text as long as it is."""
    report = benchmark(
        float32,
        ["onnx_int8", "pytorch"],
        student=classifier,
        examples=examples,
        lengths=[6, 12],
        rounds=1,
        seconds=0.0,
    )
    rows = {(r["model"], r["length"]): r for r in report["results"]}
    for length in (6, 12, None):
        assert rows["pytorch", length]["check"]["max_difference"] < 1e-5
        assert 1e-5 < rows["onnx_int8", length]["check"]["max_difference"] < 0.2
        assert rows["onnx_int8", length]["calls"] == (41 if length is None else 8)
        ratios = rows["float32 multi", length]["times_as_fast_as"]
        assert {"onnx_int8", "pytorch"} <= ratios.keys()


def test_a_model_that_computes_something_else_is_refused(
    float32, make_classifier, examples, monkeypatch
):
    monkeypatch.setattr(measure, "_measure", lambda *args: pytest.fail("nothing is timed"))
    with pytest.raises(
        TinyBertError, match=r"float32 multi \(6 tokens.*does not compute.*Keras student.*run\?"
    ):
        benchmark(float32, student=make_classifier(seed=9), examples=examples)


def test_agreement_is_of_labels_or_correlation():
    expected = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    outputs = np.array([[0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    assert figures.compare_outputs(outputs, expected) == {
        "texts": 4,
        "max_difference": pytest.approx(0.2),
        "agreement": 0.75,
    }
    scores = np.array([[1.0], [2.0], [4.0]])
    assert figures.compare_outputs(3 - scores, scores)["agreement"] == pytest.approx(-1.0)


# === What cannot be measured ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peers": ["onnx_int"]}, r"no peer 'onnx_int'.*teacher, bert_base.*'onnx_int8'\?"),
        ({"peers": ["teacher"]}, r"the run's teacher, TFLite float32\. Name the run.*--run"),
        ({"lengths": [12, 8]}, r"length 8; there are 6, 12\."),
        ({"threads": [0]}, r"threads \[0\], rounds 5: each must be 1 or more"),
        ({"rounds": 0}, r"rounds 0"),
    ],
)
def test_arguments_that_cannot_be_used(float32, recorded, arguments, message):
    with pytest.raises(TinyBertError, match=message):
        benchmark(float32, **arguments)
    assert recorded == []


def test_a_runtime_that_is_not_installed_is_named_with_its_extra(
    float32, classifier, monkeypatch
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: (
            None if name in ("onnxruntime", "torch") else find_spec(name, *args)
        ),
    )
    with pytest.raises(TinyBertError, match=r"pytorch wants torch.*tinybert-tf\[benchmark\]"):
        benchmark(float32, ["pytorch"], student=classifier)


def test_a_student_of_another_vocabulary_is_refused(float32, tiny_bert):
    student = load_text_classifier(tiny_bert)
    with pytest.raises(TinyBertError, match=r"student has 72 tokens.*bundles have 31"):
        benchmark(float32, student=student)


def test_folders_that_are_no_bundles(exported, tmp_path):
    for paths, message in (
        ([], "No bundle was named"),
        ([tmp_path / "absent"], "absent"),
        ([exported / "float32", tmp_path / ".." / exported / "float32"], "named twice"),
    ):
        with pytest.raises(TinyBertError, match=message):
            read_bundles(paths)
    altered = shutil.copytree(exported / "float32", tmp_path / "altered")
    with (altered / "model.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(TinyBertError, match=r"altered/model\.tflite"):
        read_bundles([exported / "float32", altered])


def test_bundles_of_one_name_are_told_apart(exported, tmp_path):
    paths = [tmp_path / run / "export" / "int8" for run in ("first", "second")]
    for path in paths:
        shutil.copytree(exported / "float32", path)
    names = [bundle.name for bundle in read_bundles(paths)]
    assert names == ["first/export/int8", "second/export/int8"]


def test_bundles_of_two_vocabularies_are_refused(both):
    assert common_tokenizer(both).vocabulary_size() == 31
    first, second = both
    tokenizer = {**second.info["tokenizer"], "lowercase": False}
    cased = dataclasses.replace(second, info={**second.info, "tokenizer": tokenizer})
    with pytest.raises(TinyBertError, match="float32, dynamic_int8 do not have the same"):
        common_tokenizer([first, cased])


# === The command ===


def test_the_command_s_file_and_tables(exported, recorded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    arguments = [
        "benchmark",
        "float32",
        "--lengths=6,12",
        f"--output={tmp_path / 'new/x.json'}",
    ]
    monkeypatch.setattr(sys, "argv", ["__main__.py", *arguments])
    report = run_command(
        ["float32"], threads=[1, 2], lengths=[6, 12], output=str(tmp_path / "new/x.json")
    )
    content = (tmp_path / "new" / "x.json").read_text("utf-8")
    written = json.loads(content)
    assert written == json.loads(json.dumps(report))
    assert written["command"] == (
        "python -m tinybert_tf.export benchmark float32 --lengths=6,12 --output=x.json"
    )
    assert not [root for root in ("/tmp", "/home", str(tmp_path)) if root in content]
    assert {"tensorflow", "ai-edge-litert"} <= written["versions"].keys()
    assert written["machine"]["cores"] >= 1
    assert written["settings"]["seed"] == 42
    assert len(written["results"]) == 6
    printed = capsys.readouterr().out
    # Percentiles of 12, 36, 12, 13, 39, 13, ..., 16, 48, 16 ms; start, peak and model.
    assert re.search(r"float32 +12 +1 +15\.0 +43\.8 +47\.6 +23\.0 +50\.0 +20\.0 +0\.", printed)
    for line in phone_commands(*read_bundles(["float32"]), [1, 2]):
        assert line in printed


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("runs/x", "runs/x"),
        ("{here}/runs/x", "runs/x"),
        ("--run={here}/runs/x", "--run=runs/x"),
        ("--output=/elsewhere/y.json", "--output=y.json"),
        ("/elsewhere/bundle", "bundle"),
        ("--lengths=16,32", "--lengths=16,32"),
    ],
)
def test_recorded_commands_name_no_place_of_a_machine(argument, shown):
    argument = argument.format(here=pathlib.Path.cwd())
    assert command._portable(argument) == shown


def test_models_and_texts_of_a_run(make_tiny_values, tiny_bert, tmp_path):
    config = parse_config(make_tiny_values(tmp_path / "run"), "test")
    run = RunDirectory.create(config, resume=False)
    student = load_text_classifier(tiny_bert)
    student.save_to_preset(str(run.student))
    loaded = command._load_run(str(run.path), ["pytorch"])
    assert loaded["teacher"] is None
    np.testing.assert_array_equal(
        loaded["student"].output_dense.kernel, student.output_dense.kernel
    )
    lines = pathlib.Path(config.data.test).read_text("utf-8").splitlines()[1:]
    assert loaded["examples"].texts == (tuple(line.split("\t")[0] for line in lines),)
    with pytest.raises(TinyBertError, match="teacher holds no classifier"):
        command._load_run(str(run.path), ["teacher"])


def test_the_phone_s_command_lines(exported, float32):
    (bundle,) = float32
    folder = exported / "float32"
    tool = "adb shell /data/local/tmp/benchmark_model"
    model = "/data/local/tmp/float32_model.tflite"
    multi = "/data/local/tmp/float32_model_multi.tflite"

    def run(file, length, threads):
        return (
            f"{tool} --graph={file} --num_threads={threads} --use_xnnpack=true "
            "--input_layer=ids,segment_ids,mask "
            f"--input_layer_shape=1,{length}:1,{length}:1,{length} "
            "--input_layer_value_range=ids,0,30:segment_ids,0,0:mask,1,1"
        )

    assert phone_commands(bundle, [1, 4]) == [
        f"adb push {folder}/model.tflite {model}",
        run(model, 12, 1),
        run(model, 12, 4),
        f"adb push {folder}/model_multi.tflite {multi}",
        run(multi, 6, 1) + " --signature_to_run_for=length_6",
        run(multi, 6, 4) + " --signature_to_run_for=length_6",
        run(multi, 12, 1) + " --signature_to_run_for=length_12",
        run(multi, 12, 4) + " --signature_to_run_for=length_12",
    ]


def test_the_phone_has_no_folders_of_bundles(float32):
    bundle = dataclasses.replace(float32[0], name="my run/export/int8")
    lines = phone_commands(bundle)
    assert lines[0].endswith(" /data/local/tmp/my_run_export_int8_model.tflite")
    assert " --graph=/data/local/tmp/my_run_export_int8_model.tflite " in lines[1]


@pytest.mark.parametrize("file", ["model.tflite", "model_multi.tflite"])
def test_the_phone_s_ranges_go_to_the_inputs_they_are_for(exported, file):
    """benchmark_model takes inputs in the order of the graph, whatever they are called."""
    interpreter = Interpreter(str(exported / "float32" / file))
    for name in interpreter.get_signature_list():
        details = interpreter.get_signature_runner(name).get_input_details()
        by_index = sorted(details, key=lambda key: details[key]["index"])
        assert by_index == ["ids", "segment_ids", "mask"]
