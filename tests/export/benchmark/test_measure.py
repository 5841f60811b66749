"""What the benchmark runs, in which order, and what it compares; never how fast it is."""

import importlib.util

import pytest

from tinybert_tf.checkpoints import load_text_classifier
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import (
    PEERS,
    STATIC_FILE,
    Settings,
    benchmark,
    check_peers,
    measure,
    peers,
)

# So tiny that its file is converted in a moment.
TINY = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
TINY["max_sequence_length"] = 16


def test_every_round_measures_each_row_once_and_in_one_order(both, recorded):
    report = benchmark(both, settings=Settings(threads=[2, 1], rounds=3, seconds=0.25))
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
    benchmark(float32, examples=examples, settings=Settings(lengths=[12], rounds=2))
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


def test_what_rows_are_compared_with(
    float32, recorded, examples, classifier, convert_classifier, monkeypatch
):
    monkeypatch.setattr(measure, "_check_outputs", lambda *args: {})
    monkeypatch.setattr(peers, "convert", lambda *args: convert_classifier("float32"))
    report = benchmark(
        float32,
        ["teacher"],
        keras_models={"teacher": classifier},
        examples=examples,
        settings=Settings(rounds=2),
    )
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


@pytest.mark.slow
def test_a_whole_benchmark(
    exported, both, classifier, make_classifier, examples, in_process, monkeypatch
):
    """Files and TFLite peers, run and compared with Keras; a BERT-base of a moment."""
    monkeypatch.setitem(peers.ARCHITECTURES, "bert_base", TINY)
    report = benchmark(
        both,
        ["teacher", "bert_base", "teacher"],
        keras_models={
            "student": classifier,
            "teacher": make_classifier(seed=5, num_layers=1),
        },
        examples=examples,
        settings=Settings(rounds=1, seconds=0.0),
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


def test_a_model_that_computes_something_else_is_refused(
    float32, make_classifier, examples, in_process, monkeypatch
):
    monkeypatch.setattr(measure, "_measure", lambda *args: pytest.fail("nothing is timed"))
    with pytest.raises(
        TinyBertError, match=r"float32 multi \(6 tokens.*does not compute.*Keras student.*run\?"
    ):
        models = {"student": make_classifier(seed=9)}
        benchmark(float32, keras_models=models, examples=examples)


# === What cannot be measured ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peers": ["bert_bas"]}, r"no peer 'bert_bas'.*teacher, bert_base.*'bert_base'\?"),
        ({"peers": ["teacher"]}, r"the run's teacher, TFLite float32\. Name the run.*--run"),
        ({"settings": Settings(lengths=[12, 8])}, r"length 8; there are 6, 12\."),
        (
            {"settings": Settings(threads=[0])},
            r"threads \[0\], rounds 5: each must be 1 or more",
        ),
        ({"settings": Settings(rounds=0)}, r"rounds 0"),
    ],
)
def test_arguments_that_cannot_be_used(float32, recorded, arguments, message):
    with pytest.raises(TinyBertError, match=message):
        benchmark(float32, **arguments)
    assert recorded == []


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    peer = peers.Peer("of another runtime", "student", None, ("numpy", "onnxruntime", "torch"))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: (
            None if name in ("onnxruntime", "torch") else find_spec(name, *args)
        ),
    )
    with pytest.raises(
        TinyBertError, match=r"mine needs onnxruntime, torch, .*tinybert-tf\[benchmark\]"
    ):
        check_peers(["mine"], ["student"], {"mine": peer})


def test_a_student_of_another_vocabulary_is_refused(float32, tiny_bert):
    student = load_text_classifier(tiny_bert)
    with pytest.raises(TinyBertError, match=r"student has 72 tokens.*bundles have 31"):
        benchmark(float32, keras_models={"student": student})
