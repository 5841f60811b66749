"""Weights in and out in the Hugging Face directory layout, Huawei's TinyBERT's included.

The layout is `config.json` beside `model.safetensors` or `pytorch_model.bin`, whole or in
shards. BERT and its relatives are read (`_families.py`); what is written is BERT.
"""

import os
import pathlib
import re

import keras
import numpy as np
from absl import logging
from safetensors.numpy import save

from tinybert_tf.checkpoints._config_values import check_rate, check_size
from tinybert_tf.checkpoints._families import ACTIVATIONS, FAMILIES, Bert, family_of
from tinybert_tf.checkpoints._loader import (
    Entry,
    assign,
    dense_entries,
    norm_entries,
    take_off_prefix,
)
from tinybert_tf.checkpoints._tensor_files import config_path, read_checkpoint
from tinybert_tf.errors import TinyBertError, shown
from tinybert_tf.files import atomic_directory, write_json
from tinybert_tf.models import (
    BertEncoder,
    BertMaskedLM,
    BertSpanClassifier,
    BertTextClassifier,
)
from tinybert_tf.tokenization import BertTokenizer


class Checkpoint:
    """A config, and tensors in the spelling of its family.

    Args:
        config: dict. As `config.json` has it.
        tensors: dict of arrays by name.
        source: path. What messages name.
        directory: path. Where the tokenizer's files are.
    """

    def __init__(
        self,
        config: dict,
        tensors: dict[str, np.ndarray],
        source: pathlib.Path,
        directory: pathlib.Path,
    ):
        self.config, self.source, self.directory = config, source, directory
        # By type first: others keep BERT's names for the tensors and use them otherwise.
        self.family = family_of(self.config, config_path(directory))
        tensors = take_off_prefix(tensors, self.family.landmark, self.family.base, self.source)
        self.tensors = {
            name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
                "LayerNorm.beta", "LayerNorm.bias"
            ): tensor
            for name, tensor in tensors.items()
        }

    @classmethod
    def read(cls, directory: str | os.PathLike) -> "Checkpoint":
        """Reads a directory."""
        return cls(*read_checkpoint(directory), pathlib.Path(directory))

    def make_encoder(self, overrides: dict) -> BertEncoder:
        """Returns the encoder that the config describes, without its weights."""
        arguments = self.family.arguments(self.config, config_path(self.directory))
        num_weights = sum(tensor.size for tensor in self.tensors.values())
        check_size(arguments, len(self.tensors), num_weights, self.source)
        encoder = BertEncoder(**{**arguments, **overrides})
        if not self.family.has_segments:
            segments = encoder.segment_embedding.embeddings
            segments.assign(np.zeros(segments.shape, "float32"))
        return encoder

    def has_pooler(self) -> bool:
        """Tells whether there are weights for the pooled output of an encoder alone."""
        return self.family.pooler is not None and f"{self.family.pooler}.weight" in self.tensors

    def assign(self, encoder: BertEncoder, *head: Entry, pooler: str | None) -> None:
        """Assigns the weights of an encoder and of a head.

        Args:
            encoder: `BertEncoder`.
            *head: `Entry`.
            pooler: str or `None`. The name of the pooled output's layer; `None` leaves it as
                it is.
        """
        entries = [*self.family.entries(encoder, self.directory), *head]
        unused = self.family.unused
        if pooler is not None:
            entries += dense_entries(pooler, encoder.pooled_dense)
        if self.family.pooler is not None and pooler != self.family.pooler:
            unused = (*unused, f"{self.family.pooler}.")
        assign(entries, self.tensors, self.source, unused)


def load_encoder(
    directory: str | os.PathLike, new_pooler: bool = False, **kwargs
) -> BertEncoder:
    """Loads a `BertEncoder` from a Hugging Face layout directory.

    Args:
        directory: str or path. Holds `config.json` and the weights. BERT, DistilBERT, ELECTRA
            or MPNet, with any head.
        new_pooler: bool. Whether the pooled output may get random weights, with a warning,
            where the checkpoint has none: masked language models and sentence encoders.
            Right where it is trained next.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype` or `dropout`. A
            `vocabulary_size` below the table's leaves out the rows that pad it.

    Raises:
        TinyBertError: if a file cannot be read, or a tensor is missing, unknown or of another
            shape; it is named.
    """
    return make_encoder(Checkpoint.read(directory), new_pooler, **kwargs)


def make_encoder(checkpoint: Checkpoint, new_pooler: bool = False, **kwargs) -> BertEncoder:
    """Does as `load_encoder`, for a checkpoint that was read."""
    encoder = checkpoint.make_encoder(kwargs)
    pooler = checkpoint.family.pooler
    if encoder.pooling == "mean":
        pooler = None
    elif new_pooler and not checkpoint.has_pooler():
        logging.warning(
            "%s has no pooler: its weights are new, and are to be trained.", checkpoint.source
        )
        pooler = None
    elif pooler is None:
        raise TinyBertError(
            f"{checkpoint.source}: a {checkpoint.config['model_type']} has no pooler, which "
            "this encoder needs. Fine-tune it (new_pooler=True gives it new weights), or load "
            "a finished classifier with load_text_classifier."
        )
    checkpoint.assign(encoder, pooler=pooler)
    return encoder


