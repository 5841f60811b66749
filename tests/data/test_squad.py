"""SQuAD files, windows, and answers as text, against windows and spans written by hand."""

import json
import math
import pathlib

import numpy as np
import pytest

from tinybert_tf.data import (
    SPAN_TASKS,
    BucketedBatches,
    SpanExamples,
    encode_windows,
    read_squad,
)
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import SpanPredictor, decode_spans
from tinybert_tf.evaluation.spans import SpanAnswer, SpanPrediction
from tinybert_tf.models import BertEncoder, BertSpanClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

SHARED_SQUAD = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "squad"
V1, V2 = SPAN_TASKS["squad_v1"], SPAN_TASKS["squad_v2"]

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


# === Files ===


def squad_file(path, **changes):
    """Two articles, three questions; `changes` are of the first."""
    qa = {"id": "q1", "question": "Who sings?", "answers": [{"text": "Zoë", "answer_start": 4}]}
    qa |= changes
    qa = {key: value for key, value in qa.items() if value is not ...}
    other = {
        "id": "q2",
        "question": "Where?",
        "answers": [{"text": "bath", "answer_start": 21}],
    }
    last = {"id": "q3", "question": "What?", "answers": [{"text": "rain", "answer_start": 0}]}
    content = {
        "version": "1.1",
        "data": [
            {
                "title": "Songs",
                "paragraphs": [{"context": "Our Zoë sings in the bath.", "qas": [qa, other]}],
            },
            {"title": "Weather", "paragraphs": [{"context": "rain again", "qas": [last]}]},
        ],
    }
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_read_squad(tmp_path):
    two = [{"text": "Zoë", "answer_start": 4}, {"text": "Our Zoë", "answer_start": 0}]
    examples = read_squad(V1, squad_file(tmp_path / "a.json", answers=two))
    assert [e.id for e in examples] == ["q1", "q2", "q3"]
    assert examples.examples[0] == SpanExample(
        "q1",
        "Who sings?",
        "Our Zoë sings in the bath.",
        (Answer("Zoë", 4), Answer("Our Zoë", 0)),
    )
    assert [e.id for e in examples.take(np.array([2, 0]))] == ["q3", "q1"]


def test_questions_without_an_answer(tmp_path):
    plausible = {"plausible_answers": [{"text": "bath", "answer_start": 21}]}
    path = squad_file(tmp_path / "a.json", is_impossible=True, answers=[], **plausible)
    assert [len(e.answers) for e in read_squad(V2, path)] == [0, 1, 1]
    with pytest.raises(
        TinyBertError, match=r"question q1: is marked .* Take the task 'squad_v2"
    ):
        read_squad(V1, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "q2"}, "question q2: its id is there twice"),
        ({"id": 7}, r"paragraph 1, question 1: 'id' is 7, expected a string"),
        ({"id": ...}, r"paragraph 1, question 1: there is no 'id', only 'question', 'answers'"),
        ({"question": " "}, r"question q1: 'question' is empty"),
        ({"question": "\ud83d"}, r"question q1: 'question' holds '.ud83d', half a char"),
        ({"answers": []}, r"question q1: has no answer\. Add one"),
        ({"answers": ...}, r"question q1: there is no 'answers', only 'id', 'question'"),
        ({"answers": "Zoë"}, r"question q1: 'answers' is .*, expected a list"),
        ({"answers": ["Zoë"]}, r"question q1: there is no 'text', only 'Zoë'"),
        ({"answers": [{"text": "", "answer_start": 4}]}, "question q1: 'text' is empty"),
        (
            {"answers": [{"text": "Zoë"}]},
            "question q1: there is no 'answer_start', only 'text'",
        ),
        (
            {"answers": [{"text": "Zoë", "answer_start": 4.0}]},
            "question q1: 'answer_start' is 4.0, expected an integer",
        ),
        (
            {"answers": [{"text": "Zoë", "answer_start": 5}]},
            r"question q1: the answer 'Zoë' is not in its context at character 5, which reads "
            r"'oë '\. It is at 4\. Correct answer_start",
        ),
        (
            {"answers": [{"text": "Zoe", "answer_start": -1}]},
            r"question q1: the answer 'Zoe' is not .* at character -1, .*\. It is nowhere",
        ),
    ],
)
def test_an_unusable_question_is_refused(tmp_path, changes, message):
    path = squad_file(tmp_path / "a.json", **changes)
    with pytest.raises(TinyBertError, match=rf"a\.json, article 'Songs', {message}"):
        read_squad(V2, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ('{"data": [', "is not valid JSON: .*line 1 column"),
        ("[]", r"a\.json: there is no 'data', only \[\]\. Expected the layout of SQuAD"),
        ('{"data": {}}', "'data' is {}, expected a list"),
        ('{"data": []}', "there are no questions"),
        ('{"data": [3]}', "article '1': there is no 'paragraphs', only 3"),
        ('{"data": [{"paragraphs": [{}]}]}', "article '1', paragraph 1: there is no 'context'"),
    ],
)
def test_an_unusable_squad_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(TinyBertError, match=message):
        read_squad(V1, path)


