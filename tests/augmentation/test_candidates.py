import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.augmentation._candidates import MaskedLMCandidates, MaskedWord
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertMaskedLM
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

WORDS = ["film", "movie", "story", "plot", "scene", "good", "fine", "bad", "dull", "plays"]
WORDS += ["the", "is", "not"]


@pytest.fixture
def query(vocabulary):
    """A function that masks token `start` of a text of tokens between spaces."""

    def make(word, text, start, width=1):
        ids = np.array([vocabulary.index(token) for token in text.split()])
        return MaskedWord(word, ids, start, start + width)

    return make


@pytest.fixture
def one_at_a_time(vocabulary):
    """A function: the words by the model alone, in one row, unpadded, all logits sorted."""
    cls, sep, mask = (vocabulary.index(token) for token in ("[CLS]", "[SEP]", "[MASK]"))

    def propose(model, asked, count):
        ids = list(asked.token_ids)
        masked = [*ids[: asked.start], mask, *ids[asked.stop :]]
        row = [cls, *masked, sep, *ids, sep]
        inputs = {
            "token_ids": [row],
            "segment_ids": [[0] * (len(masked) + 2) + [1] * (len(ids) + 1)],
            "padding_mask": [[1] * len(row)],
            "mask_positions": [[asked.start + 1]],
        }
        inputs = {name: np.array(value, "int32") for name, value in inputs.items()}
        ranked = [vocabulary[i] for i in np.argsort(-model(inputs)[0, 0].numpy())]
        others = [word for word in ranked if word in WORDS and word != asked.word]
        return tuple(sorted(others[:count]))

    return propose


@pytest.fixture
def queries(query):
    return [
        query("film", "film", 0),
        query("film", "the film is not bad .", 1),
        query("bad", "the film is not bad .", 4),
        # Two tokens that become one [MASK].
        query("player", "the plays ##er is fine", 1, 2),
        *(query("plot", "the plot is not " + "bad , " * n + "dull", 1) for n in range(12)),
    ]


def test_batches_propose_what_one_row_alone_does(
    make_masked_lm, make_candidates, queries, one_at_a_time, monkeypatch
):
    model = make_masked_lm()
    expected = [one_at_a_time(model, asked, 4) for asked in queries]
    # The proposals depend on text and place.
    assert len(set(expected)) > 3
    propose = make_candidates(model)
    for tokens_per_batch in (1, 64, 4096):
        monkeypatch.setattr(propose, "_tokens_per_batch", tokens_per_batch)
        assert propose(queries, 4) == expected
        assert propose(queries[::-1], 4) == expected[::-1]
    assert propose([], 4) == []


class LastBits:
    """A masked LM whose rounding depends on the size of the batch: plot or film comes third."""

    def __init__(self, model, vocabulary):
        self.preprocessor, self.backbone = model.preprocessor, model.backbone
        logits = {"movie": 5.0, "story": 4.0, "plot": 3.0, "film": 3.0}
        self._logits = tf.constant([logits.get(token, -5.0) for token in vocabulary])
        rounding = {"plot": 5e-6, "film": -5e-6}
        self._rounding = tf.constant([rounding.get(token, 0.0) for token in vocabulary])

    def __call__(self, inputs, training):
        rows = tf.shape(inputs["token_ids"])[0]
        sign = tf.where(rows == 1, 1.0, -1.0)
        logits = self._logits + sign * self._rounding
        return tf.broadcast_to(logits, (rows, 1, len(logits)))


def test_near_ties_do_not_depend_on_the_batch(make_masked_lm, vocabulary, query):
    model = LastBits(make_masked_lm(), vocabulary)
    order = [
        np.argsort(-model({"token_ids": tf.zeros((rows, 4))}, False)[0, 0])[2]
        for rows in (1, 20)
    ]
    assert [vocabulary[i] for i in order] == ["plot", "film"]

    asked = [query("bad", "the film is bad", 3)] * 20
    few, many = (MaskedLMCandidates(model, n)(asked, 3) for n in (1, 4096))
    assert few == many == [("movie", "plot", "story")] * 20


def test_only_other_whole_words(make_masked_lm, make_candidates, query):
    propose = make_candidates(make_masked_lm(biased=True))
    asked = query("film", "the film is bad", 1), query("bad", "the film is bad", 3)
    assert propose(asked, 3) == [("movie", "plot", "story")] * 2
    # The vocabulary has 13 words.
    assert len(propose(asked, 99)[0]) == 12
    assert propose(asked, 4) == [
        ("good", "movie", "plot", "story"),
        ("film", "movie", "plot", "story"),
    ]


@pytest.mark.parametrize(
    ("start", "seen", "place"),
    [
        (1, "the film is not bad , the plot", 1),
        (9, ", the plot is dull . the scene", 4),
        (17, "the scene is fine , not good .", 6),
    ],
)
def test_a_long_text_is_read_around_the_word(
    make_masked_lm, make_candidates, query, one_at_a_time, start, seen, place
):
    # Eight tokens fit twice beside [CLS] and two [SEP].
    model = make_masked_lm(sequence_length=19)
    text = "the film is not bad , the plot is dull . the scene is fine , not good ."
    word = text.split()[start]
    expected = one_at_a_time(model, query(word, seen, place), 4)
    assert make_candidates(model)([query(word, text, start)], 4) == [expected]


def test_a_word_longer_than_the_room(make_masked_lm, query):
    text = " ".join(["film", *["##er"] * 30, "is", "bad"])
    propose = MaskedLMCandidates(make_masked_lm(sequence_length=11))
    (words,) = propose([query("filmerererer", text, 0, 31)], 4)
    assert len(words) == 4


# === What cannot be used ===


def test_another_vocabulary(make_masked_lm):
    with pytest.raises(TinyBertError, match="has 30 tokens, the masked LM's embedding 31"):
        MaskedLMCandidates(make_masked_lm(vocabulary_size=31))


def test_no_preprocessor(make_masked_lm):
    with pytest.raises(TinyBertError, match="no preprocessor, so its vocabulary is unknown"):
        MaskedLMCandidates(BertMaskedLM(make_masked_lm().backbone))


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (65, "is 65, its position table ends at 64"),
        (10, "is 10. The text stands .* 11 or more"),
    ],
)
def test_sequence_length(make_masked_lm, length, message):
    with pytest.raises(TinyBertError, match=f"sequence_length {message}"):
        MaskedLMCandidates(make_masked_lm(sequence_length=length))


@pytest.mark.parametrize(
    ("left_out", "message"),
    [(["[MASK]"], r"no \[MASK\]"), (WORDS, "no lower-case word")],
)
def test_vocabulary(make_masked_lm, vocabulary, left_out, message):
    tokens = [f"[{t}]" if t in left_out else t for t in vocabulary]
    preprocessor = BertPreprocessor(BertTokenizer(tokens), 64)
    model = BertMaskedLM(make_masked_lm().backbone, preprocessor)
    with pytest.raises(TinyBertError, match=message):
        MaskedLMCandidates(model)
