"""The review sentences keep what their README promises."""

import collections
import pathlib
import re

import pytest

from tinybert_tf.data import Task, read_table

REVIEWS = pathlib.Path(__file__).resolve().parents[2] / "tinybert_tf" / "data" / "reviews"
SIZES = {"train": 1200, "dev": 80, "test": 320}


def read(split, label_field="label", labels=("negative", "positive")):
    task = Task("reviews", ("sentence",), label_field, labels)
    return read_table(task, REVIEWS / f"{split}.tsv")


@pytest.mark.parametrize("split, size", SIZES.items())
def test_size_and_balance(split, size):
    examples = read(split)
    assert len(examples) == size
    assert collections.Counter(examples.labels.tolist()) == {0: size // 2, 1: size // 2}


@pytest.mark.parametrize("split, size", SIZES.items())
def test_domains_are_of_equal_size(split, size):
    examples = read(split, "domain", ("app", "film", "place", "product"))
    assert collections.Counter(examples.labels.tolist()) == dict.fromkeys(range(4), size // 4)


def test_no_near_duplicates(find_alike):
    sentences = [text for split in SIZES for text in read(split).texts[0]]
    words = [frozenset(re.findall(r"\w+", text.lower())) for text in sentences]
    assert len(set(words)) == len(sentences)
    assert find_alike(sentences, words) == []


def test_lengths():
    lengths = [len(text.split()) for split in SIZES for text in read(split).texts[0]]
    assert min(lengths) >= 4 and max(lengths) <= 40
    assert sum(length <= 9 for length in lengths) > len(lengths) / 4
    assert sum(length > 18 for length in lengths) > len(lengths) / 4
