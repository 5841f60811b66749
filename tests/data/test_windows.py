"""Windows of questions and contexts, against windows written by hand."""

import numpy as np
import pytest

from tinybert_tf.data import (
    BucketedBatches,
    SpanExamples,
    encode_windows,
)
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

# "a" has id 5, "j" 14.
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", ".", "##s"]


@pytest.fixture(scope="module")
def preprocessor():
    """Windows of ten tokens: five of the context beside a question of two."""
    return BertPreprocessor(BertTokenizer(VOCABULARY), sequence_length=10)


def example(context, answer=None, question="a b", question_id="q"):
    answers = () if answer is None else (Answer(answer, context.index(answer)),)
    return SpanExample(question_id, question, context, answers)


def encode(preprocessor, *examples, **options):
    options = {"doc_stride": 2, "max_query_tokens": 2, **options}
    return encode_windows(SpanExamples(examples), preprocessor, **options)


def window_rows(windows, values):
    return [part.tolist() for part in np.split(values, windows.encoded.row_splits[1:-1])]


def test_a_short_context_is_one_window(preprocessor):
    windows = encode(preprocessor, example("c d. E", "d."))
    encoded = windows.encoded
    assert encoded.token_ids.tolist() == [2, 5, 6, 3, 7, 8, 15, 9, 3]
    assert encoded.segment_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert encoded.labels.tolist() == [[5, 6]]
    assert windows.starts.tolist() == [-1, -1, -1, -1, 0, 2, 3, 5, -1]
    assert windows.ends.tolist() == [-1, -1, -1, -1, 1, 3, 4, 6, -1]
    assert windows.is_best_context.tolist() == [False] * 4 + [True] * 4 + [False]
    assert encoded.token_ids.dtype == encoded.labels.dtype == windows.starts.dtype == np.int32


def test_a_long_context_is_seen_through_overlapping_windows(preprocessor):
    """Eight tokens in windows of five every two: 0 to 4, 2 to 6, 4 to 7."""
    windows = encode(preprocessor, example("c d e f g h i j", "f g"), example("c d", "c"))
    ids = window_rows(windows, windows.encoded.token_ids)
    assert ids == [
        [2, 5, 6, 3, 7, 8, 9, 10, 11, 3],
        [2, 5, 6, 3, 9, 10, 11, 12, 13, 3],
        [2, 5, 6, 3, 11, 12, 13, 14, 3],
        [2, 5, 6, 3, 7, 8, 3],
    ]
    assert windows.example_splits.tolist() == [0, 3, 4]
    # "f g" is wholly in the first two.
    assert windows.encoded.labels.tolist() == [[7, 8], [5, 6], [0, 0], [4, 4]]
    assert window_rows(windows, windows.starts)[2] == [-1] * 4 + [8, 10, 12, 14, -1]


def test_a_token_is_best_where_most_is_around_it(preprocessor):
    """Left and right of tokens 0 to 7: the least is, in each window,
    0 1 2 1 0 / 0 1 2 1 0 of 2 to 6 / 0 1 1 0 of 4 to 7; longer windows first on a tie."""
    windows = encode(preprocessor, example("c d e f g h i j"))
    best = [row[4:-1] for row in window_rows(windows, windows.is_best_context)]
    assert best == [
        [True, True, True, True, False],  # 0, 1, 2, and 3 by the tie with the second
        [False, False, True, True, False],  # 4 and 5: 5 has 1 here and there, but is longer
        [False, False, True, True],  # 6 has 1, not 0; 7
    ]


def test_questions_are_cut_and_windows_made_longer_by_short_ones(preprocessor):
    windows = encode(
        preprocessor,
        example("c d e f g h", question="a b c"),
        example("c d e f g h", question="a"),
    )
    assert window_rows(windows, windows.encoded.token_ids) == [
        [2, 5, 6, 3, 7, 8, 9, 10, 11, 3],
        [2, 5, 6, 3, 9, 10, 11, 12, 3],
        [2, 5, 3, 7, 8, 9, 10, 11, 12, 3],
    ]


def test_answers_that_cut_words_take_the_whole_tokens(preprocessor):
    """Characters 1 to 3 of "As d": the end of "##s", the space; and half of an [UNK]."""
    windows = encode(
        preprocessor,
        SpanExample("q1", "a b", "As d xyz", (Answer("s", 1),)),
        SpanExample("q2", "a b", "As d xyz", (Answer("d xy", 3),)),
        SpanExample("q3", "a b", "As d xyz", (Answer(" d ", 2),)),
    )
    assert window_rows(windows, windows.encoded.token_ids)[0] == [2, 5, 6, 3, 5, 16, 8, 1, 3]
    assert windows.encoded.labels.tolist() == [[5, 5], [6, 7], [6, 6]]


def test_an_answer_of_which_no_token_is_left_is_refused(preprocessor):
    broken = SpanExample("q7", "a b", "c \u200b d", (Answer("\u200b", 2),))
    with pytest.raises(TinyBertError, match="Question q7: no token is left of its answer"):
        encode(preprocessor, broken)


@pytest.mark.parametrize(
    "options", [{"doc_stride": 0}, {"max_query_tokens": 7}, {"max_query_tokens": 0}]
)
def test_sizes_that_leave_no_room_are_refused(preprocessor, options):
    with pytest.raises(TinyBertError, match="sequence_length of 10: both must be positive"):
        encode(preprocessor, example("c d"), **options)


def test_batches_have_two_labels(preprocessor):
    windows = encode(preprocessor, example("c d e f g h i j", "f g"), example("c d", "c"))
    batches = BucketedBatches(windows.encoded, tokens_per_batch=32)
    elements = list(batches.dataset().as_numpy_iterator())
    assert [labels.tolist() for _, labels in elements] == [[[4, 4], [7, 8]], [[5, 6], [0, 0]]]
    assert [x["token_ids"].shape for x, _ in elements] == [(2, 16), (2, 16)]
