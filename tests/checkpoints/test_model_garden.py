"""TF Model Garden: its checkpoints by the names in them, written here without the package.

What the package itself writes and says is compared in test_model_garden_package.py.
"""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import yaml
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from tinybert_tf.checkpoints import (
    from_model_garden,
    load_encoder,
    load_teacher,
    load_teacher_encoder,
    load_text_classifier,
    save_model_garden_classifier,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier, gelu_tanh
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "thing"]
TEXTS = ["good thing", "bad"]
SIZES = {
    "vocabulary_size": len(WORDS),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}
PARAMS = {
    "vocab_size": len(WORDS),
    "num_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "hidden_activation": "gelu",
    "dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "embedding_size": None,
    "norm_first": False,
}


def make_ours(**options):
    model = BertTextClassifier(
        BertEncoder(**SIZES, **options),
        num_classes=2,
        preprocessor=BertPreprocessor(BertTokenizer(WORDS), 10),
    )
    random = np.random.default_rng(3)
    for variable in model.weights:
        center = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(random.normal(center, 0.4, variable.shape))
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A classifier of ours, and the directory that it was written to."""
    directory = tmp_path_factory.mktemp("model_garden") / "saved"
    model = make_ours(activation=gelu_tanh)
    save_model_garden_classifier(model, directory)
    return model, directory


def copy_with_params(directory, to, kind="bert", **changes):
    """Makes a directory as the package's trainer leaves it."""
    shutil.copytree(directory, to)
    (to / "bert_config.json").unlink()
    encoder = {"type": kind, kind: {**PARAMS, **changes}}
    params = {"task": {"model": {"num_classes": 2, "encoder": encoder}}}
    (to / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    return to


def test_a_checkpoint_comes_back_as_it_was(saved, capsys):
    model, directory = saved
    teacher = load_teacher(directory, labels=["no", "yes"])
    assert "TF Model Garden checkpoint; 2 layers, width 8" in capsys.readouterr().out
    assert teacher.backbone.activation is gelu_tanh
    for ours, expected in zip(teacher.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, expected, err_msg=ours.path)
    inputs = teacher.preprocessor(TEXTS)
    np.testing.assert_allclose(teacher(inputs), model(inputs), rtol=0, atol=1e-6)


def test_names_and_shapes_are_the_package_s(saved):
    _, directory = saved
    reader = tf.train.load_checkpoint(str(directory / "bert_model.ckpt"))
    shapes = reader.get_variable_to_shape_map()
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    attention = "encoder/_transformer_layers/1/_attention_layer"
    assert shapes[f"{attention}/_key_dense/kernel{end}"] == [8, 2, 4]
    assert shapes[f"{attention}/_key_dense/bias{end}"] == [2, 4]
    assert shapes[f"{attention}/_output_dense/kernel{end}"] == [2, 4, 8]
    assert shapes[f"model/classifier/out_proj/kernel{end}"] == [8, 2]


@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
def test_params_of_the_trainer(saved, tmp_path, kind):
    model, directory = saved
    directory = copy_with_params(directory, tmp_path / "run", kind)
    encoder, tokenizer = load_teacher_encoder(directory)
    assert tokenizer.get_vocabulary() == WORDS
    for ours, expected in zip(encoder.weights, model.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, expected, err_msg=ours.path)


def flat_checkpoint(directory, factor):
    """The checkpoint of a directory as a trainer writes it, with a head times a factor.

    Objects have other attributes here; what counts is the names of variables.
    """
    reader = tf.train.load_checkpoint(str(directory / "bert_model.ckpt"))
    graph = TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    variables = {}
    for attribute in (a for node in graph.nodes for a in node.attributes):
        value = reader.get_tensor(attribute.checkpoint_key)
        if "logits" in attribute.full_name:
            value = factor * value
        variables[f"v{len(variables)}"] = tf.Variable(value, name=attribute.full_name)
    moments = tf.train.Checkpoint(m=tf.Variable([1.0], name="Adam/m/logits/kernel"))
    return tf.train.Checkpoint(
        model=tf.train.Checkpoint(**variables), optimizer=moments, global_step=tf.Variable(7)
    )


def test_the_newest_checkpoint_without_its_optimizer(saved, tmp_path):
    model, directory = saved
    run = copy_with_params(directory, tmp_path / "run")
    (run / "bert_model.ckpt.index").unlink()
    for step in (2, 10):
        flat_checkpoint(directory, step).write(str(run / f"ckpt-{step}"))
    kernel = load_text_classifier(run).output_dense.kernel
    np.testing.assert_allclose(kernel, 10 * np.asarray(model.output_dense.kernel), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("albert", {}, r"encoder is of type 'albert', expected bert or bert_v2"),
        ("bert", {"norm_first": True}, "norm_first is true, which is not BERT"),
        ("bert", {"embedding_size": 4}, "embedding_size is 4, hidden_size 8"),
    ],
)
def test_other_encoders_are_refused(saved, tmp_path, kind, changes, message):
    directory = copy_with_params(saved[1], tmp_path / "run", kind, **changes)
    with pytest.raises(TinyBertError, match=message):
        load_encoder(directory)


def test_missing_sizes_are_named(saved, tmp_path):
    directory = copy_with_params(saved[1], tmp_path / "run")
    path = directory / "params.yaml"
    path.write_text(path.read_text("utf-8").replace("hidden_size:", "hidden:"), "utf-8")
    with pytest.raises(TinyBertError, match=r"params\.yaml lacks hidden_size; is it Model"):
        load_encoder(directory)


def test_a_config_that_does_not_fit(saved, tmp_path):
    shutil.copytree(saved[1], tmp_path / "run")
    path = tmp_path / "run" / "bert_config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, "num_hidden_layers": 3}), "utf-8")
    with pytest.raises(TinyBertError, match=r"missing: encoder\.layer\.2\.attention"):
        load_text_classifier(tmp_path / "run")


@pytest.mark.parametrize("given", [None, "name", {"vocab_size": 3}])
def test_other_objects_are_refused(given):
    kind = type(given).__name__
    with pytest.raises(TinyBertError, match=f"got a {kind}, expected one of BertEncoder"):
        from_model_garden(given)


@pytest.mark.parametrize(
    ("name", "value"), [("pooler_activation", "relu"), ("pooling", "mean")]
)
def test_what_it_cannot_express_is_refused(name, value, tmp_path):
    with pytest.raises(TinyBertError, match=f"{name} {value}, which a cl.* of TF Model"):
        save_model_garden_classifier(make_ours(**{name: value}), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_mutated_checkpoints(saved, tmp_path, harness, fuzzing):
    """No error but ours; see test_hostile.py."""
    folder = copy_with_params(saved[1], tmp_path / "mutated")
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    contents = {path.name: path.read_bytes() for path in folder.glob("bert_model.ckpt.*")}

    def mutate(generator):
        name = generator.choice([*contents, "params.yaml"])
        if name in contents:
            return {name: fuzzing.mutate_bytes(generator, contents[name])}
        # JSON is YAML, too.
        return {name: fuzzing.mutate_json(generator, params).encode()}

    _, refused = harness.run(folder, mutate, load_text_classifier)
    assert refused
