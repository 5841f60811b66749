"""A tiny encoder with random weights, its inputs and its preprocessor."""

import numpy as np
import pytest

from tinybert_tf.models import BertEncoder
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

TINY = {
    "vocabulary_size": 11,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}
# As many as TINY has rows; "a" has id 5.
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdef"]


def _randomize(model, seed=0):
    # The initializers' own values are so small, and their biases zero, that a wrong
    # scale, a swapped matrix or a forgotten bias would hardly show.
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        center = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(generator.normal(center, 0.4, variable.shape))
    return model


@pytest.fixture
def randomize():
    """A function that replaces all weights of a model, heads included."""
    return _randomize


@pytest.fixture
def make_encoder():
    """A function that makes a tiny encoder with random weights."""

    def make(**overrides):
        return _randomize(BertEncoder(**{**TINY, **overrides}))

    return make


@pytest.fixture
def inputs():
    """A full row, a padded pair and a padded text of one token."""
    return {
        "token_ids": np.array([[2, 5, 6, 7, 3], [2, 8, 3, 9, 0], [2, 10, 3, 0, 0]]),
        "segment_ids": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]),
        "padding_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]),
    }


@pytest.fixture
def preprocessor():
    return BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=5)


@pytest.fixture
def assert_same_model():
    """A function that compares weights and preprocessors of a saved and a loaded task."""

    def check(restored, original):
        assert type(restored) is type(original)
        ours, theirs = restored.get_weights(), original.get_weights()
        assert len(ours) == len(theirs) > 0
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)
        assert restored.preprocessor.sequence_length == 5
        assert restored.preprocessor.tokenizer.get_vocabulary() == VOCABULARY

    return check
