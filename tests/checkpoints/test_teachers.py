"""One call for a teacher of any layout: what it says, and in which order its outputs are."""

import json
import shutil

import numpy as np
import pytest

from tinybert_tf.checkpoints import load_teacher, load_teacher_encoder, load_text_classifier
from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertSpanClassifier

TEXTS = ["good thing 3", "bad thing 12"]


@pytest.fixture
def named(tiny_bert, tmp_path):
    """A function that makes the tiny classifier with names of its outputs."""

    def make(*names):
        directory = tmp_path / "named"
        shutil.copytree(tiny_bert, directory)
        config = json.loads((directory / "config.json").read_text("utf-8"))
        config["id2label"] = {str(i): name for i, name in enumerate(names)}
        (directory / "config.json").write_text(json.dumps(config), "utf-8")
        return directory

    return make


def logits_of(model):
    return np.asarray(model(model.preprocessor(TEXTS)))


def test_what_was_recognised_is_said(tiny_bert, named, capsys):
    teacher = load_teacher(tiny_bert)
    line = capsys.readouterr().out
    assert line == (
        f"{tiny_bert}: Hugging Face layout (bert); 2 layers, width 24, 4 heads; 72 tokens, "
        "uncased; 2 outputs: no names\n"
    )
    # As many tokens as there are positions.
    assert teacher.preprocessor.sequence_length == 16
    load_teacher(named("bad", "good"))
    assert "2 outputs: bad, good" in capsys.readouterr().out
    teacher.save_to_preset(str(tiny_bert.parent / "own"))
    load_teacher(tiny_bert.parent / "own")
    assert "own: preset of this library; 2 layers" in capsys.readouterr().out


def test_labels_are_matched_by_name(tiny_bert, named):
    expected = logits_of(load_teacher(tiny_bert))
    assert abs(expected[0, 0] - expected[0, 1]) > 1e-3
    directory = named("POSITIVE", "Negative")
    for labels, columns in (
        (("positive", "negative"), [0, 1]),
        (("negative", "positive"), [1, 0]),
    ):
        teacher = load_teacher(directory, labels=labels)
        assert teacher.labels == labels
        np.testing.assert_allclose(logits_of(teacher), expected[:, columns], rtol=0, atol=1e-6)
    with pytest.raises(TinyBertError, match=r"'POSITIVE', 'Negative', .* 'good', 'bad'"):
        load_teacher(directory, labels=["good", "bad"])
    with pytest.raises(TinyBertError, match="has 2 outputs, expected 3: a, b, c"):
        load_teacher(directory, labels=["a", "b", "c"])


@pytest.mark.parametrize("names", [("LABEL_0", "LABEL_1"), ("0", "1")])
def test_placeholders_are_no_names(named, names):
    directory = named(*names)
    assert load_text_classifier(directory).labels is None
    assert load_teacher(directory, labels=["no", "yes"]).labels == ("no", "yes")


def test_names_that_are_numbers_in_another_order_are_names(named):
    assert load_text_classifier(named("1", "0")).labels == ("1", "0")


def test_a_span_classifier_is_asked_for_by_class(tiny_bert):
    with pytest.raises(TinyBertError, match=r"missing: qa_outputs\.weight"):
        load_teacher(tiny_bert, kind=BertSpanClassifier)


# === sentence-transformers ===


@pytest.mark.parametrize("folder", ["", "0_Transformer"])
def test_the_body_of_sentence_transformers(tiny_bert, tmp_path, folder, capsys):
    directory = tmp_path / "setfit"
    shutil.copytree(tiny_bert, directory / folder)
    modules = [
        {"idx": 0, "path": folder, "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (directory / "modules.json").write_text(json.dumps(modules), "utf-8")
    encoder, tokenizer = load_teacher_encoder(directory)
    line = capsys.readouterr().out
    assert f"the bert at {directory / folder} is used; pooling, normalization and a" in line
    assert tokenizer.vocabulary_size() == encoder.vocabulary_size == 72
    with pytest.raises(TinyBertError, match=r"a pickle that is not read\. Fine-tune it"):
        load_teacher(directory)


_FLAGS = {"pooling_mode_cls_token": False, "pooling_mode_max_tokens": False}


@pytest.mark.parametrize(
    "config, asked_for, expected",
    [
        ({"pooling_mode_mean_tokens": True, **_FLAGS}, None, "mean"),
        ({"embedding_dimension": 24, "pooling_mode": "mean"}, None, "mean"),
        ({"pooling_mode_mean_tokens": True}, "cls", "cls"),
        ({"pooling_mode_mean_tokens": False, **_FLAGS}, "mean", "mean"),
        # Both, one beside the other, are a vector of twice the width.
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, None, "cls"),
        ({"pooling_mode_mean_sqrt_len_tokens": True, **_FLAGS}, None, "cls"),
        ({"pooling_mode": "lasttoken"}, None, "cls"),
        (None, None, "cls"),
    ],
)
def test_the_pooling_of_sentence_transformers(
    tiny_bert, tmp_path, config, asked_for, expected, capsys
):
    directory = tmp_path / "setfit"
    shutil.copytree(tiny_bert, directory)
    (directory / "1_Pooling").mkdir()
    if config is not None:
        (directory / "1_Pooling" / "config.json").write_text(json.dumps(config), "utf-8")
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (directory / "modules.json").write_text(json.dumps(modules), "utf-8")
    encoder, _ = load_teacher_encoder(directory, pooling=asked_for)
    assert encoder.pooling == expected
    assert ("pooled by the mean" in capsys.readouterr().out) == (expected == "mean")


@pytest.mark.parametrize(
    "modules",
    [
        [],
        [{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}],
        [{"path": "../other", "type": "sentence_transformers.models.Transformer"}],
        [7],
    ],
)
def test_sentence_transformers_without_a_bert(tmp_path, modules):
    (tmp_path / "modules.json").write_text(json.dumps(modules), "utf-8")
    with pytest.raises(TinyBertError, match="names no module of the kind Transformer"):
        resolve_path(str(tmp_path))
