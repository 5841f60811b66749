"""The exported folder: what is in it, and that it is complete or absent."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import special

from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import TfliteClassifier, export_tflite, tflite

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture
def converted_before(monkeypatch, convert_classifier):
    """Spares the export its conversion; the list tells what was asked for."""
    calls = []

    def convert(model, sequence_length, quantization):
        calls.append((sequence_length, quantization))
        return convert_classifier(quantization)

    monkeypatch.setattr(tflite, "convert", convert)
    return calls


@pytest.fixture
def no_conversion(monkeypatch):
    def convert(*args):
        pytest.fail("This is to be refused before the minutes of a conversion.")

    monkeypatch.setattr(tflite, "convert", convert)


def test_a_whole_export(classifier, examples, tmp_path):
    output = tmp_path / "new" / "folder"

    def score(labels, outputs):
        return {"accuracy": float(np.mean(labels == outputs.argmax(-1)))}

    report = export_tflite(classifier, examples, output, sequence_length=10, score=score)
    assert sorted(os.listdir(output)) == [
        "export.json",
        "labels.txt",
        "model.tflite",
        "vocab.txt",
    ]
    assert (output / "vocab.txt").read_bytes() == "".join(f"{t}\n" for t in VOCABULARY).encode()
    # In the order of the outputs, not of the alphabet.
    assert (output / "labels.txt").read_bytes() == b"neutral\nagainst\nfor\n"
    content = (output / "model.tflite").read_bytes()
    assert TfliteClassifier(content).sequence_length == 10

    assert json.loads((output / "export.json").read_text("utf-8")) == {
        **report,
        "labels": ["neutral", "against", "for"],
    }
    inputs = classifier.preprocessor(list(examples.texts[0]), sequence_length=10)
    expected = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    accuracy = np.mean(expected.argmax(-1) == examples.labels)
    # Of the file, whose int8 weights may move two of the 41 labels.
    assert report["accuracy"] == pytest.approx(accuracy, abs=2.5 / 41)
    assert report["quantization"] == "dynamic_int8"
    assert report["sequence_length"] == 10
    assert report["lowercase"] is True
    assert report["verified_on"] == 41
    assert report["megabytes"] == len(content) / 1e6
    assert report["agreement"] >= 0.95
    assert 0 < report["milliseconds"] < 1000
    assert report["operators"]["FULLY_CONNECTED"] == 14


def test_the_length_is_the_preprocessor_s_and_longer_texts_are_cut(
    classifier, converted_before, tmp_path
):
    """Two texts that differ only beyond twelve tokens are the same to the file."""
    texts = ("a b c d e f g h i j x y z", "a b c d e f g h i j k l m n o p", "a")
    outputs = []
    export_tflite(
        classifier,
        Examples((texts,), np.zeros(3, "int32")),
        tmp_path / "export",
        "none",
        score=lambda labels, predictions: outputs.append(predictions) or {},
    )
    assert converted_before == [(12, "none")]
    np.testing.assert_array_equal(outputs[0][0], outputs[0][1])
    inputs = classifier.preprocessor(list(texts))
    expected = special.softmax(keras.ops.convert_to_numpy(classifier(inputs)), axis=-1)
    np.testing.assert_allclose(outputs[0], expected, atol=1e-5)


def test_without_names_there_is_no_labels_file(
    make_classifier, examples, converted_before, tmp_path
):
    # The weights of the classifier that was converted.
    export_tflite(make_classifier(), examples, tmp_path / "export", "none")
    assert sorted(os.listdir(tmp_path / "export")) == [
        "export.json",
        "model.tflite",
        "vocab.txt",
    ]


def test_an_empty_folder_is_written_into(classifier, examples, converted_before, tmp_path):
    export_tflite(classifier, examples, tmp_path, "none")
    assert "model.tflite" in os.listdir(tmp_path)


@pytest.mark.parametrize("failing", ["vocab.txt", "labels.txt"])
def test_a_failure_in_the_middle_leaves_nothing(
    classifier, examples, converted_before, monkeypatch, tmp_path, failing
):
    write_lines = tflite._write_lines

    def full_disk(path, lines):
        if path.name == failing:
            raise OSError("No space left on device")
        write_lines(path, lines)

    monkeypatch.setattr(tflite, "_write_lines", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export_tflite(classifier, examples, tmp_path / "export", "none")
    assert os.listdir(tmp_path) == []


def test_a_file_that_differs_is_not_written(
    make_classifier, examples, converted_before, tmp_path
):
    with pytest.raises(TinyBertError, match="differs from Keras's"):
        export_tflite(make_classifier(seed=9), examples, tmp_path / "export", "none")
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
        export_tflite(classifier, examples, output)
    assert kept.read_text() == "mine"


def test_a_model_without_vocabulary_is_refused(
    make_classifier, examples, no_conversion, tmp_path
):
    model = make_classifier()
    model.preprocessor = None
    with pytest.raises(TinyBertError, match=r"no preprocessor.*model.preprocessor"):
        export_tflite(model, examples, tmp_path / "export")


def test_a_length_the_model_does_not_have_is_refused(classifier, examples, tmp_path):
    with pytest.raises(TinyBertError, match=r"sequence_length 64 .* 3 to 16"):
        export_tflite(classifier, examples, tmp_path / "export", sequence_length=64)
    assert os.listdir(tmp_path) == []


def test_the_command_line_names_a_run_that_is_none(tmp_path):
    command = [sys.executable, "-m", "tinybert_tf.export", "--tflite"]
    flags = [f"--run={tmp_path}", f"--output={tmp_path / 'export'}"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"error: {tmp_path} is no run directory" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
