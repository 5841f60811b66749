"""Weights in from KerasHub: backbones, text classifiers and masked LMs, objects or presets.

Text classifiers go out to it, too.
"""

import functools
import os
from collections.abc import Sequence

import keras
import keras_nlp
import numpy as np
from absl import logging

from tinybert_tf.checkpoints._exchange import check_plain, log_difference
from tinybert_tf.checkpoints._preset_files import load_preset
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_directory
from tinybert_tf.models import BertEncoder, BertMaskedLM, BertTextClassifier, gelu_tanh
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer


def from_keras_hub(
    backbone: keras_nlp.models.BertBackbone | str | os.PathLike, **kwargs
) -> BertEncoder:
    """Makes a `BertEncoder` with the weights of a KerasHub `BertBackbone`.

    The outputs are the backbone's: the activation is its tanh approximation of GELU. Where the
    weights come from Google's original BERT, `activation="gelu"` gives the outputs of that.

    Args:
        backbone: `BertBackbone`, or str or path: a KerasHub preset handle or directory, or the
            `.keras` file of a backbone or of a task over one.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype` or `dropout`.

    Raises:
        TinyBertError: if `backbone` is something else.
    """
    if isinstance(backbone, str | os.PathLike):
        name = os.fspath(backbone)
        if name.endswith(".keras"):
            backbone = _load_file(name)
            backbone = getattr(backbone, "backbone", backbone)
        else:
            backbone = load_preset(keras_nlp.models.BertBackbone.from_preset, name)
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


def text_classifier_from_keras_hub(
    classifier: keras_nlp.models.BertTextClassifier | str | os.PathLike,
    preprocessor: BertPreprocessor | None = None,
    labels: Sequence[str] | None = None,
    **kwargs,
) -> BertTextClassifier:
    """Makes a `BertTextClassifier` that computes what KerasHub's does, with its head.

    Outputs are logits: a softmax that KerasHub's classifier applies is left out, since a
    student learns from what is before it.

    Args:
        classifier: KerasHub's `BertTextClassifier`, or str or path: a preset handle or
            directory, or a `.keras` file.
        preprocessor: `BertPreprocessor` or `None`, for one as the classifier's own; see
            `tokenizer_from_keras_hub`.
        labels: sequence of str or `None`. Names of the classes, which KerasHub does not keep.
        **kwargs: Overrides of `BertEncoder` arguments, such as `dtype`.

    Raises:
        TinyBertError: if `classifier` is something else, or its outputs are no scores of
            classes that exclude each other.
    """
    classifier = _load_task(classifier, keras_nlp.models.BertTextClassifier)
    activation = classifier.activation
    if activation not in (keras.activations.linear, keras.activations.softmax):
        raise TinyBertError(
            f"The KerasHub classifier's outputs go through {activation.__name__}, expected "
            "logits (activation=None) or softmax: a label is one of several here."
        )
    if preprocessor is None and classifier.preprocessor is not None:
        theirs = classifier.preprocessor
        preprocessor = BertPreprocessor(
            tokenizer_from_keras_hub(theirs.tokenizer), theirs.sequence_length
        )
    model = BertTextClassifier(
        from_keras_hub(classifier.backbone, **kwargs),
        classifier.num_classes,
        preprocessor=preprocessor,
        labels=labels,
        dropout=classifier.dropout,
    )
    _copy(model.output_dense, classifier.output_dense)
    return model


def tokenizer_from_keras_hub(
    tokenizer: keras_nlp.tokenizers.BertTokenizer | str | os.PathLike,
) -> BertTokenizer:
    """Makes a `BertTokenizer` with vocabulary, case and accents as KerasHub's has them.

    Where KerasHub's cuts a text otherwise than original BERT, such as at some symbols, this one
    does as original BERT.

    Args:
        tokenizer: KerasHub's `BertTokenizer`, or str or path: a preset handle or directory, or
            the `.keras` file of a task with one.

    Raises:
        TinyBertError: if there is none, it does not split texts into words, or it marks pieces
            otherwise.
    """
    if isinstance(tokenizer, str | os.PathLike):
        tokenizer = _load_tokenizer(os.fspath(tokenizer))
    if not tokenizer.split or tokenizer.suffix_indicator != "##":
        raise TinyBertError(
            f"The KerasHub tokenizer has split={tokenizer.split} and "
            f"suffix_indicator={tokenizer.suffix_indicator!r}, expected True and '##'."
        )
    if tokenizer.special_tokens_in_strings:
        logging.warning(
            "The KerasHub tokenizer has special_tokens_in_strings=True, but here a text that "
            "spells a special token, such as [SEP], is plain text."
        )
    return BertTokenizer(
        tokenizer.get_vocabulary(),
        lowercase=tokenizer.lowercase,
        strip_accents=tokenizer.strip_accents,
        tokenize_chinese_chars=tokenizer.split_on_cjk,
    )


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
    is_path = isinstance(masked_lm, str | os.PathLike)
    name = os.fspath(masked_lm) if is_path else "The KerasHub model"
    masked_lm = _load_task(masked_lm, keras_nlp.models.BertMaskedLM, preprocessor=None)
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


