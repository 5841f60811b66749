"""Tiny models with random weights, and what they become in TFLite.

A conversion takes seconds, an export more, so each is made once for all tests and, where pytest
runs several processes, for all of those.
"""

import contextlib
import os

import numpy as np
import pytest

from tinybert_tf.data import Examples, encode_examples
from tinybert_tf.export import (
    ModelCard,
    Profile,
    TaskCard,
    Tolerance,
    convert,
    export_bundle,
    load_profile,
)
from tinybert_tf.export import bundle as bundle_module
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
LENGTH = 12


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A function that makes a file or folder once for all processes of this run of pytest.

    Where two begin at the same moment, both make it, and the first to finish is kept.
    """
    folder = tmp_path_factory.getbasetemp()
    # A worker of pytest-xdist has a folder within that of the run.
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    folder = folder / "export"
    folder.mkdir(exist_ok=True)

    def once(name, make):
        path, aside = folder / name, folder / f"{os.getpid()}-{name}"
        if not path.exists():
            make(aside)
            try:
                aside.rename(path)
            except OSError:
                assert path.exists()
        return path

    return once


# === Models ===


def _make_encoder(num_layers=2, **kwargs):
    # Of 1,024 weights and more, as the kernels have here, TFLite quantizes to int8.
    return BertEncoder(
        len(VOCABULARY), num_layers, 2, 32, 64, dropout=0.0, max_sequence_length=32, **kwargs
    )


def _randomize(model, seed):
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        near = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(near + random.normal(0.0, 0.3, variable.shape))


def _make_classifier(
    num_classes=3, seed=0, num_layers=2, dtype="float32", pooling="cls", **kwargs
):
    encoder = _make_encoder(num_layers, dtype=dtype, pooling=pooling)
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=LENGTH)
    model = BertTextClassifier(encoder, num_classes, preprocessor=preprocessor, **kwargs)
    _randomize(model, seed)
    # Random weights have one favourite class; then all files would agree on it.
    head = model.output_dense
    texts = [" ".join(LETTERS[i : i + i % 10]) for i in range(26)]
    pooled = encoder(preprocessor(texts))["pooled_output"].numpy().astype("float32")
    kernel = head.kernel.value.numpy()
    kernel /= np.std(pooled @ kernel, axis=0)
    head.kernel.assign(kernel)
    head.bias.assign(-np.mean(pooled @ kernel, axis=0))
    return model


@pytest.fixture(scope="session")
def make_classifier():
    """A function that makes a classifier of 2 layers that takes up to 32 tokens."""
    return _make_classifier


@pytest.fixture(scope="session")
def classifier():
    """Three classes whose names are in no order of theirs."""
    return _make_classifier(labels=("neutral", "against", "for"))


@pytest.fixture(scope="session")
def regressor():
    """Of pairs, one layer."""
    return _make_classifier(num_classes=1, seed=3, num_layers=1)


@pytest.fixture(scope="session")
def span_classifier():
    """Of pairs, one layer."""
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=LENGTH)
    model = BertSpanClassifier(_make_encoder(num_layers=1), preprocessor=preprocessor)
    _randomize(model, 5)
    return model


# === Examples ===


def _make_examples(classifier):
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(list(LETTERS), n % 9)) for n in range(80)]
    logits = np.sort(classifier(classifier.preprocessor(texts)), axis=-1)
    clearest = np.argsort(logits[:, -1] - logits[:, -2])[-40:]
    texts = [*(texts[i] for i in clearest), " ".join(LETTERS)]
    return Examples((tuple(texts),), random.integers(0, 3, 41).astype("int32"))


@pytest.fixture(scope="session")
def examples(classifier):
    """Forty texts of 0 to 8 letters, and one longer than the length of the tests.

    Of eighty the clearest: at a boundary, where a trained model has few texts, int8 may choose
    another label.
    """
    return _make_examples(classifier)


@pytest.fixture(scope="session")
def pairs():
    """Twenty pairs of 1 to 6 letters each."""
    random = np.random.default_rng(2)
    fields = [
        tuple(" ".join(random.choice(list(LETTERS), 1 + n % 6)) for n in order)
        for order in (range(20), reversed(range(20)))
    ]
    return Examples(tuple(fields), np.zeros(20, "float32"))


@pytest.fixture(scope="session")
def encoded(classifier, examples):
    return encode_examples(examples, classifier.preprocessor)


# === Files ===


@pytest.fixture(scope="session")
def convert_once(once):
    """A function of a model and its name, profile and lengths: the model's file."""

    def converted(name, model, profile="float32", lengths=(LENGTH,), calibration=None):
        def make(path):
            path.write_bytes(convert(model, lengths, load_profile(profile), calibration))

        key = "_".join((name, profile, *map(str, lengths)))
        return once(f"{key}.tflite", make).read_bytes()

    return converted


@pytest.fixture(scope="session")
def convert_classifier(convert_once, classifier, encoded):
    """A function of a profile's name and lengths: the file of the classifier."""

    def converted(profile, lengths=(LENGTH,)):
        return convert_once("classifier", classifier, profile, lengths, encoded)

    return converted


def lenient(name):
    """A profile that takes what random weights lose, which is more than trained ones do."""
    stored = load_profile(name)
    tolerance = Tolerance(1.0, 1.0, 0.0, 1.0)
    return Profile(name, "", stored.weights, stored.embedding, stored.activations, tolerance)


def _profile(name):
    """A profile that the classifier's files are within."""
    return name if name.startswith("float") else lenient(name)


@pytest.fixture(scope="session", name="lenient")
def _lenient():
    return lenient


def _accuracy(labels, outputs):
    return {"accuracy": float(np.mean(labels == outputs.argmax(-1)))}


def _export_arguments(examples):
    return {
        "examples": examples,
        "sequence_length": LENGTH,
        "lengths": (6,),
        "calibration": examples,
        "task": TaskCard("letters", "dev", _accuracy),
        "card": ModelCard("tiny", "A tiny model.", "1.2.3", "its author", "CC0-1.0"),
        "made_by": {"seed": 0},
    }


@pytest.fixture(scope="session")
def export_arguments(examples):
    """Arguments of an export in which nothing is left at its default."""
    return _export_arguments(examples)


@pytest.fixture(scope="session")
def converted_before(convert_classifier):
    """A context in which exports take the files that the classifier was converted to before.

    A test of the bytes shows that they are those which an export makes itself.
    """

    def taken(model, lengths, profile, calibration):
        return convert_classifier(profile.name, lengths)

    @contextlib.contextmanager
    def context():
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(bundle_module, "convert", taken)
            yield

    return context


@pytest.fixture(scope="session")
def make_bundle(once, classifier, converted_before, export_arguments):
    """A function of a profile's name: a bundle of the classifier; not to be changed."""

    def make(profile):
        def export(output):
            arguments = {**export_arguments, "profile": _profile(profile)}
            with converted_before():
                export_bundle(classifier, output=output, **arguments)

        return once(profile, export)

    return make


@pytest.fixture(scope="session")
def bundle(make_bundle):
    """A bundle in float32, whose golden outputs are as exact as can be; not to be changed."""
    return make_bundle("float32")
