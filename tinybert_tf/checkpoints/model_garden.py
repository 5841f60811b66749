"""Weights in from TF Model Garden's objects (`official.nlp.modeling`), and out to it."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.checkpoints._exchange import EPSILON, check_plain, log_difference
from tinybert_tf.checkpoints._families import ACTIVATIONS, Bert
from tinybert_tf.checkpoints._model_garden import config_of, convert_variables
from tinybert_tf.checkpoints.hugging_face import (
    Checkpoint,
    make_encoder,
    make_text_classifier,
    write_tokenizer,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_directory, write_json
from tinybert_tf.models import BertEncoder, BertTextClassifier, gelu_tanh
from tinybert_tf.tokenization import BertPreprocessor

_PACKAGE = "official.nlp."
_ENCODERS = ("BertEncoder", "BertEncoderV2")
_CLASSIFIER = "BertClassifier"


def from_model_garden(
    model: Any,
    preprocessor: BertPreprocessor | None = None,
    labels: Sequence[str] | None = None,
    **kwargs,
) -> BertEncoder | BertTextClassifier:
    """Makes a model of this library with the weights of one of TF Model Garden.

    Its checkpoints are read by `load_encoder` and `load_text_classifier`.

    Args:
        model: `official.nlp.modeling.networks.BertEncoder` or `BertEncoderV2`, or
            `official.nlp.modeling.models.BertClassifier` over one. It has its weights.
        preprocessor: `BertPreprocessor` or `None`, of a classifier. Model Garden's models
            know no vocabulary.
        labels: sequence of str or `None`. Names of a classifier's outputs.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype` or `dropout`.

    Returns:
        `BertEncoder` for an encoder, `BertTextClassifier` for a classifier.

    Raises:
        TinyBertError: if `model` is something else, or an encoder of another kind.
    """
    kind = type(model).__name__
    known = (*_ENCODERS, _CLASSIFIER)
    if not type(model).__module__.startswith(_PACKAGE) or kind not in known:
        raise TinyBertError(
            f"from_model_garden got a {kind}, expected one of {', '.join(known)} of "
            "official.nlp.modeling."
        )
    is_classifier = kind == _CLASSIFIER
    encoder = model.checkpoint_items["encoder"] if is_classifier else model
    if type(encoder).__name__ not in _ENCODERS:
        raise TinyBertError(
            f"The classifier is over a {type(encoder).__name__}, expected "
            f"{' or '.join(_ENCODERS)}."
        )
    if not encoder.weights:
        raise TinyBertError(
            f"{encoder.name} has no weights yet. Call it once, or load its checkpoint."
        )
    variables = {v.name.partition(":")[0]: v.numpy() for v in model.weights}
    source = pathlib.Path(model.name)
    checkpoint = Checkpoint(
        config_of(encoder, _activation_of(encoder)),
        convert_variables(variables, source),
        source,
        source,
    )
    if not is_classifier:
        return make_encoder(checkpoint, **kwargs)
    return make_text_classifier(checkpoint, preprocessor, labels=labels, **kwargs)


def _activation_of(encoder: Any) -> str:
    """Returns the name of an encoder's activation in the Hugging Face layout.

    Its config names a function, `gelu` or a lambda, that may be either form of GELU.
    """
    activation = encoder.transformer_layers[0].get_config()["inner_activation"]
    points = np.linspace(-4.0, 4.0, 33, dtype="float32")
    values = keras.activations.get(activation)(tf.constant(points)).numpy()
    for name, function in ACTIVATIONS.items():
        ours = keras.ops.convert_to_numpy(keras.activations.get(function)(points))
        # The two forms differ by up to 5e-4.
        if np.allclose(values, ours, rtol=0, atol=1e-5):
            return name
    raise TinyBertError(
        f"{encoder.name} has another activation than {', '.join(ACTIVATIONS)}, which is not "
        "supported."
    )


# === Out ===


def save_model_garden_classifier(
    model: BertTextClassifier, directory: str | os.PathLike
) -> None:
    """Writes a text classifier as a checkpoint that TF Model Garden restores.

    The directory holds `bert_model.ckpt.*`, `bert_config.json`, `vocab.txt` and
    `tokenizer_config.json`. There, `tf.train.Checkpoint(encoder=...).read(path)` sets the
    weights of an encoder, `tf.train.Checkpoint(model=...).read(path)` those of a
    `BertClassifier` with its encoder's pooler. Model Garden's GELU is the tanh approximation:
    how much logits of random texts differ by that is measured and logged. It does not keep the
    labels.

    Args:
        model: `BertTextClassifier` with a preprocessor, whose outputs are logits.
        directory: str or path. A folder that does not exist or is empty.

    Raises:
        TinyBertError: if Model Garden cannot express the model or the folder is not empty.
    """
    check_plain(model, "TF Model Garden")
    network = _network_of(model.backbone)
    head = _layer("sentence_prediction/logits", model.output_dense)
    classifier = tf.train.Checkpoint(
        _network=network, classifier=tf.train.Checkpoint(out_proj=head)
    )
    checkpoint = tf.train.Checkpoint(encoder=network, model=classifier)
    log_difference(model, _with_their_gelu(model), "TF Model Garden")
    encoder = model.backbone
    keys = {**Bert.required_keys, **Bert.optional_keys}
    config = {theirs: getattr(encoder, ours) for ours, theirs in keys.items()}
    with atomic_directory(directory) as path:
        checkpoint.write(str(path / "bert_model.ckpt"))
        write_json(path / "bert_config.json", {**config, "hidden_act": "gelu"})
        write_tokenizer(model.preprocessor.tokenizer, path)


def _with_their_gelu(model: BertTextClassifier) -> BertTextClassifier:
    encoder = model.backbone
    theirs = BertEncoder.from_config(
        {**encoder.get_config(), "activation": gelu_tanh, "layer_norm_epsilon": EPSILON}
    )
    copy = model.like(theirs, model.dropout)
    copy.set_weights(model.get_weights())
    return copy


def _network_of(encoder: BertEncoder) -> tf.train.Checkpoint:
    """Returns an encoder's weights under the names of the attributes of Model Garden's."""
    heads = encoder.num_heads
    tables = {
        "_embedding_layer": ("word_embeddings", encoder.token_embedding),
        "_position_embedding_layer": ("position_embedding", encoder.position_embedding),
        "_type_embedding_layer": ("type_embeddings", encoder.segment_embedding),
    }
    blocks = {
        str(i): _block(f"transformer/layer_{i}", layer, heads)
        for i, layer in enumerate(encoder.transformer_layers)
    }
    return tf.train.Checkpoint(
        **{
            name: tf.train.Checkpoint(
                embeddings=_variable(f"{path}/embeddings", *layer.weights)
            )
            for name, (path, layer) in tables.items()
        },
        _embedding_norm_layer=_layer("embeddings/layer_norm", encoder.embeddings_norm),
        _transformer_layers=tf.train.Checkpoint(**blocks),
        _pooler_layer=_layer("pooler_transform", encoder.pooled_dense),
    )


def _block(path: str, layer: keras.Layer, heads: int) -> tf.train.Checkpoint:
    attention, prefix = layer.self_attention, f"{path}/self_attention"
    width = attention.output_dense.kernel.shape[-1]
    inner = {"kernel": (width, heads, -1), "bias": (heads, -1)}
    outer = {"kernel": (heads, -1, width)}
    return tf.train.Checkpoint(
        _attention_layer=tf.train.Checkpoint(
            _query_dense=_layer(f"{prefix}/query", attention.query, **inner),
            _key_dense=_layer(f"{prefix}/key", attention.key, **inner),
            _value_dense=_layer(f"{prefix}/value", attention.value, **inner),
            _output_dense=_layer(f"{prefix}/attention_output", attention.output_dense, **outer),
        ),
        _attention_layer_norm=_layer(f"{prefix}_layer_norm", layer.attention_norm),
        _intermediate_dense=_layer(f"{path}/intermediate", layer.intermediate_dense),
        _output_dense=_layer(f"{path}/output", layer.output_dense),
        _output_layer_norm=_layer(f"{path}/output_layer_norm", layer.output_norm),
    )


def _layer(path: str, layer: keras.Layer, **shapes: tuple[int, ...]) -> tf.train.Checkpoint:
    """Returns a layer's weights by their names, in other shapes where they are given."""
    return tf.train.Checkpoint(
        **{
            weight.name: _variable(f"{path}/{weight.name}", weight, shapes.get(weight.name))
            for weight in layer.weights
        }
    )


def _variable(
    path: str, weight: keras.Variable, shape: tuple[int, ...] | None = None
) -> tf.Variable:
    value = keras.ops.convert_to_numpy(weight).astype("float32")
    return tf.Variable(value.reshape(shape or value.shape), name=path)
