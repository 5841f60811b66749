"""Weights in from KerasHub: `BertBackbone` and `BertMaskedLM` objects and presets."""

import os

import keras
import keras_nlp
import numpy as np

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertMaskedLM, gelu_tanh


def from_keras_hub(
    backbone: keras_nlp.models.BertBackbone | str | os.PathLike, **kwargs
) -> BertEncoder:
    """Makes a `BertEncoder` with the weights of a KerasHub `BertBackbone`.

    The outputs are the backbone's: the activation is its tanh approximation of GELU. Where the
    weights come from Google's original BERT, `activation="gelu"` gives the outputs of that.

    Args:
        backbone: `BertBackbone`, or str or path: a KerasHub preset handle or directory.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype` or `dropout`.

    Raises:
        TinyBertError: if `backbone` is something else.
    """
    if isinstance(backbone, str | os.PathLike):
        backbone = keras_nlp.models.BertBackbone.from_preset(os.fspath(backbone))
    if not isinstance(backbone, keras_nlp.models.BertBackbone):
        raise TinyBertError(
            f"from_keras_hub got a {type(backbone).__name__}, expected a KerasHub BertBackbone "
            "or the name of its preset."
        )
    arguments = {
        "vocabulary_size": backbone.vocabulary_size,
        "num_layers": backbone.num_layers,
        "num_heads": backbone.num_heads,
        "hidden_dim": backbone.hidden_dim,
        "intermediate_dim": backbone.intermediate_dim,
        "dropout": backbone.dropout,
        "max_sequence_length": backbone.max_sequence_length,
        "num_segments": backbone.num_segments,
        "activation": gelu_tanh,
    }
    encoder = BertEncoder(**{**arguments, **kwargs})
    for ours, theirs in _layer_pairs(encoder, backbone):
        _copy(ours, theirs)
    return encoder


def masked_lm_from_keras_hub(
    masked_lm: keras_nlp.models.BertMaskedLM | str | os.PathLike, preprocessor=None, **kwargs
) -> BertMaskedLM:
    """Makes a `BertMaskedLM` with the weights of a KerasHub `BertMaskedLM`, head included.

    Args:
        masked_lm: KerasHub's `BertMaskedLM`, or str or path: a preset handle or directory.
        preprocessor: `BertPreprocessor` or `None`.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype` or `dropout`.

    Raises:
        TinyBertError: if `masked_lm` is something else, or has a head that nobody trained.
    """
    if isinstance(masked_lm, str | os.PathLike):
        name = os.fspath(masked_lm)
        masked_lm = keras_nlp.models.BertMaskedLM.from_preset(name, preprocessor=None)
    else:
        name = "The KerasHub model"
    if not isinstance(masked_lm, keras_nlp.models.BertMaskedLM):
        raise TinyBertError(
            f"masked_lm_from_keras_hub got a {type(masked_lm).__name__}, expected a KerasHub "
            "BertMaskedLM or the name of its preset."
        )
    theirs = masked_lm.masked_lm_head
    # KerasHub makes a new head for a preset of a backbone alone, and says nothing.
    if not np.any(theirs._bias) and not np.any(theirs._intermediate_layer_norm.beta):
        raise TinyBertError(
            f"{name} has no trained masked-LM head: its biases are all zero. Presets of "
            "backbones have none; take a preset saved from a trained BertMaskedLM, or a "
            "BertForMaskedLM in the Hugging Face layout (load_masked_lm)."
        )
    model = BertMaskedLM(
        from_keras_hub(masked_lm.backbone, **kwargs),
        preprocessor=preprocessor,
        head_activation=theirs.intermediate_activation,
        head_layer_norm_epsilon=theirs.layer_norm_epsilon,
    )
    ours = model.masked_lm_head
    _copy(ours._intermediate_dense, theirs._intermediate_dense)
    _copy(ours._intermediate_layer_norm, theirs._intermediate_layer_norm)
    ours._bias.assign(theirs._bias)
    return model


def _layer_pairs(encoder: BertEncoder, backbone) -> list[tuple[keras.Layer, keras.Layer]]:
    pairs = [
        (encoder.token_embedding, backbone.token_embedding),
        (encoder.position_embedding, backbone.position_embedding),
        (encoder.segment_embedding, backbone.segment_embedding),
        (encoder.embeddings_norm, backbone.embeddings_layer_norm),
        (encoder.pooled_dense, backbone.pooled_dense),
    ]
    for ours, theirs in zip(
        encoder.transformer_layers, backbone.transformer_layers, strict=True
    ):
        attention = theirs._self_attention_layer
        pairs += [
            (ours.self_attention.query, attention._query_dense),
            (ours.self_attention.key, attention._key_dense),
            (ours.self_attention.value, attention._value_dense),
            (ours.self_attention.output_dense, attention._output_dense),
            (ours.attention_norm, theirs._self_attention_layer_norm),
            (ours.intermediate_dense, theirs._feedforward_intermediate_dense),
            (ours.output_dense, theirs._feedforward_output_dense),
            (ours.output_norm, theirs._feedforward_layer_norm),
        ]
    return pairs


def _copy(ours: keras.Layer, theirs: keras.Layer) -> None:
    # KerasHub keeps heads apart: kernels [hidden, heads, head_dim] and, for the output
    # [heads, head_dim, hidden]; both flatten row by row to this project's matrices.
    for to, source in zip(ours.weights, theirs.weights, strict=True):
        to.assign(keras.ops.reshape(source, to.shape))
