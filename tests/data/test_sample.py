"""The embedded sample keeps what its README promises."""

import collections
import itertools
import pathlib
import re
import unicodedata

import numpy as np
import pytest

from tinybert_tf.data import Task, read_table

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "tinybert_tf" / "data" / "sample"
SIZES = {"train": 1200, "dev": 120, "test": 360}
LABELS = (
    *("alarm", "calendar", "call", "message", "music", "navigation", "other"),
    *("shopping list", "smart home", "timer", "translation", "weather"),
)


def read(split):
    return read_table(Task("phone", ("sentence",), "label", LABELS), SAMPLE / f"{split}.tsv")


@pytest.fixture(scope="module")
def sentences():
    return {split: read(split).texts[0] for split in SIZES}


def trigrams(text):
    words = " ".join(re.findall(r"\w+", text.lower()))
    return frozenset(f" {words} "[i : i + 3] for i in range(len(words)))


@pytest.mark.parametrize("split, size", SIZES.items())
def test_size_and_balance(split, size):
    labels = read(split).labels.tolist()
    assert collections.Counter(labels) == dict.fromkeys(range(12), size // 12)


def test_no_sentence_stands_twice(sentences):
    counts = collections.Counter(text.lower() for part in sentences.values() for text in part)
    assert counts.most_common(1)[0][1] == 1


def test_no_near_duplicates_of_characters(sentences, find_alike):
    texts = [text for part in sentences.values() for text in part]
    assert find_alike(texts, [trigrams(text) for text in texts]) == []


def test_no_template(sentences):
    """Few sentences of an intent begin alike."""
    begins = collections.Counter(
        tuple(text.lower().split()[:3]) for part in sentences.values() for text in part
    )
    assert begins.most_common(1)[0][1] <= 20


def test_lengths(sentences):
    lengths = [len(text.split()) for part in sentences.values() for text in part]
    assert max(lengths) <= 20
    assert sum(length <= 4 for length in lengths) > 0.15 * len(lengths)
    assert sum(length >= 9 for length in lengths) > 0.15 * len(lengths)
    by_split = [np.mean([len(text.split()) for text in part]) for part in sentences.values()]
    assert max(by_split) - min(by_split) < 0.5


def test_characters(sentences):
    text = "".join(itertools.chain(*sentences.values()))
    assert {c for c in text if unicodedata.category(c)[0] not in "LNPSZ"} == set()
    assert not re.search(r"[\u00a0\ufffd]|  ", text)


@pytest.mark.slow
def test_no_near_duplicates_of_meaning(sentences, minilm_directory):
    """The embeddings that the teacher has before it is fine-tuned: means of hidden states."""
    from tinybert_tf.checkpoints import load_encoder
    from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

    encoder = load_encoder(minilm_directory)
    preprocessor = BertPreprocessor(BertTokenizer(minilm_directory / "vocab.txt"), 32)

    def embed(texts):
        inputs = preprocessor(list(texts))
        mask = np.asarray(inputs["padding_mask"], "float32")[..., None]
        hidden = np.asarray(encoder(inputs)["sequence_output"])
        means = (hidden * mask).sum(1) / mask.sum(1)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    vectors = {split: embed(texts) for split, texts in sentences.items()}
    alike = []
    for one, other in itertools.combinations(SIZES, 2):
        for i, j in np.argwhere(vectors[one] @ vectors[other].T > 0.9):
            alike.append((sentences[one][i], sentences[other][j]))
    assert alike == []
