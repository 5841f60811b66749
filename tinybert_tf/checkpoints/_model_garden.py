"""TF Model Garden's BERT (`official.nlp`): what its configs and variables are called.

A checkpoint is what `tf.train.Checkpoint(encoder=..., model=...)` writes, beside
`bert_config.json` (the published BERTs, `tf2_bert_encoder_checkpoint_converter`) or
`params.yaml` (what its trainer saves). Tensors get names and orientation of the Hugging Face
layout, so that one table of names serves both. The package itself is not needed.
"""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from tinybert_tf.checkpoints._config_values import shown
from tinybert_tf.checkpoints._tf1 import CONFIG_NAME, newest_checkpoint, read_tf_tensors
from tinybert_tf.checkpoints._tf1_index import OBJECT_GRAPH, read_index
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file
from tinybert_tf.yaml_text import read_yaml

PARAMS_NAME = "params.yaml"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# Beside the weights: the state of an optimizer, counters.
_OTHERS = re.compile(r"\.OPTIMIZER_SLOT|(^|/)(optimizer|save_counter|global_step|train_loop)/")
_ENCODERS = ("bert", "bert_v2")
# Patterns of names, and what they are in the Hugging Face layout. The head's own pooler, where
# there is one, is what its classifier reads.
_BLOCK = r"transformer/layer_(\d+)"
_NAMES = tuple(
    (re.compile(rf"(?:^|.*/){pattern}/(kernel|bias|gamma|beta|embeddings)$"), name)
    for pattern, name in (
        ("word_embeddings", "embeddings.word_embeddings"),
        ("position_embedding", "embeddings.position_embeddings"),
        ("type_embeddings", "embeddings.token_type_embeddings"),
        ("embeddings/layer_norm", "embeddings.LayerNorm"),
        (rf"{_BLOCK}/self_attention/(query|key|value)", r"encoder.layer.\1.attention.self.\2"),
        (
            rf"{_BLOCK}/self_attention/attention_output",
            r"encoder.layer.\1.attention.output.dense",
        ),
        (
            rf"{_BLOCK}/self_attention_layer_norm",
            r"encoder.layer.\1.attention.output.LayerNorm",
        ),
        (rf"{_BLOCK}/intermediate", r"encoder.layer.\1.intermediate.dense"),
        (rf"{_BLOCK}/output", r"encoder.layer.\1.output.dense"),
        (rf"{_BLOCK}/output_layer_norm", r"encoder.layer.\1.output.LayerNorm"),
        ("pooler_transform", "pooler.dense"),
        ("[^/]+/pooler_dense", "pooler.dense"),
        ("[^/]+/logits", "classifier"),
    )
)
# The keys of an encoder's own config, and of params.yaml, for those of bert_config.json.
_OBJECT_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "inner_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "output_dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}
_PARAMS_KEYS = {
    **{name: name for name in ("intermediate_size", "max_position_embeddings")},
    **{name: _OBJECT_KEYS[name] for name in ("vocab_size", "hidden_size", "num_layers")},
    **{name: _OBJECT_KEYS[name] for name in ("num_attention_heads", "type_vocab_size")},
    "dropout_rate": "hidden_dropout_prob",
    "attention_dropout_rate": "attention_probs_dropout_prob",
}


def is_model_garden(config: pathlib.Path) -> bool:
    """Tells whether a config belongs to such a checkpoint.

    Args:
        config: path. Where the config of a directory is, whether it exists or not.
    """
    if config.name != CONFIG_NAME:
        return config.name == PARAMS_NAME
    # Google's original checkpoints have the same config and no graph of objects.
    return OBJECT_GRAPH in read_index(newest_checkpoint(config.parent))


def read_params(path: pathlib.Path) -> dict[str, Any]:
    """Returns the sizes in a `params.yaml`, by the keys of the Hugging Face layout.

    Raises:
        TinyBertError: if they cannot be read, or it is another encoder.
    """
    encoder = _read_encoder(path)
    config = rename_keys(encoder, _PARAMS_KEYS, "embedding_size", path)
    return {**config, "hidden_act": encoder.get("hidden_activation", "gelu")}


def config_of(encoder: Any, activation: str) -> dict[str, Any]:
    """Returns the sizes of an encoder object, by the keys of the Hugging Face layout.

    Args:
        encoder: `official.nlp.modeling.networks.BertEncoder` or `BertEncoderV2`.
        activation: str. The name of its activation in that layout.

    Raises:
        TinyBertError: if it is of another kind than BERT.
    """
    config = rename_keys(encoder.get_config(), _OBJECT_KEYS, "embedding_width", encoder.name)
    return {**config, "model_type": "bert", "hidden_act": activation}


