"""What students need that leave for another library: is it a plain BERT, and what changes."""

from collections.abc import Callable

import keras
import numpy as np
from absl import logging

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertTextClassifier, gelu_tanh

# Both KerasHub and TF Model Garden have this in every LayerNorm.
EPSILON = 1e-12
# Random texts on which the difference of two models is measured.
_TEXTS, _TOKENS = 64, 32


def check_plain(model: BertTextClassifier, owner: str, **further) -> None:
    """Looks whether a classifier is a BERT as KerasHub and TF Model Garden have it.

    Args:
        model: `BertTextClassifier`.
        owner: str. Whose classifier it is to become, for messages.
        **further: what else there must not be, by name; `None` or empty where it is not.

    Raises:
        TinyBertError: if it is another, or has no preprocessor.
    """
    if model.preprocessor is None:
        raise TinyBertError(
            "The model has no preprocessor, so its vocabulary is unknown. Set "
            "model.preprocessor to the BertPreprocessor it was trained with."
        )
    encoder = model.backbone
    linear, tanh = keras.activations.linear, keras.activations.tanh
    activations = {
        "head_activation": (model.head_activation, (linear,)),
        "activation of the outputs": (model.activation, (linear,)),
        "activation": (encoder.activation, (keras.activations.gelu, gelu_tanh)),
        "pooler_activation": (encoder.pooler_activation, (tanh,)),
    }
    found = {
        name: function.__name__
        for name, (function, known) in activations.items()
        if function not in known
    }
    found |= {
        "pooling": encoder.pooling if encoder.pooling != "cls" else None,
        "embedding_dim": encoder.embedding_dim,
        "relative_attention_buckets": encoder.relative_attention_buckets,
        **further,
    }
    differs = [f"{name} {value}" for name, value in found.items() if value]
    if differs:
        raise TinyBertError(
            f"The model has {', '.join(differs)}, which a classifier of {owner} cannot have. "
            "Such a model can be saved with save_to_preset, for this library."
        )


def log_difference(model: BertTextClassifier, theirs: Callable, owner: str) -> None:
    """Logs by how much logits of random texts differ at most in another library.

    Args:
        model: `BertTextClassifier`.
        theirs: function of encoder inputs. What the model has become.
        owner: str. The library's name.
    """
    encoder, tokenizer = model.backbone, model.preprocessor.tokenizer
    shape = (_TEXTS, min(_TOKENS, encoder.max_sequence_length))
    token_ids = np.random.default_rng(0).integers(encoder.vocabulary_size, size=shape)
    token_ids[:, 0], token_ids[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    inputs = {
        "token_ids": token_ids,
        "segment_ids": np.zeros(shape, "int32"),
        "padding_mask": np.ones(shape, "int32"),
    }
    ours, others = (keras.ops.convert_to_numpy(f(inputs)) for f in (model, theirs))
    epsilon = ""
    if encoder.layer_norm_epsilon != EPSILON:
        epsilon = f", its epsilon {EPSILON:g} in place of {encoder.layer_norm_epsilon:g}"
    logging.info(
        "Logits of %d random texts differ by at most %.2g in %s: its GELU is the tanh "
        "approximation%s.",
        _TEXTS,
        np.abs(ours - others).max(),
        owner,
        epsilon,
    )