def load_text_classifier(
    directory: str | os.PathLike, preprocessor=None, head_activation=None, **kwargs
) -> BertTextClassifier:
    """Loads a `BertTextClassifier` (or regressor) with its head and label names.

    Args:
        directory: str or path. Holds `config.json` and the weights; see `load_encoder`.
        preprocessor: `BertPreprocessor` or `None`.
        head_activation: str or `None`. `"relu"` for models fine-tuned by Huawei's code,
            which no file records; Hugging Face's have none.
        **kwargs: Overrides of `BertEncoder` arguments. `dropout` is the head's rate as well,
            unless the config has one of its own for the head.

    Raises:
        TinyBertError: if a file cannot be read, or a tensor is missing, unknown or of another
            shape; it is named.
    """
    checkpoint = Checkpoint.read(directory)
    return make_text_classifier(
        checkpoint, preprocessor, head_activation=head_activation, **kwargs
    )


def make_text_classifier(
    checkpoint: Checkpoint, preprocessor=None, labels=None, head_activation=None, **kwargs
) -> BertTextClassifier:
    """Does as `load_text_classifier`, for a checkpoint that was read.

    Args:
        checkpoint: `Checkpoint`.
        preprocessor: `BertPreprocessor` or `None`.
        labels: sequence of str, or `None` for the names in the config.
        head_activation: see `load_text_classifier`.
        **kwargs: see `load_text_classifier`.
    """
    family, tensors = checkpoint.family, checkpoint.tensors
    matrix = tensors.get(f"{family.classifier}.weight")
    if matrix is None:
        raise TinyBertError(
            f"{checkpoint.source} has no {family.classifier}.weight, so it is no fine-tuned "
            "classifier. Load it with load_encoder and fine-tune it."
        )
    if matrix.ndim != 2 or not len(matrix):
        raise TinyBertError(
            f"{checkpoint.source}: {family.classifier}.weight is {matrix.shape}, expected a "
            "row for each class. Download it again."
        )
    if checkpoint.config.get("problem_type") == "multi_label_classification":
        raise TinyBertError(
            f"{checkpoint.source} gives a text several labels (problem_type "
            "multi_label_classification), which is not supported yet: here its outputs would "
            "be taken for probabilities that add up to 1. Fine-tune its encoder "
            "(teacher.fine_tune) on a task of one label a text."
        )
    activation = {"pooler_activation": family.pooler_activation}
    encoder = checkpoint.make_encoder(activation | kwargs)
    num_classes = len(matrix)
    path, key = config_path(checkpoint.directory), family.head_dropout_key
    head_dropout = checkpoint.config.get(key)
    classifier = BertTextClassifier(
        encoder,
        num_classes=num_classes,
        preprocessor=preprocessor,
        labels=labels or _label_names(checkpoint.config, num_classes, path),
        head_activation=head_activation,
        dropout=encoder.dropout
        if head_dropout is None
        else check_rate(head_dropout, key, path),
    )
    head = dense_entries(family.classifier, classifier.output_dense)
    checkpoint.assign(encoder, *head, pooler=family.classifier_pooler)
    return classifier


def load_span_classifier(
    directory: str | os.PathLike, preprocessor=None, **kwargs
) -> BertSpanClassifier:
    """Loads a `BertSpanClassifier` (question answering) with its head.

    Args:
        directory: str or path. Holds `config.json` and the weights; see `load_encoder`.
        preprocessor: `BertPreprocessor` or `None`.
        **kwargs: Overrides of `BertEncoder` arguments.

    Raises:
        TinyBertError: if a file cannot be read, or a tensor is missing, unknown or of another
            shape; it is named.
    """
    checkpoint = Checkpoint.read(directory)
    encoder = checkpoint.make_encoder(kwargs)
    model = BertSpanClassifier(encoder, preprocessor=preprocessor)
    head = dense_entries("qa_outputs", model.span_dense)
    pooler = checkpoint.family.pooler if checkpoint.has_pooler() else None
    checkpoint.assign(encoder, *head, pooler=pooler)
    return model