def rename_keys(
    config: Mapping[str, Any], keys: Mapping[str, str], embedding_key: str, source: Any
) -> dict[str, Any]:
    """Returns a config by other keys.

    Args:
        config: mapping.
        keys: mapping of str to str.
        embedding_key: str. Of the width of the embeddings.
        source: path or str. For messages.

    Raises:
        TinyBertError: if a key is missing or the encoder is of another kind than BERT.
    """
    missing = [key for key in keys if key not in config]
    if missing:
        raise TinyBertError(f"{source} lacks {', '.join(missing)}; is it Model Garden's BERT?")
    if config.get("norm_first"):
        raise TinyBertError(
            f"{source}: norm_first is true, which is not BERT and not supported. Take an "
            "encoder that normalizes after each sum."
        )
    width = config.get(embedding_key)
    if width not in (None, config["hidden_size"]):
        raise TinyBertError(
            f"{source}: {embedding_key} is {shown(width)}, hidden_size "
            f"{shown(config['hidden_size'])}. A "
            "narrower embedding is not supported in Model Garden's checkpoints."
        )
    return {theirs: config[ours] for ours, theirs in keys.items()}


def read_model_garden(
    directory: pathlib.Path, config: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray], pathlib.Path]:
    """Reads the newest checkpoint of a directory.

    Args:
        directory: path.
        config: dict. Its sizes, by the keys of the Hugging Face layout.

    Returns:
        See `read_checkpoint`.

    Raises:
        TinyBertError: if it is damaged or of another encoder.
    """
    prefix = newest_checkpoint(directory)
    if config.get("hidden_act", "gelu") == "gelu":
        # Its "gelu" is the approximation.
        config = {**config, "hidden_act": "gelu_new"}
    names = [
        name
        for name in read_index(prefix)
        if name == OBJECT_GRAPH or (_VALUE in name and not _OTHERS.search(name))
    ]
    tensors = read_tf_tensors(prefix, names)
    graph = TrackableObjectGraph()
    try:
        graph.ParseFromString(tensors.pop(OBJECT_GRAPH))
    except Exception as error:  # protobuf's DecodeError, or no such tensor
        raise TinyBertError(
            f"{prefix} says nothing of the objects that its tensors belong to. Save it with "
            "tf.train.Checkpoint(encoder=...).write(...)."
        ) from error
    names = {
        attribute.checkpoint_key: attribute.full_name
        for node in graph.nodes
        for attribute in node.attributes
    }
    variables = {names.get(key) or key: value for key, value in tensors.items()}
    return {**config, "model_type": "bert"}, convert_variables(variables, prefix), prefix


def convert_variables(variables: Mapping[str, np.ndarray], source: Any) -> dict:
    """Returns variables, float32, by name and in orientation of the Hugging Face layout.

    Args:
        variables: mapping. By the names that the package gives them.
        source: path or str. For messages.

    Raises:
        TinyBertError: if there are several classifiers.
    """
    heads = {name for name in variables if name.endswith("/logits/kernel")}
    if len(heads) > 1:
        raise TinyBertError(
            f"{source} has {len(heads)} classifiers: {', '.join(sorted(heads))}. Save a model "
            "with one."
        )
    tensors = {}
    # The encoder's own pooler comes first, so that a head's takes its place.
    for name in sorted(variables, key=lambda name: "pooler_dense" in name):
        try:
            value = np.asarray(variables[name], "float32")
        except (TypeError, ValueError) as error:
            raise TinyBertError(f"{source}: {name} holds no numbers. Save it again.") from error
        new_name, turned = _convert(name, value)
        tensors[new_name] = turned
    return tensors


def _convert(name: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    found = [(match, name_of) for p, name_of in _NAMES if (match := p.match(name))]
    if not found:
        # Another head's, or what the loader will call unknown.
        return name.replace("/", "."), value
    match, target = found[0]
    part = match.groups()[-1]
    # Another shape is left to the loader, which says so.
    if part == "kernel" and value.ndim > 1 and value.size:
        # [hidden, heads, head_dim]; of the attention's output [heads, head_dim, hidden].
        rows = -1 if name.endswith("attention_output/kernel") else len(value)
        columns = value.shape[-1] if rows == -1 else -1
        value = value.reshape(rows, columns).T
    elif part == "bias":
        value = value.reshape(-1)
    suffix = "bias" if part in ("bias", "beta") else "weight"
    return f"{match.expand(target)}.{suffix}", value


def _read_encoder(path: pathlib.Path) -> dict[str, Any]:
    """Returns what params.yaml says of the encoder."""
    params = read_yaml(read_text_file(path, "config"), str(path))
    for key in ("task", "model", "encoder"):
        params = params.get(key) if isinstance(params, dict) else None
    kind = params.get("type") if isinstance(params, dict) else None
    encoder = params.get(kind) if kind in _ENCODERS else None
    if not isinstance(encoder, dict):
        raise TinyBertError(
            f"{path}: task.model.encoder is of type {shown(kind)}, expected "
            f"{' or '.join(_ENCODERS)}, with its sizes beside it. Take a BERT."
        )
    return encoder