def test_a_missing_squad_file_is_refused(tmp_path):
    with pytest.raises(TinyBertError, match=r"Cannot read the SQuAD file .*a\.json"):
        read_squad(V1, tmp_path / "a.json")


# === Windows ===


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


# === Answers ===


def logits_of(windows, *spans):
    """Start and end logits of 0 but at (window, start, end, start logit, end logit)."""
    start, end = np.zeros((2, len(windows.starts)), "float32")
    for window, first, last, start_logit, end_logit in spans:
        offset = windows.encoded.row_splits[window]
        start[offset + first], end[offset + last] = start_logit, end_logit
    return start, end


def test_the_best_span_is_the_text_of_the_context(preprocessor):
    windows = encode(preprocessor, example("C,  d. É"), example("c d"))
    logits = logits_of(windows, (0, 6, 8, 3.0, 4.0), (1, 0, 0, 0.5, 0.25))
    first, second = decode_spans(windows, *logits)
    # "," is no token of the vocabulary and stands as [UNK].
    assert first.answers[0] == SpanAnswer("d. É", 4, 8, 7.0)
    assert first.text == "d. É"
    assert first.no_answer_score == 0.0
    assert second.no_answer_score == 0.75
    # All else being equal, the first span is the best.
    assert [a.text for a in second.answers] == ["c", "c d", "d"]


def test_spans_neither_leave_the_context_nor_run_backwards_nor_are_too_long(preprocessor):
    windows = encode(preprocessor, example("c d e f g"))
    # Peaks at [CLS], at the question, at the last [SEP]; the end before the start.
    peaks = [(0, 0, 9, 9.0, 9.0), (0, 1, 2, 9.0, 9.0), (0, 7, 5, 5.0, 5.0)]
    (prediction,) = decode_spans(windows, *logits_of(windows, *peaks), best=100)
    assert prediction.answers[0].text == "c d"
    assert {a.text for a in prediction.answers} >= {"c d e f g", "f", "f g"}
    assert len(prediction.answers) == 15  # spans of five tokens
    (prediction,) = decode_spans(
        windows, *logits_of(windows, (0, 4, 8, 5.0, 5.0)), max_answer_tokens=4, best=100
    )
    assert len(prediction.answers) == 14
    assert "c d e f g" not in {a.text for a in prediction.answers}


def test_best_spans_are_those_of_a_search_through_all(preprocessor):
    """Random logits, three windows: all spans that may be, by three loops."""
    context = "c d e f g h i j"
    windows = encode(preprocessor, example(context))
    random = np.random.default_rng(5)
    start, end = random.normal(size=(2, len(windows.starts))).astype("float32")
    expected = []
    for begin, stop in zip(
        windows.encoded.row_splits, windows.encoded.row_splits[1:], strict=False
    ):
        for i in range(begin, stop):
            for j in range(i, min(i + 3, stop)):
                if windows.is_best_context[i] and windows.ends[j] >= 0:
                    text = context[windows.starts[i] : windows.ends[j]]
                    expected.append((float(start[i] + end[j]), text))
    expected.sort(reverse=True)
    (prediction,) = decode_spans(windows, start, end, max_answer_tokens=3, best=5)
    assert [a.text for a in prediction.answers] == [text for _, text in expected[:5]]
    scores = [a.score for a in prediction.answers]
    assert scores == pytest.approx([score for score, _ in expected[:5]])
    firsts = windows.encoded.row_splits[:-1]
    assert prediction.no_answer_score == pytest.approx((start + end)[firsts].min())


