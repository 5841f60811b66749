"""Outputs in another order than the labels: found where there is reason to, only there."""

import numpy as np
import pytest

from tinybert_tf.evaluation.label_order import find_better_order


def answers_of(labels, right, num_labels, seed=0):
    """Answers of which a share is right, the others random."""
    random = np.random.default_rng(seed)
    guesses = random.integers(num_labels, size=len(labels))
    return np.where(random.random(len(labels)) < right, labels, guesses)


def labels_of(count, num_labels):
    return np.arange(count) % num_labels


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [1, 2, 3, 0], [3, 2, 1, 0]])
def test_an_order_is_found(order):
    labels = labels_of(48, 4)
    answers = np.argsort(order)[answers_of(labels, 0.8, 4)]
    assert find_better_order(labels, answers, 4) == order


def test_a_swap_of_two_in_a_small_set_is_found():
    labels = labels_of(20, 2)
    assert find_better_order(labels, 1 - answers_of(labels, 0.9, 2), 2) == [1, 0]
    # Three answers may be an accident, and so are five of eight.
    assert find_better_order(np.array([0, 1, 0]), np.array([1, 0, 1]), 2) is None
    assert find_better_order(labels_of(8, 2), labels_of(8, 2) ^ (np.arange(8) < 5), 2) is None


@pytest.mark.parametrize("num_labels", [2, 4, 20])
@pytest.mark.parametrize("right", [0.0, 0.3, 0.9])
def test_a_right_or_a_guessing_model_is_left_alone(num_labels, right):
    labels, found = labels_of(60, num_labels), 0
    for seed in range(50):
        answers = answers_of(labels, right, num_labels, seed)
        found += find_better_order(labels, answers, num_labels) is not None
    # One in a hundred of those that guess; none of those that know something.
    assert found <= (1 if right == 0.0 else 0)


def test_a_model_that_confuses_one_way_is_left_alone():
    """It calls most of class 1 class 0, and none of class 0 class 1."""
    labels = np.repeat([0, 1, 2], 30)
    answers = np.where((labels == 1) & (np.arange(90) % 10 < 8), 0, labels)
    assert find_better_order(labels, answers, 3) is None
