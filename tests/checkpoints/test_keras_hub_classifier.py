"""KerasHub's text classifiers as teachers, and students that become KerasHub's."""

import logging

import keras
import keras_nlp
import numpy as np
import pytest

from tinybert_tf.checkpoints import (
    load_teacher,
    load_teacher_encoder,
    save_keras_hub_classifier,
    text_classifier_from_keras_hub,
    tokenizer_from_keras_hub,
)
from tinybert_tf.checkpoints.locations import layout_of
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier, gelu_tanh
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.tokenization.vocabulary import AddedToken

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "schon", "schön", "##s"]
TEXTS = ["good bad", "Schön", "bads good unheard"]
SIZES = {
    "vocabulary_size": len(WORDS),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}


def randomize(model):
    random = np.random.default_rng(3)
    for variable in model.weights:
        center = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(random.normal(center, 0.4, variable.shape))
    return model


def make_theirs(activation=None, **settings):
    tokenizer = keras_nlp.models.BertTokenizer(WORDS, **settings)
    classifier = keras_nlp.models.BertTextClassifier(
        keras_nlp.models.BertBackbone(**SIZES),
        num_classes=3,
        preprocessor=keras_nlp.models.BertTextClassifierPreprocessor(
            tokenizer, sequence_length=12
        ),
        activation=activation,
        dropout=0.3,
    )
    return randomize(classifier)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A classifier as object, preset directory and file, and its logits of `TEXTS`."""
    directory = tmp_path_factory.mktemp("keras_hub")
    classifier = make_theirs(lowercase=True, strip_accents=False)
    classifier.save_to_preset(str(directory / "preset"))
    classifier.save(str(directory / "model.keras"))
    logits = np.asarray(classifier(classifier.preprocessor(TEXTS)))
    # The texts are told apart, so that equal logits mean something.
    assert np.ptp(logits, axis=0).min() > 1e-2
    sources = {
        "object": classifier,
        "preset": directory / "preset",
        "file": directory / "model.keras",
    }
    return sources, logits


@pytest.mark.parametrize("kind", ["object", "preset", "file"])
def test_a_classifier_comes_with_its_head_and_tokenizer(theirs, kind):
    sources, logits = theirs
    ours = text_classifier_from_keras_hub(sources[kind], labels=["a", "b", "c"])
    assert ours.labels == ("a", "b", "c") and ours.dropout == 0.3
    assert ours.preprocessor.sequence_length == 12
    tokenizer = ours.preprocessor.tokenizer
    assert tokenizer.get_vocabulary() == WORDS
    assert (tokenizer.lowercase, tokenizer.strip_accents) == (True, False)
    answers = ours(ours.preprocessor(TEXTS))
    np.testing.assert_allclose(answers, logits, rtol=0, atol=1e-5)


def test_a_softmax_is_left_out(theirs):
    _, logits = theirs
    classifier = make_theirs("softmax", lowercase=True, strip_accents=False)
    ours = text_classifier_from_keras_hub(classifier)
    inputs = classifier.preprocessor(TEXTS)
    np.testing.assert_allclose(ours(inputs), logits, rtol=0, atol=1e-5)
    probabilities = keras.ops.softmax(ours(inputs))
    np.testing.assert_allclose(probabilities, classifier(inputs), rtol=0, atol=1e-5)


def test_outputs_that_do_not_exclude_each_other_are_refused():
    with pytest.raises(TinyBertError, match=r"go through sigmoid, expected logits .* softmax"):
        text_classifier_from_keras_hub(make_theirs("sigmoid"))


@pytest.mark.parametrize("kind", ["preset", "file"])
def test_a_teacher_of_any_kind(theirs, kind, capsys):
    sources, logits = theirs
    # Its own tokenizer says that it is uncased.
    teacher = load_teacher(sources[kind], labels=["a", "b", "c"], sequence_length=8)
    line = capsys.readouterr().out
    assert "2 layers, width 8, 2 heads; 10 tokens, uncased, accents kept; 3 outputs" in line
    assert ("KerasHub preset" if kind == "preset" else "Keras file of KerasHub") in line
    assert teacher.preprocessor.sequence_length == 8
    answers = teacher(teacher.preprocessor(TEXTS))
    np.testing.assert_allclose(answers, logits, rtol=0, atol=1e-5)
    encoder, tokenizer = load_teacher_encoder(sources[kind])
    assert tokenizer.settings() == teacher.preprocessor.tokenizer.settings()
    for ours, expected in zip(encoder.weights, teacher.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_backbone_alone_is_no_teacher(tmp_path):
    backbone = keras_nlp.models.BertBackbone(**SIZES)
    for name, has_tokenizer in (("bare", False), ("whole", True)):
        backbone.save_to_preset(str(tmp_path / name))
        if has_tokenizer:
            keras_nlp.models.BertTokenizer(WORDS).save_to_preset(str(tmp_path / name))
        with pytest.raises(TinyBertError, match=r"no finished .* backbone .* fine-tune this"):
            load_teacher(tmp_path / name)
    backbone.save(str(tmp_path / "backbone.keras"))
    with pytest.raises(
        TinyBertError, match=r"There is a BertBackbone at .*, expected KerasHub"
    ):
        load_teacher(tmp_path / "backbone.keras")


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(
        TinyBertError, match=r"text\.keras cannot be loaded as a model of Keras"
    ):
        load_teacher(tmp_path / "text.keras")
    with pytest.raises(TinyBertError, match=r"There is no file .*absent\.keras"):
        layout_of(str(tmp_path / "absent.keras"))


def test_tokenizers_that_work_otherwise_are_refused():
    tokenizer = keras_nlp.models.BertTokenizer(WORDS, split=False)
    with pytest.raises(TinyBertError, match="split=False"):
        tokenizer_from_keras_hub(tokenizer)


# === Out ===


def make_ours(tokenizer=None, head_activation=None, **options):
    tokenizer = tokenizer or BertTokenizer(WORDS, lowercase=False)
    model = BertTextClassifier(
        BertEncoder(**SIZES, **options),
        num_classes=2,
        preprocessor=BertPreprocessor(tokenizer, 10),
        labels=["no", "yes"],
        head_activation=head_activation,
    )
    return randomize(model)


def test_a_student_becomes_keras_hub_s(tmp_path, caplog):
    student = make_ours()
    with caplog.at_level(logging.INFO, logger="absl"):
        save_keras_hub_classifier(student, tmp_path / "preset")
    measured = float(caplog.messages[-1].split("at most ")[1].split()[0])
    # KerasHub's GELU is an approximation: above rounding, and as small as that.
    assert 1e-6 < measured < 1e-2
    loaded = keras_nlp.models.BertTextClassifier.from_preset(str(tmp_path / "preset"))
    inputs = loaded.preprocessor(TEXTS)
    np.testing.assert_array_equal(inputs["token_ids"], student.preprocessor(TEXTS)["token_ids"])
    difference = np.abs(np.asarray(loaded(inputs)) - np.asarray(student(inputs))).max()
    assert difference < 3 * measured
    assert (tmp_path / "preset" / "labels.txt").read_text("utf-8") == "no\nyes\n"
    assert loaded.preprocessor.sequence_length == 10


def test_a_model_with_keras_hub_s_gelu_comes_back_as_it_was(tmp_path):
    tokenizer = BertTokenizer(WORDS, strip_accents=False)
    student = make_ours(tokenizer, activation=gelu_tanh)
    save_keras_hub_classifier(student, tmp_path / "preset")
    back = load_teacher(tmp_path / "preset", labels=["no", "yes"])
    assert back.preprocessor.tokenizer.settings() == tokenizer.settings()
    inputs = back.preprocessor(TEXTS)
    np.testing.assert_allclose(back(inputs), student(inputs), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head_activation": "relu"}, "head_activation relu"),
        ({"activation": "silu"}, "activation silu"),
        ({"pooler_activation": "relu"}, "pooler_activation relu"),
        ({"pooling": "mean"}, "pooling mean"),
        ({"embedding_dim": 4}, "embedding_dim 4"),
        ({"relative_attention_buckets": 8}, "relative_attention_buckets 8"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_keras_hub_cannot_express_is_refused(options, message, tmp_path):
    with pytest.raises(
        TinyBertError, match=f"The model has {message}, which a cl.* of KerasHub"
    ):
        save_keras_hub_classifier(make_ours(**options), tmp_path / "preset")
    assert not (tmp_path / "preset").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"added_tokens": [AddedToken("bad")]}, "added tokens, 'bad', which"),
        ({"tokenize_chinese_chars": False}, "does not split Chinese characters"),
    ],
)
def test_a_tokenizer_that_keras_hub_has_not_is_refused(options, message, tmp_path):
    with pytest.raises(TinyBertError, match=message):
        save_keras_hub_classifier(make_ours(BertTokenizer(WORDS, **options)), tmp_path / "p")
    assert not (tmp_path / "p").exists()