def save_keras_hub_classifier(model: BertTextClassifier, directory: str | os.PathLike) -> None:
    """Writes a text classifier as a preset that plain KerasHub loads.

    `keras_nlp.models.BertTextClassifier.from_preset(directory)` returns it, with its
    preprocessor; `labels.txt` beside it has the names of the outputs, which KerasHub does not
    keep. Its GELU is the tanh approximation, and the epsilon of its LayerNorms 1e-12: how much
    logits of random texts differ by that is measured and logged. Its tokenizer cuts some texts
    otherwise than original BERT; see `tokenizer_from_keras_hub`.

    Args:
        model: `BertTextClassifier` with a preprocessor, whose outputs are logits.
        directory: str or path. A folder that does not exist or is empty.

    Raises:
        TinyBertError: if KerasHub cannot express the model or the folder is not empty.
    """
    check_plain(model, "KerasHub")
    encoder, preprocessor = model.backbone, model.preprocessor
    _check_tokenizer(preprocessor.tokenizer)
    names = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim")
    names += ("dropout", "max_sequence_length", "num_segments")
    backbone = keras_nlp.models.BertBackbone(
        **{name: getattr(encoder, name) for name in names}, dtype="float32"
    )
    for ours, theirs in _layer_pairs(encoder, backbone):
        _copy(theirs, ours)
    tokenizer = preprocessor.tokenizer
    classifier = keras_nlp.models.BertTextClassifier(
        backbone,
        model.num_classes,
        preprocessor=keras_nlp.models.BertTextClassifierPreprocessor(
            keras_nlp.models.BertTokenizer(
                tokenizer.get_vocabulary(),
                lowercase=tokenizer.lowercase,
                strip_accents=tokenizer.strip_accents,
                split_on_cjk=tokenizer.tokenize_chinese_chars,
            ),
            sequence_length=preprocessor.sequence_length,
        ),
        dropout=model.dropout,
    )
    _copy(classifier.output_dense, model.output_dense)
    log_difference(model, classifier, "KerasHub")
    with atomic_directory(directory) as path:
        classifier.save_to_preset(str(path))
        if model.labels:
            names = "".join(f"{name}\n" for name in model.labels)
            (path / "labels.txt").write_text(names, encoding="utf-8", newline="\n")


def _check_tokenizer(tokenizer: BertTokenizer) -> None:
    """Raises TinyBertError if KerasHub's tokenizer cannot do what one does."""
    if tokenizer.added_tokens:
        names = ", ".join(repr(token.content) for token in tokenizer.added_tokens)
        raise TinyBertError(
            f"The tokenizer has added tokens, {names}, which KerasHub's BertTokenizer cannot "
            "have. Such a model can be saved with save_to_preset, for this library."
        )
    # It could do so, but forgets it when it is saved.
    if not tokenizer.tokenize_chinese_chars:
        raise TinyBertError(
            "The tokenizer does not split Chinese characters (tokenize_chinese_chars), which "
            "presets of KerasHub cannot say. Such a model can be saved with save_to_preset, "
            "for this library."
        )


def _load_task(task, cls, **kwargs):
    """Returns a task model of KerasHub, loaded if it is a preset or a `.keras` file.

    Raises:
        TinyBertError: if it is another, or cannot be loaded.
    """
    where = ""
    if isinstance(task, str | os.PathLike):
        location = os.fspath(task)
        where = f" at {location}"
        if location.endswith(".keras"):
            task = _load_file(location)
        else:
            task = load_preset(functools.partial(_from_preset, cls), location, **kwargs)
    if not isinstance(task, cls):
        owner = "this library's " if type(task).__module__.startswith("tinybert_tf") else ""
        raise TinyBertError(
            f"There is {owner or 'a '}{type(task).__name__}{where}, expected KerasHub's "
            f"{cls.__name__}: the model, its preset or, saved with `model.save`, its .keras "
            "file."
        )
    return task


def _load_file(path: str):
    """Loads a `.keras` file; code in it (a Lambda layer) is refused by Keras."""
    try:
        return keras.saving.load_model(path, compile=False)
    # Damaged archives, configs and weights fail in zipfile, json, h5py and Keras.
    except Exception as error:
        raise TinyBertError(
            f"{path} cannot be loaded as a model of Keras: {ascii(str(error))[1:-1][:300]}"
        ) from error


def _load_tokenizer(location: str):
    if not location.endswith(".keras"):
        return load_preset(keras_nlp.tokenizers.BertTokenizer.from_preset, location)
    preprocessor = getattr(_load_file(location), "preprocessor", None)
    if preprocessor is None:
        raise TinyBertError(
            f"{location} has no preprocessor, so its vocabulary is unknown. Name the "
            "vocabulary that it was trained with (teacher.vocabulary)."
        )
    return preprocessor.tokenizer


def _from_preset(cls, location: str, **kwargs):
    try:
        return cls.from_preset(location, **kwargs)
    except (TypeError, FileNotFoundError) as error:
        # KerasHub would make a new head, for which it has no size; or there is no tokenizer.
        if isinstance(error, TypeError) and "num_classes" not in str(error):
            raise
        raise TinyBertError(
            f"The KerasHub preset {location} is no finished {cls.__name__}: it is that of a "
            "backbone or of another task, without a head for classes. Save the classifier "
            "with classifier.save_to_preset, or fine-tune this one (teacher.fine_tune)."
        ) from error


def _layer_pairs(encoder: BertEncoder, backbone) -> list[tuple[keras.Layer, keras.Layer]]:
    pairs = [
        (encoder.token_embedding, backbone.token_embedding),
        (encoder.position_embedding, backbone.position_embedding),
        (encoder.segment_embedding, backbone.segment_embedding),
        (encoder.embeddings_norm, backbone.embeddings_layer_norm),
    ]
    if encoder.pooled_dense is not None:
        pairs.append((encoder.pooled_dense, backbone.pooled_dense))
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