def test_a_text_that_occurs_twice_counts_once(preprocessor):
    windows = encode(preprocessor, example("c d c"))
    logits = logits_of(windows, (0, 4, 4, 1.0, 1.0), (0, 6, 6, 2.0, 2.0))
    (prediction,) = decode_spans(windows, *logits, max_answer_tokens=1)
    assert prediction.answers == (SpanAnswer("c", 4, 5, 4.0), SpanAnswer("d", 2, 3, 0.0))


def test_no_answer_is_the_logistic_function_of_the_scores():
    answers = (SpanAnswer("x", 0, 1, 3.0),)
    prediction = SpanPrediction(answers, 4.0)
    assert prediction.no_answer_probability == pytest.approx(math.e / (1 + math.e))
    assert prediction.text_or_none() == ""
    assert prediction.text_or_none(threshold=0.74) == "x"
    assert prediction.text == "x"
    assert SpanPrediction(answers, 3.0).no_answer_probability == 0.5
    assert SpanPrediction(answers, 3.0).text_or_none() == "x"
    assert SpanPrediction(answers, 9e4).no_answer_probability == 1.0
    assert SpanPrediction(answers, -9e4).no_answer_probability == 0.0
    assert SpanPrediction((), 0.0).text_or_none(1.0) == ""
    assert SpanPrediction((), 0.0).no_answer_probability == 1.0


def test_a_context_without_tokens_has_no_answer(preprocessor):
    windows = encode(preprocessor, example("\u200b"), example("c"))
    first, second = decode_spans(windows, *logits_of(windows))
    assert (first.answers, second.text) == ((), "c")


def test_logits_come_back_in_the_order_of_the_windows(preprocessor):
    windows = encode(preprocessor, example("c d e f g h i j"), example("c d"), example("e"))
    encoder = BertEncoder(len(VOCABULARY), 1, 2, 8, 16, dropout=0.0, max_sequence_length=16)
    model = BertSpanClassifier(encoder)
    random = np.random.default_rng(6)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0.0, 0.4, variable.shape))
    start, end = SpanPredictor(model, tokens_per_batch=32)(windows.encoded)
    assert start.shape == end.shape == windows.starts.shape
    for i, (first, last) in enumerate(
        zip(windows.encoded.row_splits, windows.encoded.row_splits[1:], strict=False)
    ):
        inputs, _ = windows.encoded.batch(np.array([i]), length=last - first)
        outputs = model(inputs)
        np.testing.assert_allclose(start[first:last], outputs["start_logits"][0], atol=1e-5)
        np.testing.assert_allclose(end[first:last], outputs["end_logits"][0], atol=1e-5)


# === The real set ===


@pytest.mark.parametrize(
    ("file", "count"), [("dev-v1.1.json", 10_570), ("train_subset-v1.1.json", 11_877)]
)
def test_official_squad_counts(file, count):
    if not SHARED_SQUAD.is_dir():
        pytest.skip(f"the SQuAD files are not at {SHARED_SQUAD}")
    assert len(read_squad(V1, SHARED_SQUAD / file)) == count


def test_answers_survive_tokens_and_windows(minilm_directory):
    """Answers go to tokens and come back; only those that cut a word come back longer."""
    if not SHARED_SQUAD.is_dir():
        pytest.skip(f"the SQuAD files are not at {SHARED_SQUAD}")
    tokenizer = BertTokenizer(minilm_directory / "vocab.txt")
    examples = read_squad(V1, SHARED_SQUAD / "dev-v1.1.json").take(range(0, 10_570, 10))
    windows = encode_windows(examples, BertPreprocessor(tokenizer, sequence_length=384))
    labels, firsts = windows.encoded.labels, windows.encoded.row_splits[:-1]
    shown = labels[:, 0] > 0
    start, end = np.zeros((2, len(windows.starts)), "float32")
    start[(firsts + labels[:, 0])[shown]] = end[(firsts + labels[:, 1])[shown]] = 9.0
    predictions = decode_spans(windows, start, end, max_answer_tokens=64, best=1)
    unequal = []
    for example, prediction in zip(examples, predictions, strict=True):
        text, first = example.answers[0]
        if prediction.text != text:
            unequal.append(text)
            before = example.context[max(first - 1, 0) : first]
            after = example.context[first + len(text) :][:1]
            assert text in prediction.text
            assert before.isalnum() or after.isalnum()
    assert len(unequal) <= 0.005 * len(examples)
