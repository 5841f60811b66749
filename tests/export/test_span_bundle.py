"""Bundles that answer questions: what an app must know, and the answers that it must find."""

import json
import pathlib

import keras
import numpy as np
import pytest

from tinybert_tf.data import SpanExamples, encode_examples, encode_windows
from tinybert_tf.data.squad import SpanExample
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import SpanPredictor, decode_spans
from tinybert_tf.export import (
    SpanCard,
    TaskCard,
    export_bundle,
    put_into_app,
    verify_bundle,
)
from tinybert_tf.export import bundle as bundle_module
from tinybert_tf.export.bundle import seal

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARD = SpanCard(True, doc_stride=3, max_query_tokens=4, max_answer_tokens=2)
MODELS = ("model.tflite", "model_multi.tflite")


def read_json(path):
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def bundle(once, span_classifier, pairs):
    """Of windows of twelve tokens; not to be changed."""

    def export(output):
        encoded = encode_examples(pairs, span_classifier.preprocessor)
        task = TaskCard(spans=CARD)
        export_bundle(span_classifier, encoded, output, "float32", lengths=(6,), task=task)

    return once("span_bundle", export)


@pytest.fixture
def copy(bundle, tmp_path):
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_it_says_how_contexts_are_cut_and_answers_chosen(bundle):
    info = read_json(bundle / "bundle.json")
    assert info["task"] == {
        "name": "task",
        "type": "span",
        "num_texts": 2,
        "has_unanswerable": True,
        "windows": {"doc_stride": 3, "max_query_tokens": 4, "max_answer_tokens": 2},
    }
    assert info["labels"] == []
    assert [output["name"] for output in info["outputs"]] == ["end_logits", "start_logits"]
    assert info["accuracy"]["examples"] == 20
    assert verify_bundle(bundle)["golden_difference"] < 1e-6


def test_golden_answers_are_those_of_the_keras_model(bundle, span_classifier):
    golden = read_json(bundle / "golden.json")["examples"]
    texts = read_json(ROOT / "export" / "golden_texts.json")["span"]
    assert [example["texts"] for example in golden] == texts
    examples = SpanExamples(
        tuple(SpanExample(str(i), *text, ()) for i, text in enumerate(texts))
    )
    windows = encode_windows(examples, span_classifier.preprocessor, 3, 4)
    logits = SpanPredictor(span_classifier)(windows.encoded)
    expected = decode_spans(windows, *logits, 2)
    assert sum(len(example["windows"]) for example in golden) == len(windows.encoded)
    assert len(golden[-1]["windows"]) > 20
    for example, prediction in zip(golden, expected, strict=True):
        _, context = example["texts"]
        for name in MODELS:
            answers = example["answers"][name]
            for answer, theirs in zip(answers, prediction.answers, strict=False):
                # A text twice in a context is as good in both places.
                assert answer["text"] == theirs.text
                assert answer["text"] == context[answer["start"] : answer["end"]]
                assert answer["score"] == pytest.approx(theirs.score, abs=1e-4)
            scores = example["no_answer_scores"][name], prediction.no_answer_score
            assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    # One of nothing but characters that the tokenizer drops.
    assert [len(e["answers"]["model.tflite"]) for e in golden].count(0) == 1


def test_outputs_of_windows_are_those_at_their_tokens(bundle, span_classifier):
    window = read_json(bundle / "golden.json")["examples"][-1]["windows"][1]
    ids = np.array([window["token_ids"]])
    inputs = {
        "token_ids": ids,
        "segment_ids": np.array([window["segment_ids"]]),
        "padding_mask": np.ones_like(ids),
    }
    for name, values in span_classifier(inputs).items():
        expected = keras.ops.convert_to_numpy(values)[0]
        for model in MODELS:
            np.testing.assert_allclose(window["outputs"][model][name], expected, atol=1e-4)


def test_the_last_context_is_repeated_until_it_has_two_windows(span_classifier):
    preprocessor = span_classifier.preprocessor
    long = type(preprocessor)(preprocessor.tokenizer, 128)
    windows = bundle_module.golden_windows(long, SpanCard())
    assert np.diff(windows.example_splits).tolist() == [1] * 9 + [2]
    (_, context) = read_json(ROOT / "export" / "golden_texts.json")["span"][-1]
    assert windows.examples.examples[-1].context == f"{context} {context}"


def test_questions_that_leave_no_room_are_refused_before_the_conversion(
    span_classifier, pairs, monkeypatch, tmp_path
):
    monkeypatch.setattr(bundle_module, "convert", lambda *args: pytest.fail("minutes lost"))
    encoded = encode_examples(pairs, span_classifier.preprocessor)
    with pytest.raises(
        TinyBertError, match=r"max_query_tokens=64 with a sequence_length of 12"
    ):
        export_bundle(span_classifier, encoded, tmp_path / "export", "float32")


def test_an_app_gets_one_of_the_two_models(bundle, tmp_path):
    (tmp_path / "app" / "src" / "main").mkdir(parents=True)
    assets = put_into_app(bundle, tmp_path)
    assert "model.tflite" not in {path.name for path in assets.iterdir()}
    assert "model.tflite" not in (assets / "golden.json").read_text("utf-8")
    assert verify_bundle(assets)["golden_difference"] < 1e-6


def reseal(folder):
    """Gives bundle.json the hash of an altered golden.json."""
    info = read_json(folder / "bundle.json")
    info["files"]["golden.json"] = bundle_module._file_facts(
        (folder / "golden.json").read_bytes()
    )
    (folder / "bundle.json").write_bytes(seal(info))


def lose_window(golden):
    del golden["examples"][-1]["windows"][-1]


def change_id(golden):
    golden["examples"][-1]["windows"][1]["token_ids"][1] += 1


def change_logit(golden):
    golden["examples"][-1]["windows"][1]["outputs"]["model.tflite"]["end_logits"][0] += 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose_window, "example 9: other token ids"),
        (change_id, "example 9: other token ids"),
        (change_logit, "golden example 9: end_logits differs by 0.01"),
    ],
)
def test_other_golden_windows(copy, change, message):
    golden = read_json(copy / "golden.json")
    change(golden)
    (copy / "golden.json").write_text(json.dumps(golden), "utf-8")
    reseal(copy)
    with pytest.raises(TinyBertError, match=message):
        verify_bundle(copy)


def test_a_bundle_of_spans_says_how_they_are_found(copy):
    info = read_json(copy / "bundle.json")
    del info["task"]["windows"]
    (copy / "bundle.json").write_bytes(seal(info))
    with pytest.raises(TinyBertError, match=r"breaks its schema, at task: 'windows' is a requ"):
        verify_bundle(copy)
