"""TF Model Garden's own models and checkpoints against ours, where the package is installed."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.checkpoints import (
    from_model_garden,
    load_encoder,
    load_teacher,
    save_model_garden_classifier,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier, gelu_tanh
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

# Its import alone takes half a minute.
pytestmark = pytest.mark.slow

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(7))]
SIZES = {
    "vocab_size": len(WORDS),
    "num_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "inner_dim": 12,
    "max_sequence_length": 16,
    "type_vocab_size": 3,
}
CONFIG = {
    "vocab_size": len(WORDS),
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 3,
    "hidden_act": "gelu",
}
INPUTS = {
    "token_ids": np.array([[2, 5, 6, 7, 3], [2, 8, 3, 9, 0]]),
    "segment_ids": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]),
    "padding_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
}
THEIR_INPUTS = {
    "input_word_ids": INPUTS["token_ids"],
    "input_type_ids": INPUTS["segment_ids"],
    "input_mask": INPUTS["padding_mask"],
}


@pytest.fixture(scope="module")
def official():
    """The modules `networks`, `models` and `encoders` of the package."""
    reason = "needs tf-models-official 2.20"
    modeling = pytest.importorskip("official.nlp.modeling", reason=reason)
    configs = pytest.importorskip("official.nlp.configs.encoders", reason=reason)
    __import__("official.nlp.modeling.models"), __import__("official.nlp.modeling.networks")
    return modeling.networks, modeling.models, configs


def randomize(model, seed=0):
    random = np.random.default_rng(seed)
    for variable in model.weights:
        center = 1.0 if "gamma" in variable.name else 0.0
        variable.assign(random.normal(center, 0.4, variable.shape))
    return model


@pytest.fixture(scope="module")
def encoders(official):
    """The encoder in both of its versions, with random weights."""
    networks, _, _ = official
    second = networks.BertEncoderV2(**SIZES)
    second(THEIR_INPUTS)
    first = networks.BertEncoder(**SIZES, dict_outputs=True)
    return {"v1": randomize(first), "v2": randomize(second)}


def assert_same_encoder(ours, theirs):
    outputs, expected = ours.expose(True)(INPUTS), theirs(THEIR_INPUTS)
    pairs = [(outputs["pooled_output"], expected["pooled_output"])]
    is_token = INPUTS["padding_mask"].astype(bool)
    states = zip(outputs["hidden_states"][1:], expected["encoder_outputs"], strict=True)
    pairs += [(np.asarray(a)[is_token], np.asarray(b)[is_token]) for a, b in states]
    assert len(pairs) == 3
    for value, right in pairs:
        np.testing.assert_allclose(value, right, rtol=0, atol=1e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_encoders(encoders, version):
    ours = from_model_garden(encoders[version])
    assert_same_encoder(ours, encoders[version])
    assert ours.activation is gelu_tanh and ours.num_segments == 3


def test_an_encoder_of_another_activation(official):
    networks, _, _ = official
    theirs = networks.BertEncoderV2(**SIZES, inner_activation="relu")
    with pytest.raises(TinyBertError, match="has no weights yet"):
        from_model_garden(theirs)
    theirs(THEIR_INPUTS)
    assert_same_encoder(from_model_garden(randomize(theirs)), theirs)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("use_encoder_pooler", [True, False])
def test_classifiers(official, encoders, version, use_encoder_pooler):
    _, models, _ = official
    theirs = models.BertClassifier(encoders[version], 3, use_encoder_pooler=use_encoder_pooler)
    ours = from_model_garden(randomize(theirs), labels=["a", "b", "c"])
    assert ours.labels == ("a", "b", "c")
    np.testing.assert_allclose(ours(INPUTS), theirs(THEIR_INPUTS), rtol=0, atol=1e-5)


def test_a_classifier_over_another_network_is_refused(official):
    networks, models, _ = official
    encoder = networks.MobileBERTEncoder(
        word_vocab_size=12,
        num_blocks=1,
        hidden_size=8,
        word_embed_size=4,
        num_attention_heads=2,
    )
    with pytest.raises(
        TinyBertError, match="over a MobileBERTEncoder, expected BertEncoder or"
    ):
        from_model_garden(models.BertClassifier(encoder, 2))


# === Checkpoints ===


def write_tokenizer_and_config(directory):
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    (directory / "bert_config.json").write_text(json.dumps(CONFIG), "utf-8")


@pytest.mark.parametrize("name", ["encoder", "model"])
def test_a_checkpoint_of_an_encoder(encoders, tmp_path, name):
    write_tokenizer_and_config(tmp_path / "bert")
    checkpoint = tf.train.Checkpoint(**{name: encoders["v1"]})
    checkpoint.save(str(tmp_path / "bert" / "bert_model.ckpt"))
    assert_same_encoder(load_encoder(tmp_path / "bert"), encoders["v1"])


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_of_the_trainer_with_its_optimizer(official, encoders, tmp_path, legacy):
    import tf_keras

    _, models, _ = official
    theirs = randomize(models.BertClassifier(encoders["v1"], 3, use_encoder_pooler=False), 1)
    optimizers = tf_keras.optimizers.legacy if legacy else tf_keras.optimizers
    optimizer = optimizers.Adam(1e-3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(theirs(THEIR_INPUTS) ** 2)
    variables = theirs.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    write_tokenizer_and_config(tmp_path / "run")
    checkpoint = tf.train.Checkpoint(
        model=theirs,
        optimizer=optimizer,
        global_step=tf.Variable(1, dtype=tf.int64),
        **theirs.checkpoint_items,
    )
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path / "run"), 2)
    manager.save(100)
    ours = load_teacher(tmp_path / "run", labels=["a", "b", "c"])
    np.testing.assert_allclose(ours(INPUTS), theirs(THEIR_INPUTS), rtol=0, atol=1e-5)


def test_params_as_the_package_saves_them(official, tmp_path):
    hyperparams = pytest.importorskip("official.modeling.hyperparams")
    _, models, configs = official
    config = configs.EncoderConfig(
        type="bert",
        bert=configs.BertEncoderConfig(
            **{
                key: CONFIG[key] for key in ("vocab_size", "num_attention_heads", "hidden_size")
            },
            **{key: CONFIG[key] for key in ("intermediate_size", "max_position_embeddings")},
            num_layers=2,
        ),
    )
    theirs = models.BertClassifier(configs.build_encoder(config), 3, use_encoder_pooler=False)
    write_tokenizer_and_config(tmp_path / "run")
    (tmp_path / "run" / "bert_config.json").unlink()
    params = {"task": {"model": {"num_classes": 3, "encoder": config.as_dict()}}}
    hyperparams.save_params_dict_to_yaml(
        hyperparams.ParamsDict(params), str(tmp_path / "run" / "params.yaml")
    )
    tf.train.Checkpoint(model=randomize(theirs)).write(str(tmp_path / "run" / "ckpt-7"))
    ours = load_teacher(tmp_path / "run")
    np.testing.assert_allclose(ours(INPUTS), theirs(THEIR_INPUTS), rtol=0, atol=1e-5)


# === Out ===


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_package_restores_what_is_written(official, encoders, tmp_path, version):
    _, models, _ = official
    keys = {"vocab_size": "vocabulary_size", "num_attention_heads": "num_heads"}
    keys |= {"hidden_size": "hidden_dim", "inner_dim": "intermediate_dim"}
    keys |= {"type_vocab_size": "num_segments"}
    ours = BertTextClassifier(
        BertEncoder(
            **{keys.get(name, name): size for name, size in SIZES.items()}, activation=gelu_tanh
        ),
        num_classes=3,
        preprocessor=BertPreprocessor(BertTokenizer(WORDS), 10),
    )
    save_model_garden_classifier(randomize(ours, 5), tmp_path / "out")
    prefix = str(tmp_path / "out" / "bert_model.ckpt")
    encoder = type(encoders[version])(**SIZES, dict_outputs=True)
    encoder(THEIR_INPUTS)
    restored = tf.train.Checkpoint(encoder=encoder).read(prefix)
    restored.assert_existing_objects_matched()
    expected = np.asarray(ours.backbone(INPUTS)["pooled_output"])
    np.testing.assert_allclose(
        encoder(THEIR_INPUTS)["pooled_output"], expected, rtol=0, atol=1e-5
    )
    classifier = models.BertClassifier(type(encoders[version])(**SIZES), 3)
    restored = tf.train.Checkpoint(model=classifier).read(prefix)
    restored.assert_existing_objects_matched()
    np.testing.assert_allclose(classifier(THEIR_INPUTS), ours(INPUTS), rtol=0, atol=1e-5)
