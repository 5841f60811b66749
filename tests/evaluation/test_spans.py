"""Answers as text, against spans written by hand."""

import math
import pathlib

import numpy as np
import pytest

from tinybert_tf.data import SPAN_TASKS, SpanExamples, encode_windows, read_squad
from tinybert_tf.data.squad import Answer, SpanExample
from tinybert_tf.evaluation import SpanPredictor, decode_spans
from tinybert_tf.evaluation.spans import SpanAnswer, SpanPrediction
from tinybert_tf.models import BertEncoder, BertSpanClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

SHARED_SQUAD = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data" / "squad"

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


def test_answers_survive_tokens_and_windows(minilm_directory):
    """Answers go to tokens and come back; only those that cut a word come back longer."""
    if not SHARED_SQUAD.is_dir():
        pytest.skip(f"the SQuAD files are not at {SHARED_SQUAD}")
    tokenizer = BertTokenizer(minilm_directory / "vocab.txt")
    examples = read_squad(SPAN_TASKS["squad_v1"], SHARED_SQUAD / "dev-v1.1.json")
    examples = examples.take(range(0, 10_570, 10))
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
