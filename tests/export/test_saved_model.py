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

_SERVE = """
import json, sys
import tensorflow as tf
import tensorflow_text
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
texts = {k: tf.constant(v) for k, v in json.loads(sys.argv[2]).items()}
print(json.dumps({k: v.numpy().tolist() for k, v in serve(**texts).items()}))
"""


def serve(folder, **texts):
    """Without this library."""
    done = subprocess.run(
        [sys.executable, "-c", _SERVE, str(folder), json.dumps(texts)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return {name: np.array(v) for name, v in json.loads(done.stdout).items()}


TEXTS = ["a b c", "", "X Y Z a a a", "b b b b b b b b b b b b b b b b"]


def test_a_classifier(classifier, examples, tmp_path):
    report = export_saved_model(classifier, examples, tmp_path / "saved")
    assert report["verified_on"] == 41
    assert report["max_difference"] < 1e-5
    outputs = serve(tmp_path / "saved", text=TEXTS)
    assert list(outputs) == ["probability"]
    logits = keras.ops.convert_to_numpy(classifier(classifier.preprocessor(TEXTS)))
    expected = special.softmax(logits, axis=-1)
    np.testing.assert_allclose(outputs["probability"], expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0.1


def test_a_regressor_of_pairs(make_classifier, pairs, tmp_path):
    model = make_classifier(num_classes=1, seed=3)
    export_saved_model(model, pairs, tmp_path / "saved")
    outputs = serve(tmp_path / "saved", text_a=TEXTS, text_b=TEXTS[::-1])
    expected = model(model.preprocessor((TEXTS, TEXTS[::-1])))
    np.testing.assert_allclose(outputs["score"], expected, rtol=1e-4, atol=1e-5)


def test_a_span_classifier(span_classifier, pairs, tmp_path):
    export_saved_model(span_classifier, pairs, tmp_path / "saved")
    outputs = serve(tmp_path / "saved", text_a=TEXTS, text_b=TEXTS[::-1])
    expected = span_classifier(span_classifier.preprocessor((TEXTS, TEXTS[::-1])))
    for name in ("start_logits", "end_logits"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-4, atol=1e-4)


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
def test_what_differs_is_not_kept(classifier, examples, monkeypatch, tmp_path, write, name):
    monkeypatch.setattr(saved_model, "_TOLERANCE", -1.0)
    with pytest.raises(TinyBertError, match="differs from the model"):
        write(classifier, examples, tmp_path / name)
    assert os.listdir(tmp_path) == []
