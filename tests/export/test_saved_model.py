"""Text in, probabilities out: what was written, read by a process that has not made it."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import special

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import export_keras, export_saved_model, saved_model

# Without this library.
_SERVE = """
import json, pathlib, sys
import tensorflow as tf
import tensorflow_text
requests, folder = json.loads(sys.argv[1]), pathlib.Path(sys.argv[2])
outputs = {}
for name, texts in requests.items():
    serve = tf.saved_model.load(str(folder / name)).signatures["serving_default"]
    values = serve(**{k: tf.constant(v) for k, v in texts.items()})
    outputs[name] = {k: v.numpy().tolist() for k, v in values.items()}
print(json.dumps(outputs))
"""
TEXTS = ["a b c", "", "X Y Z a a a", "b b b b b b b b b b b b b b b b"]


@pytest.fixture(scope="module")
def written(classifier, regressor, span_classifier, examples, pairs, tmp_path_factory):
    """SavedModels of a classifier, a regressor and a span classifier, and their reports."""
    folder = tmp_path_factory.mktemp("saved_models")
    models = {
        "classifier": (classifier, examples),
        "regressor": (regressor, pairs),
        "spans": (span_classifier, pairs),
    }
    reports = {
        name: export_saved_model(model, some, folder / name)
        for name, (model, some) in models.items()
    }
    return folder, reports


@pytest.fixture(scope="module")
def served(written):
    """What another process gets from them."""
    two = {"text_a": TEXTS, "text_b": TEXTS[::-1]}
    requests = {"classifier": {"text": TEXTS}, "regressor": two, "spans": two}
    folder, _ = written
    done = subprocess.run(
        [sys.executable, "-c", _SERVE, json.dumps(requests), str(folder)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return {
        model: {name: np.array(values) for name, values in outputs.items()}
        for model, outputs in json.loads(done.stdout).items()
    }


def test_a_classifier(written, served, classifier):
    report = written[1]["classifier"]
    assert report["verified_on"] == 41
    assert report["max_difference"] < 1e-5
    outputs = served["classifier"]
    assert list(outputs) == ["probability"]
    logits = keras.ops.convert_to_numpy(classifier(classifier.preprocessor(TEXTS)))
    expected = special.softmax(logits, axis=-1)
    np.testing.assert_allclose(outputs["probability"], expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0.1


def test_a_regressor_of_pairs(served, regressor):
    expected = regressor(regressor.preprocessor((TEXTS, TEXTS[::-1])))
    np.testing.assert_allclose(served["regressor"]["score"], expected, rtol=1e-4, atol=1e-5)


def test_a_span_classifier(served, span_classifier):
    expected = span_classifier(span_classifier.preprocessor((TEXTS, TEXTS[::-1])))
    for name in ("start_logits", "end_logits"):
        outputs = served["spans"][name]
        np.testing.assert_allclose(outputs, expected[name], rtol=1e-4, atol=1e-4)


def test_a_keras_file(classifier, examples, tmp_path):
    report = export_keras(classifier, examples, tmp_path / "student.keras")
    assert report["max_difference"] < 1e-5
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    assert loaded.labels == ("neutral", "against", "for")
    logits = keras.ops.convert_to_numpy(classifier(classifier.preprocessor(TEXTS)))
    np.testing.assert_allclose(loaded.predict(TEXTS), logits, rtol=1e-4, atol=1e-5)


def test_what_exists_is_kept(classifier, examples, tmp_path):
    (tmp_path / "student.keras").write_text("mine")
    for write, name in ((export_keras, "student.keras"), (export_saved_model, "")):
        with pytest.raises(TinyBertError, match="already exists"):
            write(classifier, examples, tmp_path / name)
    assert (tmp_path / "student.keras").read_text() == "mine"


def test_another_ending_is_refused(classifier, examples, tmp_path):
    with pytest.raises(TinyBertError, match=r"student\.h5 must end with \.keras"):
        export_keras(classifier, examples, tmp_path / "student.h5")


@pytest.mark.parametrize("write, name", [(export_keras, "s.keras"), (export_saved_model, "s")])
def test_what_differs_is_not_kept(regressor, pairs, monkeypatch, tmp_path, write, name):
    monkeypatch.setattr(saved_model, "_TOLERANCE", -1.0)
    with pytest.raises(TinyBertError, match="differs from the model"):
        write(regressor, pairs, tmp_path / name)
    assert os.listdir(tmp_path) == []
