"""What a tokenizer knows beyond its vocabulary comes back from whatever it is saved in."""

import json
import pathlib

import keras
import pytest

from tinybert_tf.models import BertEncoder
from tinybert_tf.tokenization import AddedToken, BertPreprocessor, BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["a", "cafe", "caf\u00e9", "\u4e2d", "\u56fd", "\u4e2d\u56fd", "[URL]", "covid 19"]
TEXTS = ["CAFE caf\u00c9 a", "\u4e2d\u56fd", "a[URL]a [url]", "aCOVID 19", "cafe\u0301"]


@pytest.fixture(params=[True, False], ids=["uncased", "cased"])
def tokenizer(request):
    tokenizer = BertTokenizer(
        SPECIAL + WORDS,
        lowercase=request.param,
        strip_accents=not request.param,
        tokenize_chinese_chars=False,
        added_tokens=[AddedToken("[URL]", normalized=False), AddedToken("covid 19")],
    )
    ids = tokenizer(TEXTS).to_list()
    # Every setting is needed for these.
    assert ids[1:3] == [[10], [5, 11, 5, 1, 1, 1]]
    uncased = ([6, 7, 5], [5, 12], [1])
    assert (ids[0], *ids[3:]) == (uncased if request.param else ([1, 1, 5], [1, 1], [6]))
    return tokenizer


@pytest.fixture
def preset(tmp_path):
    """KerasHub takes no folder for a preset that has no encoder in it."""
    encoder = BertEncoder(len(SPECIAL + WORDS), 1, 1, 4, 4, max_sequence_length=8)
    encoder.save_to_preset(str(tmp_path))
    return str(tmp_path)


def _check(restored: BertTokenizer, tokenizer: BertTokenizer):
    assert restored.settings() == tokenizer.settings()
    assert restored.added_tokens == tokenizer.added_tokens
    assert restored.get_vocabulary() == tokenizer.get_vocabulary()
    assert restored(TEXTS).to_list() == tokenizer(TEXTS).to_list()


def test_a_tokenizer_s_preset(tokenizer, preset):
    tokenizer.save_to_preset(preset)
    _check(BertTokenizer.from_preset(preset), tokenizer)


def test_a_preprocessor_s_preset(tokenizer, preset):
    preprocessor = BertPreprocessor(tokenizer, sequence_length=9)
    preprocessor.save_to_preset(preset)
    restored = BertPreprocessor.from_preset(preset)
    assert restored.sequence_length == 9
    _check(restored.tokenizer, tokenizer)
    for name, values in preprocessor(TEXTS).items():
        assert restored(TEXTS)[name].numpy().tolist() == values.numpy().tolist()


def test_keras_s_own_configuration(tokenizer):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(tokenizer)))
    restored = keras.saving.deserialize_keras_object(config)
    # The vocabulary is an asset, no part of it.
    restored.set_vocabulary(tokenizer.get_vocabulary())
    _check(restored, tokenizer)


def test_a_preset_saved_before_there_were_settings(tokenizer, preset):
    """It has case alone, and reads as it did."""
    plain = BertTokenizer(SPECIAL + WORDS, lowercase=tokenizer.lowercase)
    plain.save_to_preset(preset)
    path = pathlib.Path(preset) / "tokenizer.json"
    saved = json.loads(path.read_text("utf-8"))
    for name in ("strip_accents", "tokenize_chinese_chars", "added_tokens"):
        del saved["config"][name]
    path.write_text(json.dumps(saved), "utf-8")
    _check(BertTokenizer.from_preset(preset), plain)
