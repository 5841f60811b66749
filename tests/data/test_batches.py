"""Encoding, padding, buckets and their order, against ids and plans written by hand."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.data import (
    BucketedBatches,
    EncodedExamples,
    Examples,
    concatenate_examples,
    encode_examples,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

# "a" has id 5. The padding token is not the first, so that a zero is not taken for it.
VOCABULARY = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *"abcdef"]


@pytest.fixture(scope="module")
def preprocessor():
    return BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=8)


def encoded_of_lengths(lengths):
    """Examples whose tokens are all their own number, and whose labels are too."""
    lengths = np.asarray(lengths)
    return EncodedExamples(
        token_ids=np.repeat(np.arange(len(lengths)), lengths).astype("int32"),
        segment_ids=np.zeros(lengths.sum(), "int32"),
        row_splits=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.arange(len(lengths), dtype="int32"),
        pad_token_id=0,
    )


def skewed_lengths(count=1000):
    """Mostly short texts and a long tail, as sentences are; 3 to 128 tokens."""
    random = np.random.default_rng(0)
    return np.clip(random.lognormal(2.5, 0.8, count).astype(int), 3, 128)


def as_lists(dataset):
    return [
        ({name: x.tolist() for name, x in inputs.items()}, labels.tolist())
        for inputs, labels in dataset.as_numpy_iterator()
    ]


def plan_lists(batches, epoch):
    return [rows.tolist() for rows in batches.plan(epoch)]


# === Encoding ===


def test_single_texts_are_encoded_end_to_end(preprocessor):
    labels = np.array([1, 0, 1], "int32")
    encoded = encode_examples(
        Examples((("a b", "c", "a b c d e f a b"),), labels), preprocessor
    )
    assert encoded.token_ids.tolist() == [2, 5, 6, 3, 2, 7, 3, 2, 5, 6, 7, 8, 9, 10, 3]
    assert encoded.segment_ids.tolist() == [0] * 15
    assert encoded.row_splits.tolist() == [0, 4, 7, 15]
    assert encoded.lengths.tolist() == [4, 3, 8]
    assert encoded.labels is labels
    assert encoded.pad_token_id == 1
    assert len(encoded) == 3
    assert encoded.token_ids.dtype == encoded.segment_ids.dtype == np.int32


def test_pairs_are_encoded_with_their_segments(preprocessor):
    examples = Examples((("a", "a b c d"), ("b c", "e f e f")), np.array([0.5, 1], "float32"))
    encoded = encode_examples(examples, preprocessor)
    # The second pair is cut to eight: three tokens of the first text, two of the second.
    assert encoded.token_ids.tolist() == [2, 5, 3, 6, 7, 3, 2, 5, 6, 7, 3, 9, 10, 3]
    assert encoded.segment_ids.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1]
    assert encoded.row_splits.tolist() == [0, 6, 14]


def test_chunks_leave_no_seam(preprocessor, monkeypatch):
    """Examples are tokenized in chunks; three do not divide eight."""
    monkeypatch.setattr("tinybert_tf.data.batches._ENCODE_CHUNK", 3)
    texts = tuple(" ".join("abcdef"[:n]) for n in (1, 2, 3, 4, 5, 6, 1, 2))
    encoded = encode_examples(Examples((texts,), np.arange(8, dtype="int32")), preprocessor)
    assert encoded.lengths.tolist() == [3, 4, 5, 6, 7, 8, 3, 4]
    assert encoded.token_ids[encoded.row_splits[:-1]].tolist() == [2] * 8
    assert encoded.token_ids[encoded.row_splits[1:] - 1].tolist() == [3] * 8


def test_concatenated_examples(preprocessor):
    one, two = (
        encode_examples(Examples((texts,), np.array(labels, "int32")), preprocessor)
        for texts, labels in ((("a b", "c"), [1, 0]), (("d", "e e d"), [0, 1]))
    )
    both = concatenate_examples([one, two])
    assert both.token_ids.tolist() == [2, 5, 6, 3, 2, 7, 3, 2, 8, 3, 2, 9, 9, 8, 3]
    assert both.segment_ids.tolist() == [0] * 15
    assert both.row_splits.tolist() == [0, 4, 7, 10, 15]
    assert both.labels.tolist() == [1, 0, 0, 1]
    assert both.pad_token_id == 1


# === Padding ===


@pytest.fixture
def three_texts():
    return EncodedExamples(
        token_ids=np.array([2, 5, 3, 6, 3, 2, 7, 3, 2, 8, 9, 10, 3], "int32"),
        segment_ids=np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], "int32"),
        row_splits=np.array([0, 5, 8, 13]),
        labels=np.array([4, 5, 6], "int32"),
        pad_token_id=1,
    )


def test_a_batch_is_padded_to_a_multiple_of_eight(three_texts):
    inputs, labels = three_texts.batch(np.array([1, 0]))
    assert {name: x.tolist() for name, x in inputs.items()} == {
        "token_ids": [[2, 7, 3, 1, 1, 1, 1, 1], [2, 5, 3, 6, 3, 1, 1, 1]],
        "segment_ids": [[0] * 8, [0, 0, 0, 1, 1, 0, 0, 0]],
        "padding_mask": [[1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0]],
    }
    assert {x.dtype for x in inputs.values()} == {np.dtype("int32")}
    assert labels.tolist() == [5, 4]


def test_a_batch_can_have_a_length_of_its_own(three_texts):
    inputs, _ = three_texts.batch(np.array([2]), length=6)
    assert inputs["token_ids"].tolist() == [[2, 8, 9, 10, 3, 1]]
    assert inputs["padding_mask"].tolist() == [[1, 1, 1, 1, 1, 0]]


def test_the_step_of_lengths_is_met_exactly():
    encoded = encoded_of_lengths([8, 9])
    assert encoded.batch(np.array([0]))[0]["token_ids"].shape == (1, 8)
    assert encoded.batch(np.array([1]))[0]["token_ids"].shape == (1, 16)


def test_a_text_longer_than_the_batch_is_refused(three_texts):
    with pytest.raises(TinyBertError, match=r"5 tokens .* length of 4"):
        three_texts.batch(np.array([0, 1]), length=4)


# === Buckets ===


def test_plan_without_shuffle_is_sorted_and_fills_batches():
    # Padded lengths 8, 16, 8, 24, 8, 16, 8; a batch is two rows of 8, or one of a longer one.
    batches = BucketedBatches(encoded_of_lengths([8, 16, 3, 17, 5, 9, 1]), 20)
    assert plan_lists(batches, 0) == [[0, 2], [4, 6], [1], [5], [3]]
    assert plan_lists(batches, 5) == plan_lists(batches, 0)
    assert batches.steps_per_epoch == 5


def test_what_fills_no_batch_moves_up():
    # A batch is four rows of 8, two of 16 or one of 24. Three rows of 8 fill none.
    batches = BucketedBatches(encoded_of_lengths([8, 8, 8, 16, 20]), 32)
    assert plan_lists(batches, 0) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("budget", [100, 1024])
def test_an_epoch_shows_every_example_once_within_the_budget(seed, budget):
    lengths = skewed_lengths()
    batches = BucketedBatches(encoded_of_lengths(lengths), budget, seed)
    for epoch in range(3):
        plan = batches.plan(epoch)
        assert sorted(itertools.chain(*plan)) == list(range(1000))
        # All epochs have the same number of batches: schedules and resuming count on it.
        assert len(plan) == batches.steps_per_epoch
        for rows in plan:
            padded = -(-lengths[rows].max() // 8) * 8
            assert len(rows) * padded <= budget or len(rows) == 1


def test_an_example_longer_than_the_budget_comes_alone():
    plan = plan_lists(BucketedBatches(encoded_of_lengths([3, 40, 3, 41]), 16), 0)
    assert plan == [[0, 2], [1], [3]]


def test_order_depends_on_seed_and_epoch_alone():
    encoded = encoded_of_lengths(skewed_lengths(200))
    batches = BucketedBatches(encoded, 256, seed=1)
    # Asked out of order and of another object: there is no state.
    later, first = plan_lists(batches, 1), plan_lists(batches, 0)
    again = BucketedBatches(encoded, 256, seed=1)
    assert plan_lists(again, 0) == first
    assert plan_lists(again, 1) == later
    assert later != first
    assert plan_lists(BucketedBatches(encoded, 256, seed=2), 0) != first
    # Not only the order of the batches: an epoch mixes examples anew.
    assert {tuple(sorted(rows)) for rows in later} != {tuple(sorted(rows)) for rows in first}


def test_batches_come_in_no_order_of_length():
    lengths = skewed_lengths(200)
    plan = BucketedBatches(encoded_of_lengths(lengths), 256, seed=1).plan(0)
    longest = [lengths[rows].max() for rows in plan]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_little_of_a_batch_is_padding():
    lengths = skewed_lengths(10_000)
    # Batches of 64 as the texts come are four fifths padding.
    in_order = [part.max() * 64 for part in np.split(lengths[:9984], 156)]
    assert 1 - lengths[:9984].sum() / sum(in_order) > 0.75
    plan = BucketedBatches(encoded_of_lengths(lengths), 4096, seed=0).plan(0)
    padded = sum(len(rows) * -(-lengths[rows].max() // 8) * 8 for rows in plan)
    # Of which 0.18 is the rounding to multiples of eight.
    assert 1 - lengths.sum() / padded < 0.22


# === The data set ===


@pytest.mark.parametrize("first_step", [0, 1, 5, 6, 13, 17, 18])
def test_a_dataset_can_begin_anywhere(first_step):
    """At a batch, at the beginning of an epoch, at the very end."""
    lengths = [8, 16, 3, 17, 5, 9, 1, 2]
    batches = BucketedBatches(encoded_of_lengths(lengths), 20, seed=3)
    assert batches.steps_per_epoch == 6
    whole = [
        (
            {name: x.tolist() for name, x in batches.encoded.batch(rows)[0].items()},
            rows.tolist(),
        )
        for epoch in range(3)
        for rows in batches.plan(epoch)
    ]
    tail = batches.dataset(epochs=3, first_step=first_step)
    assert int(tail.cardinality()) == 18 - first_step
    assert as_lists(tail) == whole[first_step:]


def test_dataset_names_types_and_open_shapes():
    inputs, labels = BucketedBatches(encoded_of_lengths([3, 4])).dataset().element_spec
    assert inputs == dict.fromkeys(
        ("token_ids", "segment_ids", "padding_mask"), tf.TensorSpec((None, None), tf.int32)
    )
    assert labels == tf.TensorSpec((None,), tf.int32)


def test_scores_stay_float(preprocessor):
    examples = Examples((("a", "b"),), np.array([0.25, 4.5], "float32"))
    dataset = BucketedBatches(encode_examples(examples, preprocessor)).dataset()
    ((_, labels),) = dataset.as_numpy_iterator()
    assert labels.dtype == np.float32
    assert labels.tolist() == [0.25, 4.5]


@pytest.mark.parametrize("tokens", [0, -1])
def test_an_impossible_budget_is_refused(tokens):
    with pytest.raises(TinyBertError, match=f"tokens_per_batch={tokens}"):
        BucketedBatches(encoded_of_lengths([3]), tokens)


def test_no_examples_are_refused(preprocessor):
    empty = encoded_of_lengths(np.array([], int))
    with pytest.raises(TinyBertError, match="no examples"):
        BucketedBatches(empty)