def load_masked_lm(directory: str | os.PathLike, preprocessor=None, **kwargs) -> BertMaskedLM:
    """Loads a `BertMaskedLM` with its head.

    Args:
        directory: str or path. Holds `config.json` and the weights, of BERT.
        preprocessor: `BertPreprocessor` or `None`.
        **kwargs: Overrides of `BertEncoder` arguments.

    Raises:
        TinyBertError: if a file cannot be read, or a tensor is missing, unknown or of another
            shape; it is named. Also if the output weights are not the token embedding.
    """
    checkpoint = Checkpoint.read(directory)
    if checkpoint.family is not FAMILIES["bert"]:
        raise TinyBertError(
            f"{checkpoint.source}: a masked language model of model_type "
            f"'{checkpoint.config['model_type']}' is not supported, only 'bert' is."
        )
    _check_tied(checkpoint.tensors, checkpoint.source)
    encoder = checkpoint.make_encoder(kwargs)
    model = BertMaskedLM(encoder, preprocessor=preprocessor)
    head = model.masked_lm_head
    entries = [
        *dense_entries("cls.predictions.transform.dense", head._intermediate_dense),
        *norm_entries("cls.predictions.transform.LayerNorm", head._intermediate_layer_norm),
        Entry("cls.predictions.bias", head._bias, is_table=True),
    ]
    pooler = checkpoint.family.pooler if checkpoint.has_pooler() else None
    checkpoint.assign(encoder, *entries, pooler=pooler)
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
    bert, tensors = FAMILIES["bert"], {}
    entries = [
        *bert.entries(model.backbone, pathlib.Path(directory)),
        *dense_entries(bert.pooler, model.backbone.pooled_dense),
    ]
    entries = [(bert.base + entry.name, entry) for entry in entries]
    head = dense_entries(bert.classifier, model.output_dense)
    for name, entry in [*entries, *((entry.name, entry) for entry in head)]:
        value = np.asarray(entry.variable, "float32")
        tensors[name] = np.ascontiguousarray(value.T if entry.is_kernel else value)
    with atomic_directory(directory) as path:
        write_json(path / "config.json", config)
        # Without the mark, transformers does not know whose layout the tensors have.
        content = save(tensors, metadata={"format": "pt"})
        (path / "model.safetensors").write_bytes(content)
        write_tokenizer(model.preprocessor.tokenizer, path)


def write_tokenizer(tokenizer: BertTokenizer, directory: pathlib.Path) -> None:
    """Writes `vocab.txt` and `tokenizer_config.json`.

    Args:
        tokenizer: `BertTokenizer`.
        directory: path.
    """
    tokenizer_config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": tokenizer.tokenize_chinese_chars,
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(token.content)): {
                "content": token.content,
                "normalized": token.normalized,
                "special": not token.normalized,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
            }
            for token in tokenizer.added_tokens
        },
    }
    vocabulary = "".join(f"{token}\n" for token in tokenizer.get_vocabulary())
    (directory / "vocab.txt").write_text(vocabulary, encoding="utf-8", newline="\n")
    write_json(directory / "tokenizer_config.json", tokenizer_config)


def _check_tied(tensors: dict[str, np.ndarray], source) -> None:
    names = ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight")
    output, embedding = map(tensors.get, names)
    if output is None or embedding is None or np.array_equal(output, embedding):
        return
    raise TinyBertError(
        f"{source}: {names[0]} differs from {names[1]}. BertMaskedLM uses one table for both; "
        "load a checkpoint with tied embeddings."
    )


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
    _check_plain(encoder)
    functions = {k: keras.activations.get(v) for k, v in ACTIVATIONS.items()}
    names = [name for name, function in functions.items() if function == encoder.activation]
    if not names:
        raise TinyBertError(
            f"The model's activation '{encoder.activation.__name__}' has no name in the "
            f"Hugging Face layout; known are {', '.join(ACTIVATIONS)}."
        )
    keys = {**Bert.required_keys, **Bert.optional_keys}
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


def _check_plain(encoder: BertEncoder) -> None:
    """Raises TinyBertError if an encoder has what BERT has not."""
    differs = {
        "pooling": encoder.pooling if encoder.pooling != "cls" else None,
        "embedding_dim": encoder.embedding_dim,
        "relative_attention_buckets": encoder.relative_attention_buckets,
    }
    if encoder.pooler_activation != keras.activations.tanh:
        differs["pooler_activation"] = encoder.pooler_activation.__name__
    names = [f"{name}={value}" for name, value in differs.items() if value is not None]
    if names:
        raise TinyBertError(
            f"The model has {', '.join(names)}, which BERT in the Hugging Face layout has not. "
            "Such a model can be saved with save_to_preset; its students are BERTs."
        )


def _label_names(config: dict, num_classes: int, path) -> tuple[str, ...] | None:
    """Returns the config's label names, unless they are placeholders: LABEL_0, or 0.

    Raises:
        TinyBertError: if they are no names by number.
    """
    names = config.get("id2label") or {}
    if not isinstance(names, dict) or not all(
        re.fullmatch("[0-9]{1,9}", i) and isinstance(name, str | int)
        for i, name in names.items()
    ):
        raise TinyBertError(
            f"{path}: id2label is {shown(names)}, expected an object of numbers and names, "
            'such as {"0": "negative", "1": "positive"}.'
        )
    names = {int(i): str(name) for i, name in names.items()}
    if sorted(names) != list(range(num_classes)):
        return None
    if all(name in (f"LABEL_{i}", str(i)) for i, name in names.items()):
        return None
    return tuple(names[i] for i in range(num_classes))
