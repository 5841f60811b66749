"""Examples in memory, and what is asked of those that are trained on."""

import numpy as np
import pytest

from tinybert_tf.data.examples import Examples, check_training_labels
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError

MOOD = Task("mood", ("text",), "label", ("bad", "good"))
SCORED = Task("scored", ("text",), "score", None, (0.0, 5.0))


def test_take_returns_the_rows_in_the_order_asked_for(assert_examples):
    examples = Examples((("a", "b", "c"), ("d", "e", "f")), np.array([0, 1, 2], np.int32))
    assert_examples(examples.take([2, 0, 2]), (("c", "a", "c"), ("f", "d", "f")), [2, 0, 2])
    assert_examples(examples.take(np.array([1])), (("b",), ("e",)), [1])
    assert_examples(examples.take([]), ((), ()), [])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([3], "index 3, expected 0 to 2"),
        ([-1], "index -1, expected 0 to 2"),
        ([1.0], "indices of type float64"),
        ([True, False, True], r"type bool .* np.flatnonzero"),
        ([[0, 1]], r"shape \(1, 2\)"),
    ],
)
def test_take_refuses_what_is_no_position(indices, message):
    examples = Examples((("a", "b", "c"),), np.zeros(3, np.int32))
    with pytest.raises(TinyBertError, match=message):
        examples.take(indices)


@pytest.mark.parametrize(
    ("texts", "labels"), [((("a", "b"),), [0]), ((("a",), ()), [0]), ((), [0]), ((("a",),), 0)]
)
def test_examples_of_different_lengths_are_refused(texts, labels):
    with pytest.raises(TinyBertError, match="each as long as the labels"):
        Examples(texts, np.array(labels))


def test_check_training_labels():
    texts = (("a", "b"),)
    check_training_labels(MOOD, Examples(texts, np.array([0, 1], np.int32)), "a.tsv")
    check_training_labels(SCORED, Examples(texts, np.array([0, 0.5], np.float32)), "a.tsv")
    one_class = Examples(texts, np.array([1, 1], np.int32))
    with pytest.raises(TinyBertError, match=r"a\.tsv: all 2 .* label 'good', .*: bad, good"):
        check_training_labels(MOOD, one_class, "a.tsv")
    one_score = Examples(texts, np.array([2.5, 2.5], np.float32))
    with pytest.raises(TinyBertError, match=r"a\.tsv: all 2 .* the score 2\.5, expected diff"):
        check_training_labels(SCORED, one_score, "a.tsv")
    with pytest.raises(TinyBertError, match=r"a\.tsv: the training set is empty"):
        check_training_labels(MOOD, one_class.take([]), "a.tsv")
