"""What the tests of readers share."""

import pathlib

import numpy as np
import pytest


@pytest.fixture
def write():
    """A function that writes a file and returns its path."""

    def write(path: pathlib.Path, content: str | bytes) -> pathlib.Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def assert_examples():
    """A function that compares examples with texts and labels written by hand."""

    def assert_examples(examples, texts, labels, dtype=np.int32):
        assert examples.texts == texts
        assert examples.labels.dtype == dtype
        np.testing.assert_array_equal(examples.labels, np.array(labels, dtype))
        assert len(examples) == len(labels)

    return assert_examples


@pytest.fixture
def find_alike():
    """A function of texts and the set of parts of each: pairs that share more than half."""

    def find(texts, parts):
        columns = {part: i for i, part in enumerate(sorted(frozenset().union(*parts)))}
        has_part = np.zeros((len(parts), len(columns)), "float32")
        for row, of_text in zip(has_part, parts, strict=True):
            row[[columns[part] for part in of_text]] = 1
        common = has_part @ has_part.T
        counts = has_part.sum(1)
        in_either = counts[:, None] + counts - common
        pairs = np.argwhere(np.tril(common > 0.5 * in_either, -1))
        return [(texts[i], texts[j]) for i, j in pairs]

    return find
