"""Weights in from TF Model Garden's objects (`official.nlp.modeling`)."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.checkpoints._families import ACTIVATIONS
from tinybert_tf.checkpoints._model_garden import config_of, convert_variables
from tinybert_tf.checkpoints.hugging_face import Checkpoint, make_encoder, make_text_classifier
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier
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
