"""Checkpoints in the Hugging Face layout, read."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinybert_tf.checkpoints import (
    load_encoder,
    load_masked_lm,
    load_span_classifier,
    load_text_classifier,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import gelu_tanh

CLASSIFIERS = [
    "hf_bert_classifier",
    "hf_tinybert_shared_fit_dense",
    "hf_tinybert_layer_fit_denses",
]
# BertForPreTraining's second head and what other checkpoints carry beside the model.
NEXT_SENTENCE = "cls.seq_relationship.weight"


@pytest.fixture
def make_checkpoint(golden, tmp_path):
    """A function that writes a golden checkpoint with changed tensors or config.

    A tensor or setting given as None is left out.
    """

    def make(name="hf_bert_classifier", tensors=(), config=(), rename=lambda name: name):
        source, directory = golden / name, tmp_path / "checkpoint"
        directory.mkdir(exist_ok=True)
        changed = {**load_file(source / "model.safetensors"), **dict(tensors)}
        changed = {rename(k): v for k, v in changed.items() if v is not None}
        save_file(changed, directory / "model.safetensors")
        settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
        settings = {k: v for k, v in {**settings, **dict(config)}.items() if v is not None}
        (directory / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        return directory

    return make


@pytest.fixture(scope="module")
def original(golden):
    """The golden classifier as it is; not to be changed."""
    return load_text_classifier(golden / "hf_bert_classifier")


def assert_inside_equals(outputs, expected, tolerance):
    """Compares hidden states and scores with the arrays hidden_0.. and score_0.."""
    for name, key in [("hidden_states", "hidden"), ("attention_scores", "score")]:
        assert len(outputs[name]) == sum(k.startswith(f"{key}_") for k in expected)
        for i, value in enumerate(outputs[name]):
            np.testing.assert_allclose(value, expected[f"{key}_{i}"], rtol=0, atol=tolerance)


def inputs_of(expected):
    return {name: expected[name] for name in ("token_ids", "segment_ids", "padding_mask")}


# === The values of the reference implementation ===


def test_minilm(minilm_directory, shared_golden):
    expected = dict(np.load(shared_golden / "minilm_activations.npz"))
    encoder = load_encoder(minilm_directory)
    outputs = encoder.expose(hidden_states=True, attention_scores=True)(inputs_of(expected))
    assert_inside_equals(outputs, expected, 1e-4)
    np.testing.assert_allclose(outputs["pooled_output"], expected["pooled"], atol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_text_classifier(golden, name):
    expected = dict(np.load(golden / name / "expected.npz"))
    model = load_text_classifier(golden / name)
    outputs = model.expose(hidden_states=True, attention_scores=True)(inputs_of(expected))
    assert_inside_equals(outputs, expected, 1e-5)
    np.testing.assert_allclose(outputs["predictions"], expected["logits"], rtol=0, atol=1e-5)


def test_masked_lm(golden):
    expected = dict(np.load(golden / "hf_bert_masked_lm" / "expected.npz"))
    model = load_masked_lm(golden / "hf_bert_masked_lm")
    inputs = {**inputs_of(expected), "mask_positions": np.tile(np.arange(17), (4, 1))}
    outputs = model.expose(hidden_states=True, attention_scores=True)(inputs)
    assert_inside_equals(outputs, expected, 1e-5)
    np.testing.assert_allclose(outputs["predictions"], expected["logits"], rtol=0, atol=1e-5)


def test_span_classifier(make_checkpoint, golden):
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(2, 24)).astype("float32")
    bias = generator.normal(size=2).astype("float32")
    tensors = {"qa_outputs.weight": kernel, "qa_outputs.bias": bias}
    model = load_span_classifier(make_checkpoint(tensors=tensors))
    expected = dict(np.load(golden / "hf_bert_classifier" / "expected.npz"))
    outputs = model(inputs_of(expected))
    # The last hidden state is the reference's, the head on it is one product.
    logits = expected["hidden_3"] @ kernel.T + bias
    np.testing.assert_allclose(outputs["start_logits"], logits[..., 0], atol=1e-5)
    np.testing.assert_allclose(outputs["end_logits"], logits[..., 1], atol=1e-5)


def test_head_activation_of_huaweis_classifier(golden):
    directory = golden / "hf_tinybert_shared_fit_dense"
    expected = dict(np.load(directory / "expected.npz"))
    tensors = load_file(directory / "model.safetensors")
    model = load_text_classifier(directory, head_activation="relu")
    first_token = expected["hidden_3"][:, 0]
    kernel, bias = (tensors[f"bert.pooler.dense.{part}"] for part in ("weight", "bias"))
    pooled = np.tanh(first_token @ kernel.T + bias)
    logits = np.maximum(pooled, 0) @ tensors["classifier.weight"].T + tensors["classifier.bias"]
    np.testing.assert_allclose(model(inputs_of(expected)), logits, atol=1e-5)


# === Spellings of one checkpoint ===


@pytest.mark.parametrize("name", ["hf_bert_classifier", "hf_tinybert_layer_fit_denses"])
def test_bin_equals_safetensors(golden, tmp_path, name, assert_same_weights):
    for file in ("config.json", "pytorch_model.bin"):
        shutil.copy(golden / name / file, tmp_path)
    assert_same_weights(load_text_classifier(tmp_path), load_text_classifier(golden / name))


def tf_spelling(name):
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
    return name.replace("LayerNorm.bias", "LayerNorm.beta")


@pytest.mark.parametrize(
    "rename",
    [lambda name: name.removeprefix("bert."), tf_spelling],
    ids=["without prefix", "gamma and beta"],
)
def test_spellings(make_checkpoint, golden, original, rename, assert_same_weights):
    directory = make_checkpoint(rename=rename)
    names, before = (
        load_file(path / "model.safetensors").keys()
        for path in (directory, golden / "hf_bert_classifier")
    )
    assert names != before
    assert_same_weights(load_text_classifier(directory), original)
    assert_same_weights(load_encoder(directory), original.backbone)


def test_what_belongs_to_other_models_is_left_aside(
    make_checkpoint, golden, assert_same_weights
):
    extras = {
        NEXT_SENTENCE: np.zeros((2, 24), "float32"),
        "bert.embeddings.position_ids": np.arange(64)[None],
    }
    directory = make_checkpoint("hf_tinybert_layer_fit_denses", extras)
    original = load_encoder(golden / "hf_tinybert_layer_fit_denses")
    assert_same_weights(load_encoder(directory), original)


# === What the config says ===


def test_settings(make_checkpoint):
    config = {
        "hidden_dropout_prob": 0.2,
        "attention_probs_dropout_prob": 0.3,
        "layer_norm_eps": 1e-5,
        "hidden_act": "relu",
    }
    encoder = load_encoder(make_checkpoint(config=config))
    assert (encoder.num_layers, encoder.num_heads, encoder.vocabulary_size) == (3, 4, 2000)
    assert (encoder.hidden_dim, encoder.intermediate_dim) == (24, 48)
    assert (encoder.max_sequence_length, encoder.num_segments) == (64, 2)
    assert (encoder.dropout, encoder.attention_dropout) == (0.2, 0.3)
    assert encoder.layer_norm_epsilon == 1e-5
    assert encoder.activation.__name__ == "relu"


def test_optional_settings_have_berts_values(make_checkpoint):
    optional = [
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "layer_norm_eps",
        "hidden_act",
        "type_vocab_size",
        "model_type",
        "id2label",
    ]
    model = load_text_classifier(make_checkpoint(config=dict.fromkeys(optional)))
    encoder = model.backbone
    assert (encoder.dropout, encoder.attention_dropout, model.dropout) == (0.1, 0.1, 0.1)
    assert (encoder.layer_norm_epsilon, encoder.num_segments) == (1e-12, 2)
    assert encoder.activation.__name__ == "gelu"
    assert model.labels is None


def test_overrides(golden):
    encoder = load_encoder(
        golden / "hf_bert_classifier", dropout=0.0, dtype="mixed_bfloat16", name="teacher"
    )
    assert encoder.dropout == 0.0 and encoder.name == "teacher"
    assert encoder.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("hidden_act", ["gelu_new", "gelu_pytorch_tanh"])
def test_tanh_gelu(make_checkpoint, hidden_act):
    encoder = load_encoder(make_checkpoint(config={"hidden_act": hidden_act}))
    assert encoder.activation is gelu_tanh


@pytest.mark.parametrize(
    ("config", "overrides", "rate"),
    [
        ({"hidden_dropout_prob": 0.2}, {}, 0.2),
        ({"hidden_dropout_prob": 0.2, "classifier_dropout": 0.0}, {}, 0.0),
        ({"hidden_dropout_prob": 0.2}, {"dropout": 0.4}, 0.4),
    ],
)
def test_dropout_of_the_head(make_checkpoint, config, overrides, rate):
    model = load_text_classifier(make_checkpoint(config=config), **overrides)
    assert model.output_dropout.rate == rate


@pytest.mark.parametrize(
    ("id2label", "labels"),
    [
        ({"2": "neutral", "0": "no", "1": "yes"}, ("no", "yes", "neutral")),
        ({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, None),
        ({"0": "no", "1": "yes"}, None),
        (None, None),
    ],
)
def test_labels(make_checkpoint, id2label, labels):
    assert load_text_classifier(make_checkpoint(config={"id2label": id2label})).labels == labels


def test_null_labels(make_checkpoint):
    directory = make_checkpoint()
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    text = json.dumps({**config, "id2label": None})
    (directory / "config.json").write_text(text, encoding="utf-8")
    assert load_text_classifier(directory).labels is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_act": "swish"}, r"config\.json: hidden_act 'swish' is not known.*gelu_new"),
        (
            {"hidden_size": None, "vocab_size": None},
            r"config\.json lacks vocab_size, hidden_size; is it a BERT config\?",
        ),
        (
            {"position_embedding_type": "relative_key"},
            r"config\.json: position_embedding_type 'relative_key' is not supported",
        ),
        # RoBERTa's tensors have BERT's names, and positions that count from 2.
        ({"model_type": "xlm-roberta"}, r"config\.json: model_type 'xlm-roberta' is not"),
    ],
)
def test_configs_that_cannot_be_used(make_checkpoint, config, message):
    with pytest.raises(TinyBertError, match=message):
        load_encoder(make_checkpoint(config=config))


# === Tensors that do not fit ===

QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def test_every_problem_is_named(make_checkpoint):
    tensors = {
        QUERY: None,
        "bert.encoder.layer.2.intermediate.dense.weight": np.zeros((24, 48), "float32"),
        "bert.embeddings.word_embeddings.weight": np.zeros((1999, 24), "float32"),
        "bert.encoder.layer.3.output.dense.bias": np.zeros(24, "float32"),
        "adapter.weight": np.zeros((2, 3), "float32"),
    }
    directory = make_checkpoint(tensors=tensors)
    for load in (load_encoder, load_text_classifier):
        with pytest.raises(TinyBertError) as caught:
            load(directory)
        first, *lines = str(caught.value).splitlines()
        assert first == f"{directory / 'model.safetensors'} does not fit:"
        assert sorted(line.strip() for line in lines) == [
            "missing: encoder.layer.1.attention.self.query.weight (24, 24)",
            "unknown: adapter.weight (2, 3)",
            "unknown: encoder.layer.3.output.dense.bias (24,)",
            "wrong shape: embeddings.word_embeddings.weight is (1999, 24), "
            "the config says (2000, 24)",
            "wrong shape: encoder.layer.2.intermediate.dense.weight is (24, 48), "
            "the config says (48, 24)",
        ]


def test_no_classifier(make_checkpoint, original, assert_same_weights):
    tensors = {"classifier.weight": None, "classifier.bias": None}
    directory = make_checkpoint(tensors=tensors)
    with pytest.raises(TinyBertError, match=r"no classifier\.weight.*load_encoder"):
        load_text_classifier(directory)
    assert_same_weights(load_encoder(directory), original.backbone)


@pytest.mark.parametrize(
    ("load", "missing"),
    [
        (load_text_classifier, "classifier.bias"),
        (load_masked_lm, "cls.predictions.transform.dense.weight"),
        (load_span_classifier, "qa_outputs.weight"),
    ],
)
def test_heads_must_be_whole(make_checkpoint, load, missing):
    name = "hf_bert_masked_lm" if load is load_masked_lm else "hf_bert_classifier"
    with pytest.raises(TinyBertError, match=rf"missing: {missing} \("):
        load(make_checkpoint(name, {missing: None}))


def test_pooler(make_checkpoint, golden):
    # The masked LM's checkpoint has none: it does not use one, an encoder's output does.
    directory = golden / "hf_bert_masked_lm"
    assert not any("pooler" in name for name in load_file(directory / "model.safetensors"))
    with pytest.raises(TinyBertError, match=r"missing: pooler\.dense\.weight \(24, 24\)"):
        load_encoder(directory)
    # One that is there is loaded.
    pooler = {
        "bert.pooler.dense.weight": np.full((24, 24), 0.5, "float32"),
        "bert.pooler.dense.bias": np.arange(24, dtype="float32"),
    }
    model = load_masked_lm(make_checkpoint("hf_bert_masked_lm", pooler))
    np.testing.assert_array_equal(model.backbone.pooled_dense.bias.value, np.arange(24))


def test_output_weights_that_are_not_the_token_embedding(make_checkpoint):
    name = "cls.predictions.decoder.weight"
    untied = {name: np.zeros((2000, 24), "float32")}
    with pytest.raises(TinyBertError, match=rf"{name} differs from embeddings\.word_embeddi"):
        load_masked_lm(make_checkpoint("hf_bert_masked_lm", untied))
    load_masked_lm(make_checkpoint("hf_bert_masked_lm", {name: None}))


def test_a_classifier_of_several_labels_a_text_is_refused(tiny_bert, tmp_path):
    directory = shutil.copytree(tiny_bert, tmp_path / "bert")
    config = json.loads((directory / "config.json").read_text("utf-8"))
    config["problem_type"] = "multi_label_classification"
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(TinyBertError, match="gives a text several labels"):
        load_text_classifier(directory)
