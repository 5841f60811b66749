"""A tiny masked LM over a vocabulary of whole words, pieces and others."""

import functools

import numpy as np
import pytest

from tinybert_tf.augmentation import augmenter
from tinybert_tf.augmentation._candidates import MaskedLMCandidates
from tinybert_tf.models import BertEncoder, BertMaskedLM
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]"),
    *("the", "is", "not", "##ly", "##er", "12", ".", ",", "-", "'", "a", "s", "t", "Film"),
    *("film", "movie", "story", "plot", "scene", "good", "fine", "bad", "dull", "plays"),
]


@pytest.fixture(scope="session")
def vocabulary():
    """Its tokens, 30 of them; 13 are lower-case words, three of these stop words."""
    return tuple(VOCABULARY)


# Logits of some words, whatever the text is.
BIAS = {"movie": 5, "story": 4, "plot": 3, "film": 2, "good": 1}
BIAS |= {"##ly": 9, "[MASK]": 8, "[unused0]": 8, "12": 7, ".": 7, "a": 6, "Film": 6}


@functools.cache
def _make_masked_lm(biased=False, sequence_length=64, lowercase=True, vocabulary_size=None):
    encoder = BertEncoder(
        vocabulary_size=vocabulary_size or len(VOCABULARY),
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=24,
        max_sequence_length=64,
    )
    tokenizer = BertTokenizer(VOCABULARY, lowercase=lowercase)
    model = BertMaskedLM(encoder, BertPreprocessor(tokenizer, sequence_length))
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        center = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(random.normal(center, 0.5, variable.shape))
    if biased:
        head = model.masked_lm_head
        head._intermediate_layer_norm.gamma.assign(np.zeros(16))
        head._intermediate_layer_norm.beta.assign(np.zeros(16))
        head._bias.assign([BIAS.get(token, -5.0) for token in VOCABULARY])
    return model


@pytest.fixture(scope="session")
def make_candidates():
    """`MaskedLMCandidates`, whose graph is traced once for each masked LM."""
    return functools.cache(MaskedLMCandidates)


@pytest.fixture(scope="module", autouse=True)
def _one_graph_a_model(make_candidates):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmenter, "MaskedLMCandidates", make_candidates)
        yield


@pytest.fixture(scope="session")
def make_masked_lm():
    """A function that makes a masked LM of random weights, not to be changed.

    A `biased` one proposes movie, story, plot, film and good, in this order, whatever the text
    is, if other tokens than lower-case words are left out.
    """
    return _make_masked_lm
