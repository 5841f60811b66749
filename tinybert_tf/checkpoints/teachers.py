"""A teacher from whatever people have: one call for every layout, and what it recognised."""

import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
from absl import logging

from tinybert_tf.checkpoints._model_garden import is_model_garden
from tinybert_tf.checkpoints._tensor_files import config_path, read_json_object
from tinybert_tf.checkpoints._tf1 import CONFIG_NAME
from tinybert_tf.checkpoints.hugging_face import load_span_classifier, load_text_classifier
from tinybert_tf.checkpoints.keras_hub import text_classifier_from_keras_hub
from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    check_vocabulary,
    from_keras_hub_location,
    layout_of,
    load_classifier,
    load_plain_encoder,
    load_tokenizer_at,
    resolve_path,
    sentence_transformers_body,
    sentence_transformers_pooling,
    table_size,
)
from tinybert_tf.data import match_labels
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier, encoder_of
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

_LOADERS = {
    BertTextClassifier: load_text_classifier,
    BertSpanClassifier: load_span_classifier,
}


def load_teacher(
    path_or_name: str | os.PathLike,
    lowercase: bool = True,
    labels: Sequence[str] | None = None,
    sequence_length: int = 128,
    *,
    vocabulary: str | os.PathLike | None = None,
    kind: type = BertTextClassifier,
    dtype: str = "float32",
) -> BertTextClassifier | BertSpanClassifier:
    """Loads a finished classifier of any layout, with its preprocessor.

    It prints a line that says what was recognised: format, sizes, tokenizer and labels.

    Args:
        path_or_name: str or path. A directory in the Hugging Face layout, of Google's original
            BERT or TF Model Garden; a KerasHub preset (handle or directory) or `.keras` file;
            a preset of this library; or `package:MODULE/FOLDER`.
        lowercase: bool. Whether the model is uncased.
        labels: sequence of str or `None`. The names of the classes in the order that the
            outputs are to have. Where the checkpoint names them as well, its outputs are put
            into this order; otherwise they are taken to be in it.
        sequence_length: int. Tokens of a text for the preprocessor, special ones included; at
            most what the model has positions for.
        vocabulary: str or path, or `None` for the model's own.
        kind: `BertTextClassifier` or `BertSpanClassifier`.
        dtype: str. A Keras dtype policy.

    Raises:
        TinyBertError: if weights or vocabulary cannot be read or do not fit each other, it is
            no finished classifier, or its labels are others.
    """
    source = WeightsConfig(
        os.fspath(path_or_name),
        None if vocabulary is None else os.fspath(vocabulary),
        lowercase,
    )
    location = resolve_path(source.weights)
    layout = layout_of(location)
    if layout == "keras_hub":
        model = _load_keras_hub(source, location, kind, dtype)
        tokenizer = model.preprocessor.tokenizer
    else:
        tokenizer = load_tokenizer_at(source, location, layout)
        model = _load_model(source, location, layout, tokenizer, kind, dtype)
    check_vocabulary(model.backbone, tokenizer)
    length = min(sequence_length, model.backbone.max_sequence_length)
    model.preprocessor = BertPreprocessor(tokenizer, length)
    if labels is not None:
        name_outputs(model, labels)
    print(describe_teacher(source.weights, model, tokenizer), flush=True)
    return model


def load_teacher_encoder(
    path_or_name: str | os.PathLike,
    lowercase: bool = True,
    *,
    vocabulary: str | os.PathLike | None = None,
    dtype: str = "float32",
    dropout: float | None = None,
    pooling: str | None = None,
) -> tuple[BertEncoder, BertTokenizer]:
    """Loads an encoder of any layout, without a head, and its tokenizer.

    It prints what it recognised, as `load_teacher` does.

    Args:
        path_or_name: str or path. See `load_teacher`.
        lowercase: bool. Whether the model is uncased.
        vocabulary: str or path, or `None` for the model's own.
        dtype: str. A Keras dtype policy.
        dropout: float or `None`. In place of the encoder's own.
        pooling: `"cls"` or `"mean"`, what a head gets (see `BertEncoder`); `None` for the
            model's own: the mean where sentence-transformers says so, otherwise BERT's.

    Raises:
        TinyBertError: if they cannot be read or do not fit each other.
    """
    source = WeightsConfig(
        os.fspath(path_or_name),
        None if vocabulary is None else os.fspath(vocabulary),
        lowercase,
    )
    pooling = pooling or sentence_transformers_pooling(source.weights)
    encoder, tokenizer = load_plain_encoder(source, dtype, dropout, pooling)
    print(describe_teacher(source.weights, encoder, tokenizer), flush=True)
    return encoder, tokenizer


