"""The files in other people's software: MediaPipe, and a runtime years older."""

import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from mediapipe.tasks.python import text as mediapipe_text
from mediapipe.tasks.python.core.base_options import BaseOptions

import tinybert_tf.data.reviews as reviews
from tinybert_tf.data import Examples
from tinybert_tf.export import TfliteModel, export_bundle, profile_names
from tinybert_tf.export._golden import golden_texts
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

LENGTH = 64
LABELS = ("negative", "neutral", "positive")


@pytest.fixture(scope="module")
def sentences():
    """Three hundred of plain ASCII, of the review sentences' test set."""
    path = pathlib.Path(reviews.__file__).parent / "test.tsv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [row["sentence"] for row in rows if row["sentence"].isascii()][:300]
    assert len(texts) == 300
    return texts


@pytest.fixture(scope="module")
def model(minilm_directory, sentences):
    """Random weights over a real vocabulary, whose classes are about as frequent."""
    preprocessor = BertPreprocessor(BertTokenizer(minilm_directory / "vocab.txt"), LENGTH)
    encoder = BertEncoder(30522, 2, 2, 32, 64, dropout=0.0, max_sequence_length=LENGTH)
    model = BertTextClassifier(encoder, 3, preprocessor=preprocessor, labels=LABELS)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        near = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(near + random.normal(0.0, 0.2, variable.shape))
    pooled = np.asarray(encoder(preprocessor(sentences))["pooled_output"])
    kernel = np.asarray(model.output_dense.kernel)
    kernel = 3 * kernel / np.std(pooled @ kernel, axis=0)
    model.output_dense.kernel.assign(kernel)
    model.output_dense.bias.assign(-np.mean(pooled @ kernel, axis=0))
    return model


# One for every day; the others store the same weights in another way.
_FAST = "dynamic_int8"
_PROFILES = [
    pytest.param(name, marks=() if name == _FAST else pytest.mark.slow)
    for name in profile_names()
]


@pytest.fixture(scope="module", params=_PROFILES)
def bundle(request, model, sentences, lenient, tmp_path_factory):
    output = tmp_path_factory.mktemp("consumers") / request.param
    examples = Examples((tuple(sentences[:20]),), np.zeros(20, "int32"))
    export_bundle(
        model, examples, output, lenient(request.param), lengths=(), calibration=examples
    )
    return output


@pytest.fixture(scope="module")
def classify(bundle):
    """A function of a text: MediaPipe's probabilities in the order of the labels."""
    options = mediapipe_text.TextClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(bundle / "model.tflite"))
    )
    with mediapipe_text.TextClassifier.create_from_options(options) as classifier:

        def run(text):
            (result,) = classifier.classify(text).classifications
            scores = {c.category_name: c.score for c in result.categories}
            return [scores[label] for label in LABELS]

        yield run


def litert_probabilities(bundle, inputs):
    run = TfliteModel((bundle / "model.tflite").read_bytes())
    rows = [
        {k: np.array(v[i : i + 1]) for k, v in inputs.items()}
        for i in range(len(inputs["token_ids"]))
    ]
    return np.concatenate([run(row)["probability"] for row in rows])


def test_mediapipe_gives_the_labels_that_litert_gives(bundle, classify, model, sentences):
    ours = litert_probabilities(bundle, model.preprocessor(sentences))
    theirs = np.array([classify(text) for text in sentences])
    np.testing.assert_array_equal(theirs.argmax(-1), ours.argmax(-1))
    np.testing.assert_allclose(theirs, ours, atol=1e-3)
    assert np.bincount(ours.argmax(-1), minlength=3).min() >= 30


def test_mediapipe_on_accented_text(bundle, classify, model):
    """It lower-cases ASCII alone and decomposes nothing: that explains all of the differences.

    A cased tokenizer on text whose ASCII is lower-cased does the same, so it gives what
    MediaPipe gives, where ours differs.
    """
    texts = [text for (text,) in golden_texts(1) if not text.isascii() and text.isprintable()]
    ours = litert_probabilities(bundle, model.preprocessor(texts))
    theirs = np.array([classify(text) for text in texts])
    tokenizer = BertTokenizer(model.preprocessor.tokenizer.get_vocabulary(), lowercase=False)
    lowered = ["".join(c.lower() if c.isascii() else c for c in text) for text in texts]
    explained = litert_probabilities(bundle, BertPreprocessor(tokenizer, LENGTH)(lowered))
    np.testing.assert_allclose(theirs, explained, atol=1e-3)
    differing = np.abs(theirs - ours).max(-1) > 1e-3
    assert {text for text, is_other in zip(texts, differing, strict=True) if is_other} == {
        text
        for text in texts
        if text.startswith(("Caf", "Cr", "ΟΔΥ", "Фил", "İst", "これ", "영화"))
    }


def test_mediapipe_refuses_a_file_without_metadata():
    """As of a bundle whose tokenizer has settings, which MediaPipe's has not."""
    resources = pathlib.Path(__file__).resolve().parents[2] / "android_demo/desktop/src/test"
    options = mediapipe_text.TextClassifierOptions(
        base_options=BaseOptions(str(resources / "resources/keeping_bundle/model.tflite"))
    )
    with pytest.raises(ValueError, match="No metadata"):
        mediapipe_text.TextClassifier.create_from_options(options)


_OLD_RUNTIME = """
import json, sys
import numpy as np
from tflite_runtime.interpreter import Interpreter
inputs = {k: np.array(v, "int32") for k, v in json.load(open(sys.argv[2])).items()}
runner = Interpreter(sys.argv[1]).get_signature_runner("serving_default")
outputs = [
    runner(**{k: v[i : i + 1] for k, v in inputs.items()})["probability"][0].tolist()
    for i in range(len(inputs["ids"]))
]
print(json.dumps(outputs))
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory):
    """A virtual environment of its own with tflite-runtime 2.14."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("tflite-runtime 2.14 is there for Python 3.11")
    folder = tmp_path_factory.mktemp("tflite_runtime")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    packages = ["tflite-runtime==2.14.0", "numpy<2"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


@pytest.mark.slow
def test_an_old_runtime_gives_the_same_labels(bundle, model, sentences, old_python, tmp_path):
    minimum = json.loads((bundle / "bundle.json").read_bytes())["runtime"]
    assert minimum["minimum_tensorflow_lite"] == "2.9.0"
    inputs = {k: np.array(v) for k, v in model.preprocessor(sentences[:100]).items()}
    names = {"ids": "token_ids", "segment_ids": "segment_ids", "mask": "padding_mask"}
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps({k: inputs[v].tolist() for k, v in names.items()}))
    done = subprocess.run(
        [old_python, "-c", _OLD_RUNTIME, bundle / "model.tflite", path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    theirs, ours = np.array(json.loads(done.stdout)), litert_probabilities(bundle, inputs)
    # Fixed ranges of random weights put many values on the edge of two steps, which runtimes
    # round differently.
    least = 0.95 if "static_int8" in str(bundle) else 1.0
    assert np.mean(theirs.argmax(-1) == ours.argmax(-1)) >= least
    assert np.abs(theirs - ours).mean() < (0.05 if least < 1.0 else 0.01)
