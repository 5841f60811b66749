"""Weights in and out: Hugging Face layout directories, Huawei's TinyBERT and KerasHub."""

from tinybert_tf.checkpoints.hugging_face import (
    load_encoder,
    load_masked_lm,
    load_span_classifier,
    load_text_classifier,
    save_text_classifier,
)
from tinybert_tf.checkpoints.keras_hub import (
    from_keras_hub,
    masked_lm_from_keras_hub,
    text_classifier_from_keras_hub,
    tokenizer_from_keras_hub,
)
from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    load_classifier,
    load_plain_encoder,
    load_tokenizer,
)
from tinybert_tf.checkpoints.presets import save_preset

__all__ = [
    "WeightsConfig",
    "from_keras_hub",
    "load_classifier",
    "load_encoder",
    "load_masked_lm",
    "load_plain_encoder",
    "load_span_classifier",
    "load_text_classifier",
    "load_tokenizer",
    "masked_lm_from_keras_hub",
    "save_preset",
    "save_text_classifier",
    "text_classifier_from_keras_hub",
    "tokenizer_from_keras_hub",
]