def name_outputs(model: BertTextClassifier, labels: Sequence[str]) -> None:
    """Gives a classifier labels; puts its outputs into their order if it names them itself.

    Args:
        model: `BertTextClassifier`. Changed in place.
        labels: sequence of str.

    Raises:
        TinyBertError: if it has other labels, or another number of outputs.
    """
    if model.num_classes != len(labels):
        raise TinyBertError(
            f"The teacher has {model.num_classes} outputs, expected {len(labels)}: "
            f"{', '.join(labels)}."
        )
    if not model.labels:
        logging.warning(
            "The teacher's checkpoint names no labels; they are taken to be %s.", tuple(labels)
        )
    else:
        order = match_labels(model.labels, labels, "The teacher")
        if order != sorted(order):
            logging.info("The teacher's outputs are put into the order %s.", tuple(labels))
        for variable in model.output_dense.weights:
            value = keras.ops.convert_to_numpy(variable)
            variable.assign(np.take(value, order, axis=-1))
    model.labels = tuple(labels)


def describe_teacher(
    path_or_name: str, model: BertTextClassifier | BertSpanClassifier | BertEncoder, tokenizer
) -> str:
    """Returns a line on what a location holds: format, sizes, tokenizer and labels.

    Args:
        path_or_name: str. See `load_teacher`.
        model: what was loaded.
        tokenizer: `BertTokenizer`. Its own.
    """
    encoder, case = encoder_of(model), tokenizer.lowercase
    settings = ["uncased" if case else "cased"]
    if tokenizer.strip_accents != case:
        settings.append("accents dropped" if tokenizer.strip_accents else "accents kept")
    if not tokenizer.tokenize_chinese_chars:
        settings.append("Chinese characters not split")
    if tokenizer.added_tokens:
        settings.append(f"{len(tokenizer.added_tokens)} added tokens")
    parts = [
        f"{encoder.num_layers} layers, width {encoder.hidden_dim}, {encoder.num_heads} heads",
        f"{tokenizer.vocabulary_size():,} tokens, {', '.join(settings)}",
    ]
    if encoder.pooling == "mean":
        parts.append("pooled by the mean of the tokens")
    if isinstance(model, BertTextClassifier):
        named = ", ".join(model.labels) if model.labels else "no names"
        parts.append(f"{model.num_classes} outputs: {named}")
    return f"{path_or_name}: {_format_of(path_or_name)}; {'; '.join(parts)}"


def _format_of(path_or_name: str) -> str:
    location = resolve_path(path_or_name)
    path, layout = pathlib.Path(location), layout_of(location)
    if layout == "own":
        return "preset of this library"
    if layout == "keras_hub":
        return "Keras file of KerasHub" if path.suffix == ".keras" else "KerasHub preset"
    config = config_path(path)
    if is_model_garden(config):
        return "TF Model Garden checkpoint"
    if config.name == CONFIG_NAME:
        return "Google's original BERT"
    model_type = read_json_object(config, "config").get("model_type", "bert")
    if sentence_transformers_body(path_or_name):
        is_mean = sentence_transformers_pooling(path_or_name) == "mean"
        return (
            f"sentence-transformers, of which the {model_type} at {path} is used; "
            f"{'' if is_mean else 'pooling, '}normalization and a SetFit head are not"
        )
    return f"Hugging Face layout ({model_type})"


def _load_model(
    source: WeightsConfig,
    location: str,
    layout: str,
    tokenizer: BertTokenizer,
    kind: type,
    dtype: str,
):
    if layout == "own":
        return load_classifier(location, dtype)
    if sentence_transformers_body(source.weights):
        raise TinyBertError(
            f"{source.weights} is a sentence-transformers or SetFit directory: an encoder, "
            "whose head, if there is one, is a pickle that is not read. Fine-tune it on the "
            "task (teacher.fine_tune)."
        )
    return _LOADERS[kind](location, dtype=dtype, **table_size(location, tokenizer))


def _load_keras_hub(
    source: WeightsConfig, location: str, kind: type, dtype: str
) -> BertTextClassifier:
    """Loads a classifier with a preprocessor, of its own tokenizer or the one that is given."""
    if kind is not BertTextClassifier:
        raise TinyBertError(
            f"{location} is a KerasHub preset, which has no head of a {kind.__name__}. "
            "Fine-tune it on the task (teacher.fine_tune)."
        )
    model = from_keras_hub_location(
        lambda name: text_classifier_from_keras_hub(name, dtype=dtype), location
    )
    if source.vocabulary or model.preprocessor is None:
        tokenizer = load_tokenizer_at(source, location, "keras_hub")
        model.preprocessor = BertPreprocessor(tokenizer, model.backbone.max_sequence_length)
    return model
