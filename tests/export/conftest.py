"""A tiny classifier with random weights, and what it becomes in TFLite.

A conversion takes seconds, so each is made once for all tests.
"""

import functools

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
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
LENGTH = 12


def _make_encoder(dtype="float32"):
    # Of 1,024 weights and more, as the kernels have here, TFLite quantizes to int8.
    return BertEncoder(
        len(VOCABULARY), 2, 2, 32, 64, dropout=0.0, max_sequence_length=32, dtype=dtype
    )


def _randomize(model, seed):
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        near = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(near + random.normal(0.0, 0.3, variable.shape))


def _make_classifier(num_classes=3, seed=0, dtype="float32", **kwargs):
    encoder = _make_encoder(dtype)
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=LENGTH)
    model = BertTextClassifier(encoder, num_classes, preprocessor=preprocessor, **kwargs)
    _randomize(model, seed)
    # Random weights have one favourite class; then all files would agree on it.
    head = model.output_dense
    texts = [" ".join(LETTERS[i : i + i % 10]) for i in range(26)]
    pooled = np.array(encoder(preprocessor(texts))["pooled_output"], "float32")
    kernel = np.array(head.kernel)
    kernel /= np.std(pooled @ kernel, axis=0)
    head.kernel.assign(kernel)
    head.bias.assign(-np.mean(pooled @ kernel, axis=0))
    return model


@pytest.fixture(scope="session")
def make_classifier():
    """A function that makes a classifier of 2 layers that takes up to 32 tokens."""
    return _make_classifier


@pytest.fixture(scope="session")
def span_classifier():
    """Of pairs."""
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=LENGTH)
    model = BertSpanClassifier(_make_encoder(), preprocessor=preprocessor)
    _randomize(model, 5)
    return model


@pytest.fixture(scope="session")
def classifier():
    """Three classes whose names are in no order of theirs."""
    return _make_classifier(labels=("neutral", "against", "for"))


@pytest.fixture(scope="session")
def examples(classifier):
    """Forty texts of 0 to 8 letters, and one longer than the length of the tests.

    Of eighty the clearest: at a boundary, where a trained model has few texts, int8 may choose
    another label.
    """
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(list(LETTERS), n % 9)) for n in range(80)]
    logits = np.sort(classifier(classifier.preprocessor(texts)), axis=-1)
    clearest = np.argsort(logits[:, -1] - logits[:, -2])[-40:]
    texts = [*(texts[i] for i in clearest), " ".join(LETTERS)]
    return Examples((tuple(texts),), random.integers(0, 3, 41).astype("int32"))


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


@pytest.fixture(scope="session")
def convert_classifier(classifier, encoded):
    """A function of a profile's name and lengths: the file of the classifier."""

    @functools.cache
    def converted(profile, lengths=(LENGTH,)):
        return convert(classifier, lengths, load_profile(profile), encoded)

    return converted


def lenient(name):
    """A profile that takes what random weights lose, which is more than trained ones do."""
    stored = load_profile(name)
    tolerance = Tolerance(1.0, 1.0, 0.0, 1.0)
    return Profile(name, "", stored.weights, stored.embedding, stored.activations, tolerance)


@pytest.fixture(scope="session", name="lenient")
def _lenient():
    return lenient


def _accuracy(labels, outputs):
    return {"accuracy": float(np.mean(labels == outputs.argmax(-1)))}


@pytest.fixture(scope="session")
def export_arguments(examples):
    """Arguments of an export in which nothing is left at its default."""
    return {
        "examples": examples,
        "sequence_length": LENGTH,
        "lengths": (6,),
        "task": TaskCard("letters", "dev", _accuracy),
        "card": ModelCard("tiny", "A tiny model.", "1.2.3", "its author", "CC0-1.0"),
        "made_by": {"seed": 0},
    }


@pytest.fixture(scope="session")
def bundle(classifier, export_arguments, tmp_path_factory):
    """A bundle in float32, whose golden outputs are as exact as can be; not to be changed."""
    output = tmp_path_factory.mktemp("export") / "bundle"
    export_bundle(classifier, output=output, profile="float32", **export_arguments)
    return output
