"""A tiny classifier with random weights, and what it becomes in TFLite.

A conversion takes seconds, so each is made once for all tests.
"""

import functools

import numpy as np
import pytest

from tinybert_tf.data import Examples, encode_examples
from tinybert_tf.export import convert
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
LENGTH = 12


def _make_classifier(num_classes=3, seed=0, dtype="float32", **kwargs):
    # Of 1,024 weights and more, as the kernels have here, TFLite quantizes to int8.
    encoder = BertEncoder(
        len(VOCABULARY), 2, 2, 32, 64, dropout=0.0, max_sequence_length=16, dtype=dtype
    )
    preprocessor = BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=LENGTH)
    model = BertTextClassifier(encoder, num_classes, preprocessor=preprocessor, **kwargs)
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        near = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(near + random.normal(0.0, 0.3, variable.shape))
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
    """A function that makes a classifier of 2 layers that takes up to 16 tokens."""
    return _make_classifier


@pytest.fixture(scope="session")
def classifier():
    """Three classes whose names are in no order of theirs."""
    return _make_classifier(labels=("neutral", "against", "for"))


@pytest.fixture(scope="session")
def examples(classifier):
    """Forty texts of 0 to 8 letters, and one longer than the model takes.

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
def encoded(classifier, examples):
    return encode_examples(examples, classifier.preprocessor)


@pytest.fixture(scope="session")
def convert_classifier(classifier):
    """A function of a quantization: the file of the classifier."""
    return functools.cache(lambda quantization: convert(classifier, LENGTH, quantization))
