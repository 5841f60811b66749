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
