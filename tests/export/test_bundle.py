"""The exported folder: what is in it, that it is complete or absent, the same every time."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jsonschema
import keras
import numpy as np
import pytest
from scipy import special

from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import (
    TaskCard,
    TfliteModel,
    export_bundle,
    load_profile,
    profile_names,
    put_into_app,
    verify_bundle,
)
from tinybert_tf.export import bundle as bundle_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
FILES = [
    "bundle.json",
    "golden.json",
    "labels.txt",
    "model.tflite",
    "model_multi.tflite",
    "vocab.txt",
]


def read_json(path):
    return json.loads(path.read_text("utf-8"))


@pytest.fixture
def no_conversion(monkeypatch):
    def convert(*args):
        pytest.fail("This is to be refused before the minutes of a conversion.")

    monkeypatch.setattr(bundle_module, "convert", convert)


@pytest.fixture
def bundle_files(bundle):
    files = {name: (bundle / name).read_bytes() for name in FILES if name != "bundle.json"}
    return files, read_json(bundle / "bundle.json")


def test_what_is_in_it(bundle, classifier, examples):
    assert sorted(os.listdir(bundle)) == FILES
    lines = "".join(f"{token}\n" for token in VOCABULARY)
    assert (bundle / "vocab.txt").read_bytes() == lines.encode()
    # In the order of the outputs, not of the alphabet.
    assert (bundle / "labels.txt").read_bytes() == b"neutral\nagainst\nfor\n"
    model = TfliteModel((bundle / "model.tflite").read_bytes())
    assert model.signatures == {"serving_default": 12}
    multi = TfliteModel((bundle / "model_multi.tflite").read_bytes())
    assert multi.signatures == {"length_6": 6, "length_12": 12}


def test_bundle_json_follows_its_schema(bundle):
    info = read_json(bundle / "bundle.json")
    jsonschema.validate(info, read_json(ROOT / "export" / "bundle.schema.json"))
    accuracy, made_by, files = info.pop("accuracy"), info.pop("made_by"), info.pop("files")
    info.pop("sha256")
    assert info == {
        "schema_version": 1,
        "name": "tiny",
        "version": "1.2.3",
        "description": "A tiny model.",
        "author": "its author",
        "license": "CC0-1.0",
        "task": {"name": "letters", "type": "classification", "num_texts": 1},
        "labels": ["neutral", "against", "for"],
        "tokenizer": {
            "type": "bert_wordpiece",
            "lowercase": True,
            "vocabulary_size": 31,
            "max_characters_per_word": 100,
        },
        "inputs": ["ids", "segment_ids", "mask"],
        "outputs": [{"name": "probability", "activation": "softmax"}],
        "quantization": {
            "profile": "float32",
            "weights": "float32",
            "embedding": "float32",
            "activations": "float32",
        },
        "runtime": {"minimum_tensorflow_lite": "2.9.0", "fast_litert": "1.1.2"},
    }
    assert made_by["seed"] == 0
    assert made_by["tensorflow"].startswith("2.")
    assert accuracy["split"] == "dev"
    assert accuracy["examples"] == 41
    assert accuracy["label_agreement"] == 1.0
    assert sorted(files) == [name for name in FILES if name != "bundle.json"]
    for name, facts in files.items():
        content = (bundle / name).read_bytes()
        assert facts["bytes"] == len(content)
        assert facts["sha256"] == hashlib.sha256(content).hexdigest()
    assert files["model_multi.tflite"]["signatures"] == {"length_6": 6, "length_12": 12}


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_makes_a_whole_bundle(make_bundle, name):
    info, profile = verify_bundle(make_bundle(name)), load_profile(name)
    assert info["quantization"] == {
        "profile": name,
        "weights": profile.weights,
        "embedding": profile.embedding,
        "activations": profile.activations,
    }
    assert info["files"]["model.tflite"]["signatures"] == {"serving_default": 12}
    assert info["files"]["model_multi.tflite"]["signatures"] == {"length_6": 6, "length_12": 12}
    assert info["accuracy"]["examples"] == 41
    assert 0 < info["accuracy"]["mean_difference"] < 0.1


def test_bundle_json_s_own_hash(bundle):
    content = (bundle / "bundle.json").read_bytes()
    digest = json.loads(content)["sha256"].encode()
    assert content.count(digest) == 1
    assert hashlib.sha256(content.replace(digest, b"0" * 64)).hexdigest().encode() == digest


def test_accuracy_is_that_of_keras(bundle, classifier, examples):
    accuracy = read_json(bundle / "bundle.json")["accuracy"]
    inputs = classifier.preprocessor(list(examples.texts[0]))
    predictions = keras.ops.convert_to_numpy(classifier(inputs)).argmax(-1)
    assert accuracy["keras"] == {"accuracy": np.mean(predictions == examples.labels)}
    assert accuracy["model"] == accuracy["keras"]


def test_golden_vectors_are_keras_s(bundle, classifier):
    golden = read_json(bundle / "golden.json")
    texts = read_json(ROOT / "export" / "golden_texts.json")["single"]
    assert [example["texts"] for example in golden["examples"]] == [[text] for text in texts]
    inputs = classifier.preprocessor(texts)
    expected = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    for i, example in enumerate(golden["examples"]):
        tokens = int(inputs["padding_mask"][i].numpy().sum())
        assert example["token_ids"] == inputs["token_ids"][i, :tokens].numpy().tolist()
        assert example["segment_ids"] == [0] * tokens
        for name in ("model.tflite", "model_multi.tflite"):
            outputs = example["outputs"][name]
            np.testing.assert_allclose(outputs["probability"], expected[i], atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0.1


_EXPORT = """
import sys
sys.path.insert(0, {tests!r})
import conftest
from tinybert_tf.export import export_bundle
model = conftest._make_classifier(labels=("neutral", "against", "for"))
arguments = conftest._export_arguments(conftest._make_examples(model))
profile = conftest._profile(sys.argv[2])
export_bundle(model, output=sys.argv[1], profile=profile, **arguments)
"""


def _start_export(output, profile):
    script = _EXPORT.format(tests=str(pathlib.Path(__file__).parent))
    command = [sys.executable, "-c", script, str(output), profile]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["dynamic_int8", "static_int8", "small"])
def test_another_process_makes_the_same_bytes(make_bundle, tmp_path, profile):
    process = _start_export(tmp_path / "again", profile)
    output, _ = process.communicate()
    assert process.returncode == 0, output.decode()
    assert sorted(os.listdir(tmp_path / "again")) == FILES
    for name in FILES:
        expected = (make_bundle(profile) / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == expected, name


@pytest.mark.slow
def test_a_killed_export_leaves_no_bundle(tmp_path):
    """Killed at any moment: there is no folder, or a whole bundle."""
    process = _start_export(tmp_path / "whole", "float32")
    started = time.monotonic()
    process.communicate()
    whole = time.monotonic() - started
    for part in np.linspace(0.5, 1.0, 6):
        output = tmp_path / f"killed_{part:.1f}"
        process = _start_export(output, "float32")
        try:
            process.wait(part * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if output.exists():
            assert sorted(os.listdir(output)) == sorted(os.listdir(tmp_path / "whole"))


def test_longer_texts_are_cut(make_classifier, tmp_path):
    """Two texts that differ only beyond twelve tokens are the same to the file."""
    texts = ("a b c d e f g h i j x y z", "a b c d e f g h i j k l m n o p", "a")
    outputs = []
    model = make_classifier(num_layers=1)
    task = TaskCard(score=lambda labels, values: outputs.append(values) or {})
    export_bundle(
        model,
        Examples((texts,), np.zeros(3, "int32")),
        tmp_path / "export",
        "float32",
        lengths=(12,),
        task=task,
    )
    for values in outputs:
        np.testing.assert_array_equal(values[0], values[1])
    inputs = model.preprocessor(list(texts))
    expected = special.softmax(keras.ops.convert_to_numpy(model(inputs)), axis=-1)
    np.testing.assert_allclose(outputs[-1], expected, atol=1e-5)
    # One length makes no second file, and classes without names are numbered.
    assert "model_multi.tflite" not in os.listdir(tmp_path / "export")
    assert (tmp_path / "export" / "labels.txt").read_text() == "0\n1\n2\n"


def test_a_regressor_of_pairs(regressor, pairs, tmp_path):
    report = export_bundle(regressor, pairs, tmp_path, "float32", lengths=())
    info = read_json(tmp_path / "bundle.json")
    assert info["task"] == {"name": "task", "type": "regression", "num_texts": 2}
    assert info["labels"] == []
    assert info["outputs"] == [{"name": "score", "activation": "none"}]
    assert "labels.txt" not in os.listdir(tmp_path)
    assert report["agreement"] is None
    assert info["accuracy"]["label_agreement"] is None
    golden = read_json(tmp_path / "golden.json")["examples"]
    inputs = regressor.preprocessor(
        tuple(map(list, zip(*(e["texts"] for e in golden), strict=True)))
    )
    scores = [e["outputs"]["model.tflite"]["score"] for e in golden]
    np.testing.assert_allclose(scores, regressor(inputs), rtol=1e-4, atol=1e-5)
    assert any(1 in example["segment_ids"] for example in golden)


def test_lengths_double_up_to_the_longest():
    assert bundle_module.multi_lengths(128) == (16, 32, 64, 128)
    assert bundle_module.multi_lengths(100) == (16, 32, 64, 100)
    assert bundle_module.multi_lengths(16) == (16,)
    assert bundle_module.multi_lengths(8) == (8,)


@pytest.mark.parametrize("failing", ["vocab.txt", "golden.json", "bundle.json"])
def test_a_failure_in_the_middle_leaves_nothing(bundle_files, monkeypatch, tmp_path, failing):
    write_bytes = pathlib.Path.write_bytes

    def full_disk(path, content):
        if path.name == failing:
            raise OSError("No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(pathlib.Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        bundle_module._write(tmp_path / "export", *bundle_files)
    assert os.listdir(tmp_path) == []


def test_a_file_that_differs_is_not_written(
    make_classifier, examples, converted_before, tmp_path
):
    """What the converter made is of another model."""
    other = make_classifier(seed=9)
    with converted_before(), pytest.raises(TinyBertError, match="differs from Keras's"):
        export_bundle(other, examples, tmp_path / "export", "float32")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_exists_is_not_overwritten(
    classifier, examples, no_conversion, tmp_path, is_folder
):
    output = tmp_path / "export"
    kept = output / "notes.txt" if is_folder else output
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(TinyBertError, match="already exists"):
        export_bundle(classifier, examples, output)
    assert kept.read_text() == "mine"


def test_a_model_without_vocabulary_is_refused(
    make_classifier, examples, no_conversion, tmp_path
):
    model = make_classifier()
    model.preprocessor = None
    with pytest.raises(TinyBertError, match=r"no preprocessor.*model.preprocessor"):
        export_bundle(model, examples, tmp_path / "export")


def test_a_length_the_model_does_not_have_is_refused(classifier, examples, tmp_path):
    with pytest.raises(TinyBertError, match=r"A length of 64 tokens.* 3 to 32"):
        export_bundle(classifier, examples, tmp_path / "export", sequence_length=64)
    assert os.listdir(tmp_path) == []


def test_lengths_beyond_the_longest_are_refused(classifier, examples, no_conversion, tmp_path):
    with pytest.raises(TinyBertError, match=r"up to 24, beyond sequence_length 12"):
        export_bundle(classifier, examples, tmp_path / "export", lengths=(6, 24))
    assert os.listdir(tmp_path) == []


def test_an_app_gets_the_bundle_in_place_of_its_old_one(bundle, tmp_path):
    assets = tmp_path / "app" / "src" / "main" / "assets" / "bundle"
    assets.mkdir(parents=True)
    (assets / "old.txt").write_text("old")
    assert put_into_app(bundle, tmp_path) == assets
    # The app runs the model of several lengths; a second one would double its size.
    assert sorted(os.listdir(assets)) == [name for name in FILES if name != "model.tflite"]
    assert verify_bundle(assets)["golden_difference"] < 1e-6
    assert os.listdir(assets.parent) == ["bundle"]


def test_a_folder_that_is_no_app_is_refused(bundle, tmp_path):
    with pytest.raises(TinyBertError, match=r"no app/src/main.*android_demo"):
        put_into_app(bundle, tmp_path)
    assert os.listdir(tmp_path) == []
