"""Comparing models."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def assert_same_weights():
    """A function that compares all weights of two models, bit by bit."""

    def check(model, other):
        for ours, theirs in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(ours.value, theirs.value)

    return check
