"""Weights in and out in the Hugging Face directory layout, Huawei's TinyBERT's included.

The layout is `config.json` beside `model.safetensors` or `pytorch_model.bin`. A tensor that a
model wants and the file lacks, has in another shape, or that nobody knows, is an error that
names it: weights are never left random in silence.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from absl import logging
from safetensors.numpy import save

from tinybert_tf.checkpoints._tensor_files import read_checkpoint
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_directory, write_json
from tinybert_tf.models import (
    BertEncoder,
    BertMaskedLM,
    BertSpanClassifier,
    BertTextClassifier,
    gelu_tanh,
)

# Heads that a checkpoint may carry and a model without that head leaves aside.
_HEADS = ("classifier.", "cls.", "qa_outputs.", "fit_dense.", "fit_denses.")
_POOLER = "pooler."
_CLASSIFIER = "classifier"
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": "relu",
}
# The keys of config.json for arguments of `BertEncoder`: those that it must have, and others.
_REQUIRED_KEYS = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
}
_OPTIONAL_KEYS = {
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "num_segments": "type_vocab_size",
    "layer_norm_epsilon": "layer_norm_eps",
}

# Names a checkpoint's tensor for each Keras variable: (name, variable, is a dense kernel).
_Entry = tuple[str, Any, bool]


def load_encoder(directory: str | os.PathLike, **kwargs) -> BertEncoder:
    """Loads a `BertEncoder` from a Hugging Face layout directory.

    Args:
        directory: str or path. Holds `config.json` and the weights.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype` or `dropout`.

    Raises:
        TinyBertError: if a file cannot be read or a tensor does not fit; it is named.
    """
    config, tensors, source = _read(directory)
    encoder = _make_encoder(config, source, kwargs)
    _assign(_encoder_entries(encoder), tensors, source)
    return encoder


def load_text_classifier(
    directory: str | os.PathLike, preprocessor=None, head_activation=None, **kwargs
) -> BertTextClassifier:
    """Loads a `BertTextClassifier` (or regressor) with its head and label names.

    Args:
        directory: str or path. Holds `config.json` and the weights.
        preprocessor: `BertPreprocessor` or `None`.
        head_activation: str or `None`. `"relu"` for models fine-tuned by Huawei's code,
            which no file records; Hugging Face's have none.
        **kwargs: Overrides of `BertEncoder` arguments. `dropout` is the head's rate as well,
            unless the config has a `classifier_dropout`.

    Raises:
        TinyBertError: if a file cannot be read or a tensor does not fit; it is named.
    """
    config, tensors, source = _read(directory)
    if "classifier.weight" not in tensors:
        raise TinyBertError(
            f"{source} has no classifier.weight, so it is no fine-tuned classifier. "
            "Load it with load_encoder and fine-tune it."
        )
    encoder = _make_encoder(config, source, kwargs)
    num_classes = tensors["classifier.weight"].shape[0]
    head_dropout = config.get("classifier_dropout")
    classifier = BertTextClassifier(
        encoder,
        num_classes=num_classes,
        preprocessor=preprocessor,
        labels=_label_names(config, num_classes),
        head_activation=head_activation,
        dropout=encoder.dropout if head_dropout is None else head_dropout,
    )
    head = _dense_entries(_CLASSIFIER, classifier.output_dense)
    _assign([*_encoder_entries(encoder), *head], tensors, source)
    return classifier


def load_span_classifier(
    directory: str | os.PathLike, preprocessor=None, **kwargs
) -> BertSpanClassifier:
    """Loads a `BertSpanClassifier` (question answering) with its head.

    Args:
        directory: str or path. Holds `config.json` and the weights.
        preprocessor: `BertPreprocessor` or `None`.
        **kwargs: Overrides of `BertEncoder` arguments.

    Raises:
        TinyBertError: if a file cannot be read or a tensor does not fit; it is named.
    """
    config, tensors, source = _read(directory)
    encoder = _make_encoder(config, source, kwargs)
    model = BertSpanClassifier(encoder, preprocessor=preprocessor)
    head = _dense_entries("qa_outputs", model.span_dense)
    _assign([*_encoder_entries(encoder), *head], tensors, source, pooler_required=False)
    return model


def load_masked_lm(directory: str | os.PathLike, preprocessor=None, **kwargs) -> BertMaskedLM:
    """Loads a `BertMaskedLM` with its head.

    Args:
        directory: str or path. Holds `config.json` and the weights.
        preprocessor: `BertPreprocessor` or `None`.
        **kwargs: Overrides of `BertEncoder` arguments.

    Raises:
        TinyBertError: if a file cannot be read or a tensor does not fit; it is named. Also
            if the output weights are not the token embedding.
    """
    config, tensors, source = _read(directory)
    _check_tied(tensors, source)
    encoder = _make_encoder(config, source, kwargs)
    model = BertMaskedLM(encoder, preprocessor=preprocessor)
    head = model.masked_lm_head
    entries = [
        *_encoder_entries(encoder),
        *_dense_entries("cls.predictions.transform.dense", head._intermediate_dense),
        *_norm_entries("cls.predictions.transform.LayerNorm", head._intermediate_layer_norm),
        ("cls.predictions.bias", head._bias, False),
    ]
    _assign(entries, tensors, source, pooler_required=False)
    return model


def save_text_classifier(model: BertTextClassifier, directory: str | os.PathLike) -> None:
    """Writes a classifier or regressor as a directory in the Hugging Face layout.

    It holds `config.json`, `model.safetensors` (float32), `vocab.txt` and
    `tokenizer_config.json`, complete or absent. `load_text_classifier` and transformers'
    `BertForSequenceClassification` read it.

    Args:
        model: `BertTextClassifier` with a preprocessor, whose outputs are logits.
        directory: str or path. A folder that does not exist or is empty.

    Raises:
        TinyBertError: if the layout cannot express the model or the folder is not empty.
    """
    config = _make_config(model)
    entries = [
        *_encoder_entries(model.backbone),
        *_dense_entries(_CLASSIFIER, model.output_dense),
    ]
    tensors = {}
    for name, variable, is_kernel in entries:
        value = np.asarray(variable, "float32")
        name = name if name.startswith(_CLASSIFIER) else f"bert.{name}"
        tensors[name] = np.ascontiguousarray(value.T if is_kernel else value)
    tokenizer = model.preprocessor.tokenizer
    tokenizer_config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lowercase,
    }
    with atomic_directory(directory) as path:
        write_json(path / "config.json", config)
        # Without the mark, transformers does not know whose layout the tensors have.
        content = save(tensors, metadata={"format": "pt"})
        (path / "model.safetensors").write_bytes(content)
        vocabulary = "".join(f"{token}\n" for token in tokenizer.get_vocabulary())
        (path / "vocab.txt").write_text(vocabulary, encoding="utf-8", newline="\n")
        write_json(path / "tokenizer_config.json", tokenizer_config)


def _read(directory) -> tuple[dict, dict[str, np.ndarray], os.PathLike]:
    """Returns the checkpoint with its tensors' names in one spelling."""
    config, tensors, source = read_checkpoint(directory)
    renamed = {}
    for name, value in tensors.items():
        name = name.removeprefix("bert.")
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
        renamed[name.replace("LayerNorm.beta", "LayerNorm.bias")] = value
    return config, renamed, source


def _check_tied(tensors: dict[str, np.ndarray], source) -> None:
    names = ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight")
    output, embedding = map(tensors.get, names)
    if output is None or embedding is None or np.array_equal(output, embedding):
        return
    raise TinyBertError(
        f"{source}: {names[0]} differs from {names[1]}. BertMaskedLM uses one table for both; "
        "load a checkpoint with tied embeddings."
    )


def _make_encoder(config: dict, source, overrides: dict) -> BertEncoder:
    # RoBERTa and others keep BERT's names for the tensors and use them otherwise.
    model_type = config.get("model_type", "bert")
    if model_type != "bert":
        raise TinyBertError(
            f"{source.parent / 'config.json'}: model_type '{model_type}' is not supported, "
            "only 'bert' is."
        )
    missing = [key for key in _REQUIRED_KEYS.values() if key not in config]
    if missing:
        raise TinyBertError(
            f"{source.parent / 'config.json'} lacks {', '.join(missing)}; is it a BERT config?"
        )
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise TinyBertError(
            f"{source.parent / 'config.json'}: hidden_act '{activation}' is not known. "
            f"Known are {', '.join(_ACTIVATIONS)}."
        )
    position_type = config.get("position_embedding_type", "absolute")
    if position_type != "absolute":
        raise TinyBertError(
            f"{source.parent / 'config.json'}: position_embedding_type '{position_type}' is "
            "not supported; BERT's own is 'absolute'."
        )
    keys = {**_REQUIRED_KEYS, **_OPTIONAL_KEYS}
    arguments = {ours: config[theirs] for ours, theirs in keys.items() if theirs in config}
    # BERT's own, where the config leaves it to the reader.
    arguments.setdefault("attention_dropout", 0.1)
    arguments["activation"] = _ACTIVATIONS[activation]
    return BertEncoder(**{**arguments, **overrides})


def _make_config(model: BertTextClassifier) -> dict:
    """Returns the config.json of a model.

    Raises:
        TinyBertError: if it cannot be told in one.
    """
    if model.preprocessor is None:
        raise TinyBertError(
            "The model has no preprocessor, so its vocabulary is unknown. Set "
            "model.preprocessor to the BertPreprocessor it was trained with."
        )
    for name in ("head_activation", "activation"):
        function = getattr(model, name)
        if function != keras.activations.linear:
            raise TinyBertError(
                f"The model has {name} '{function.__name__}'; a classifier in the Hugging Face "
                "layout has none. Such a model can be saved with save_to_preset."
            )
    encoder = model.backbone
    functions = {k: keras.activations.get(v) for k, v in _ACTIVATIONS.items()}
    names = [name for name, function in functions.items() if function == encoder.activation]
    if not names:
        raise TinyBertError(
            f"The model's activation '{encoder.activation.__name__}' has no name in the "
            f"Hugging Face layout; known are {', '.join(_ACTIVATIONS)}."
        )
    keys = {**_REQUIRED_KEYS, **_OPTIONAL_KEYS}
    labels = model.labels or [f"LABEL_{i}" for i in range(model.num_classes)]
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        **{theirs: getattr(encoder, ours) for ours, theirs in keys.items()},
        "hidden_act": names[0],
        "classifier_dropout": model.dropout,
        "pad_token_id": model.preprocessor.tokenizer.pad_token_id,
        "id2label": {str(i): name for i, name in enumerate(labels)},
        "label2id": {name: i for i, name in enumerate(labels)},
    }


def _label_names(config: dict, num_classes: int) -> tuple[str, ...] | None:
    """Returns the config's label names, unless they are placeholders such as LABEL_0."""
    names = {int(i): name for i, name in (config.get("id2label") or {}).items()}
    if sorted(names) != list(range(num_classes)):
        return None
    if all(name == f"LABEL_{i}" for i, name in names.items()):
        return None
    return tuple(names[i] for i in range(num_classes))


def _dense_entries(prefix: str, layer) -> Iterator[_Entry]:
    yield f"{prefix}.weight", layer.kernel, True
    yield f"{prefix}.bias", layer.bias, False


def _norm_entries(prefix: str, layer) -> Iterator[_Entry]:
    yield f"{prefix}.weight", layer.gamma, False
    yield f"{prefix}.bias", layer.beta, False


def _encoder_entries(encoder: BertEncoder) -> Iterator[_Entry]:
    tables = {
        "word": encoder.token_embedding.embeddings,
        "position": encoder.position_embedding.position_embeddings,
        "token_type": encoder.segment_embedding.embeddings,
    }
    for name, variable in tables.items():
        yield f"embeddings.{name}_embeddings.weight", variable, False
    yield from _norm_entries("embeddings.LayerNorm", encoder.embeddings_norm)
    for i, layer in enumerate(encoder.transformer_layers):
        prefix = f"encoder.layer.{i}"
        attention = layer.self_attention
        yield from _dense_entries(f"{prefix}.attention.self.query", attention.query)
        yield from _dense_entries(f"{prefix}.attention.self.key", attention.key)
        yield from _dense_entries(f"{prefix}.attention.self.value", attention.value)
        yield from _dense_entries(f"{prefix}.attention.output.dense", attention.output_dense)
        yield from _norm_entries(f"{prefix}.attention.output.LayerNorm", layer.attention_norm)
        yield from _dense_entries(f"{prefix}.intermediate.dense", layer.intermediate_dense)
        yield from _dense_entries(f"{prefix}.output.dense", layer.output_dense)
        yield from _norm_entries(f"{prefix}.output.LayerNorm", layer.output_norm)
    yield from _dense_entries("pooler.dense", encoder.pooled_dense)


def _assign(entries, tensors: dict[str, np.ndarray], source, pooler_required=True) -> None:
    """Assigns every entry, after all names and shapes were found right."""
    entries = list(entries)
    if not pooler_required and "pooler.dense.weight" not in tensors:
        entries = [entry for entry in entries if not entry[0].startswith(_POOLER)]
        logging.info("%s has no pooler; this model does not use it.", source)
    problems = _problems(entries, tensors)
    if problems:
        raise TinyBertError(f"{source} does not fit:\n  " + "\n  ".join(problems))
    for name, variable, is_kernel in entries:
        variable.assign(tensors[name].T if is_kernel else tensors[name])


def _problems(entries: Iterable[_Entry], tensors: dict[str, np.ndarray]) -> list[str]:
    """Returns a line for each tensor that is missing, of another shape or unknown."""
    problems = []
    known = {"embeddings.position_ids"}
    for name, variable, is_kernel in entries:
        known.add(name)
        expected = tuple(variable.shape)[::-1] if is_kernel else tuple(variable.shape)
        if name not in tensors:
            problems.append(f"missing: {name} {expected}")
        elif tensors[name].shape != expected:
            problems.append(
                f"wrong shape: {name} is {tensors[name].shape}, the config says {expected}"
            )
    unused = _HEADS if "pooler.dense.weight" in known else (*_HEADS, _POOLER)
    for name, tensor in tensors.items():
        if name not in known and not name.startswith(unused):
            problems.append(f"unknown: {name} {tensor.shape}")
    return problems
