"""The students that come with the package."""

import json
import pathlib
import socket

import keras
import numpy as np
import pytest

from tinybert_tf.checkpoints import load_encoder
from tinybert_tf.commands import command_line
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.presets import PRESETS, resolve_preset
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

NAME = "tinybert_4l_312d_en"
SENTIMENT = "tinybert_4l_312d_en_sst2"
SENTENCES = [
    "The river was frozen from December until the end of March.",
    "She wrote three novels and a book of short stories.",
    "A new bridge joins the island to the mainland.",
    "The committee did not agree on the price.",
    "Bees need flowers as much as flowers need bees.",
    "He missed the last train and walked home in the rain.",
    "The recipe asks for two eggs and a cup of sugar.",
    "Nobody knows who painted the ceiling of the chapel.",
]


PRAISE = [
    "a warm and funny film",
    "the best two hours i have had in a cinema this year",
    "she is wonderful in the main part",
    "not a minute of it is dull",
    "clever, moving and beautifully shot",
    "i would gladly see it again",
]
BLAME = [
    "a waste of two hours",
    "the jokes are stale and the story makes no sense",
    "he is badly miscast",
    "neither funny nor frightening",
    "slow, loud and far too long",
    "i left before it was over",
]


@pytest.fixture
def offline(monkeypatch):
    """Whatever asks the network fails."""

    def refuse(*_):
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def encoder():
    return BertEncoder.from_preset(NAME)


@pytest.mark.parametrize("name", PRESETS)
def test_size_in_the_package(name):
    files = [path for path in pathlib.Path(resolve_preset(name)).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 16e6
    assert "README.md" in {path.name for path in files}


def test_names_of_the_package_alone_are_resolved():
    assert resolve_preset("bert_base_en") == "bert_base_en"
    assert set(PRESETS) == {NAME, SENTIMENT}


def test_shape(encoder):
    # 30,522 tokens, 512 positions, 2 segments; 4 blocks; a pooler: the paper's 14.35 M.
    block = 4 * (312 * 312 + 312) + 2 * 2 * 312 + (312 * 1200 + 1200) + (1200 * 312 + 312)
    expected = (30522 + 512 + 2) * 312 + 2 * 312 + 4 * block + (312 * 312 + 312)
    assert encoder.count_params() == expected
    assert {weight.dtype for weight in encoder.weights} == {"float32"}


def test_it_loads_offline(offline):
    classifier = BertTextClassifier.from_preset(NAME, num_classes=2)
    classifier.compile(run_eagerly=True)
    assert classifier.predict(["a text"], verbose=0).shape == (1, 2)
    assert (
        BertPreprocessor.from_preset(NAME, sequence_length=9)("a text")["token_ids"].shape == 9
    )


def test_a_classifier_has_the_encoder_of_the_preset(encoder):
    classifier = BertTextClassifier.from_preset(NAME, num_classes=3, labels=["a", "b", "c"])
    assert classifier.labels == ("a", "b", "c")
    for ours, theirs in zip(classifier.backbone.weights, encoder.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_its_vocabulary_is_its_teachers(minilm_directory):
    theirs = BertTokenizer(minilm_directory / "vocab.txt").get_vocabulary()
    assert BertTokenizer.from_preset(NAME).get_vocabulary() == theirs


def test_the_classifier_knows_good_from_bad_offline(offline):
    classifier = BertTextClassifier.from_preset(SENTIMENT)
    assert classifier.labels == ("negative", "positive")
    logits = classifier.predict([*PRAISE, *BLAME], verbose=0)
    # One of ten on SST-2 is wrong, and so may be one of these.
    assert np.sum(logits.argmax(axis=1) == [1] * 6 + [0] * 6) >= 11


def test_the_classifier_by_the_name_of_its_preset(capsys):
    command_line.main(["classify", "--model", SENTIMENT, PRAISE[0], BLAME[0]])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["label"] for row in rows] == ["positive", "negative"]


def test_the_classifier_lends_its_encoder():
    encoder = BertEncoder.from_preset(SENTIMENT)
    classifier = BertTextClassifier.from_preset(SENTIMENT, num_classes=5)
    assert classifier.output_dense.kernel.shape == (312, 5) and classifier.labels is None
    for ours, theirs in zip(classifier.backbone.weights, encoder.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_random_weights_are_to_be_had():
    keras.utils.set_random_seed(1)
    weights = BertEncoder.from_preset(NAME, load_weights=False).get_weights()
    assert abs(float(np.std(weights[0])) - 0.02) < 0.005


def test_it_attends_like_its_teacher(encoder, minilm_directory):
    """In sentences that it was not trained on, by the teacher's own scores."""
    inputs = BertPreprocessor.from_preset(NAME, sequence_length=20)(SENTENCES)
    teacher = load_encoder(minilm_directory)
    theirs, ours = (
        model.expose(attention_scores=True)(inputs, training=False)["attention_scores"]
        for model in (teacher, encoder)
    )
    is_token = np.asarray(inputs["padding_mask"], bool)
    is_pair = is_token[:, :, None] & is_token[:, None, :]
    for block, of_teacher in enumerate((2, 3, 5, 6)):
        for head in range(12):
            a = np.asarray(ours[block])[:, head][is_pair]
            b = np.asarray(theirs[of_teacher - 1])[:, head][is_pair]
            assert np.corrcoef(a, b)[0, 1] > 0.8, (block, head)
