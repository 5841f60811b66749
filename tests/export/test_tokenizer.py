"""Bundles of tokenizers that do more than BERT's: what they say, and that readers do it."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import (
    ModelCard,
    TaskCard,
    TfliteModel,
    export_bundle,
    load_profile,
    verify_bundle,
)
from tinybert_tf.export import bundle as bundle_module
from tinybert_tf.export._golden import telling_texts
from tinybert_tf.export._tokenizer import mediapipe_problem
from tinybert_tf.export.benchmark.subjects import common_tokenizer, read_bundles
from tinybert_tf.export.bundle import seal
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import AddedToken, BertPreprocessor, BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "a", "A", "good", "café", "cafe", "中", "国", "中国", "[URL]", "covid"]
ADDED = [AddedToken("[URL]", normalized=False), AddedToken("covid")]
# What a bundle is made of here, and what a reader may take for it.
KEEPING = {"strip_accents": False, "tokenize_chinese_chars": False, "added_tokens": ADDED}


def _tokenizer(**settings):
    return BertTokenizer(VOCABULARY, **settings)


def _classifier(**settings):
    encoder = BertEncoder(len(VOCABULARY), 1, 2, 32, 64, dropout=0.0, max_sequence_length=16)
    preprocessor = BertPreprocessor(_tokenizer(**settings), 16)
    return BertTextClassifier(encoder, 2, preprocessor=preprocessor)


def _export(folder, num_texts=1, **settings):
    model = _classifier(**settings)
    examples = Examples((("good", "café a", "[URL]good"),) * num_texts, np.zeros(3, "int32"))
    export_bundle(model, examples, folder, profile="float32", lengths=[16])
    return folder


@pytest.fixture(scope="module")
def keeping(tmp_path_factory):
    """Of pairs; accents kept, Chinese characters together, two added tokens."""
    return _export(tmp_path_factory.mktemp("keeping") / "bundle", 2, **KEEPING)


@pytest.fixture(scope="module")
def cased(tmp_path_factory):
    return _export(tmp_path_factory.mktemp("cased") / "bundle", lowercase=False)


def _info(bundle):
    return json.loads((bundle / "bundle.json").read_text("utf-8"))


def test_bundle_json_says_all_of_the_tokenizer(keeping):
    info = verify_bundle(keeping)
    assert info["schema_version"] == 2
    assert info["tokenizer"] == {
        "type": "bert_wordpiece",
        "lowercase": True,
        "vocabulary_size": 15,
        "max_characters_per_word": 100,
        "strip_accents": False,
        "tokenize_chinese_chars": False,
        "added_tokens": [
            {"content": "[URL]", "normalized": False},
            {"content": "covid", "normalized": True},
        ],
    }


def test_mediapipe_gets_no_file_that_it_would_read_wrongly(cased, keeping):
    for bundle, reason in ((cased, "cased"), (keeping, "added tokens, such as '[URL]'")):
        info = _info(bundle)
        assert info["mediapipe"]["supported"] is False
        assert reason in info["mediapipe"]["reason"]
        content = (bundle / "model.tflite").read_bytes()
        assert b"TFLITE_METADATA" not in content and b"vocab.txt" not in content
        assert TfliteModel(content).signatures == {"serving_default": 16}
    # Case alone is what readers of the first version know.
    assert _info(cased)["schema_version"] == 1 and verify_bundle(cased)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, None),
        ({"lowercase": False}, "cased"),
        ({"lowercase": False, "strip_accents": True}, "cased"),
        ({"strip_accents": False}, "lower case with accents"),
        ({"tokenize_chinese_chars": False}, "words of Chinese characters"),
        ({"added_tokens": ADDED}, "added tokens"),
    ],
)
def test_why_mediapipe_cannot(settings, reason):
    problem = mediapipe_problem(_tokenizer(**settings))
    assert problem is None if reason is None else reason in problem


def test_the_terminal_says_that_mediapipe_cannot(caplog):
    model = _classifier(strip_accents=False)
    export = bundle_module._Export(
        model, load_profile("float32"), {}, model.preprocessor, TaskCard(), ModelCard("x")
    )
    assert bundle_module._with_metadata(export, b"a file", {}) == b"a file"
    (record,) = (r for r in caplog.records if "MediaPipe" in r.getMessage())
    assert "model.tflite gets no metadata for MediaPipe" in record.getMessage()


@pytest.mark.parametrize(
    ("settings", "ignored"),
    [
        ({"strip_accents": False}, {"strip_accents": True}),
        ({"lowercase": False, "strip_accents": True}, {"strip_accents": False}),
        ({"strip_accents": False}, {"lowercase": False}),
        ({"tokenize_chinese_chars": False}, {"tokenize_chinese_chars": True}),
        ({"added_tokens": ADDED}, {"added_tokens": ()}),
        ({"added_tokens": ADDED}, {"added_tokens": ADDED[:1]}),
        ({"added_tokens": ADDED}, {"added_tokens": ADDED[1:]}),
        ({"added_tokens": ADDED}, {"added_tokens": [AddedToken("[URL]"), ADDED[1]]}),
        ({"added_tokens": ADDED}, {"added_tokens": [ADDED[0], AddedToken("covid", False)]}),
    ],
)
def test_golden_texts_tell_the_settings_apart(settings, ignored):
    tokenizer = _tokenizer(**settings)
    other = _tokenizer(**{**settings, **ignored})
    texts = telling_texts(tokenizer)
    assert tokenizer(texts).to_list() != other(texts).to_list()
    # Without the vocabulary's help, too: no token has an accent or is Chinese.
    plain = [token for token in VOCABULARY if token.isascii()]
    ours, theirs = (
        BertTokenizer(plain, **chosen) for chosen in (settings, {**settings, **ignored})
    )
    texts = telling_texts(ours)
    assert ours(texts).to_list() != theirs(texts).to_list()


def test_a_plain_tokenizer_has_no_golden_texts_of_its_own():
    assert telling_texts(_tokenizer()) == telling_texts(_tokenizer(lowercase=False)) == []


def _altered(bundle, folder, **tokenizer):
    """A copy of a bundle whose bundle.json says something else of the tokenizer."""
    shutil.copytree(bundle, folder)
    info = _info(bundle)
    for name, value in tokenizer.items():
        info["tokenizer"].pop(name)
        if value is not None:
            info["tokenizer"][name] = value
    del info["sha256"]
    (folder / "bundle.json").write_bytes(seal(info))
    return folder


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ({"strip_accents": True}, "golden.json, example .*: other token ids"),
        ({"tokenize_chinese_chars": True}, "golden.json, example .*: other token ids"),
        ({"added_tokens": []}, "golden.json, example .*: other token ids"),
        ({"added_tokens": None}, "at tokenizer: 'added_tokens' is a required property"),
        ({"added_tokens": [{"content": "b"}]}, "'normalized' is a required property"),
        (
            {"added_tokens": [{"content": "b", "normalized": False}]},
            "The added token 'b' is not in the vocabulary",
        ),
    ],
)
def test_verify_finds_settings_that_are_not_the_model_s(keeping, tmp_path, tokenizer, message):
    with pytest.raises(TinyBertError, match=message):
        verify_bundle(_altered(keeping, tmp_path / "bundle", **tokenizer))


def test_the_first_version_has_case_alone(keeping, tmp_path):
    folder = _altered(keeping, tmp_path / "bundle")
    info = _info(folder) | {"schema_version": 1}
    del info["sha256"]
    (folder / "bundle.json").write_bytes(seal(info))
    with pytest.raises(TinyBertError, match=r"at tokenizer: '.*' is not one of .*'lowercase'"):
        verify_bundle(folder)


def test_the_benchmark_reads_texts_as_the_bundle_says(keeping, cased):
    (bundle,) = read_bundles([pathlib.Path(keeping)])
    tokenizer = common_tokenizer([bundle])
    assert tokenizer.settings() == _tokenizer(**KEEPING).settings()
    with pytest.raises(TinyBertError, match="the same vocabulary and case, or read texts"):
        common_tokenizer([bundle, *read_bundles([pathlib.Path(cased)])])
