"""Weights in and out: Hugging Face layout, Google's and Huawei's, KerasHub, Model Garden."""

from tinybert_tf import backend  # noqa: F401 - before Keras is imported
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
    save_keras_hub_classifier,
    text_classifier_from_keras_hub,
    tokenizer_from_keras_hub,
)
from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    load_classifier,
    load_plain_encoder,
    load_tokenizer,
)
from tinybert_tf.checkpoints.model_garden import (
    from_model_garden,
    save_model_garden_classifier,
)
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.checkpoints.teachers import load_teacher, load_teacher_encoder

__all__ = [
    "WeightsConfig",
    "from_keras_hub",
    "from_model_garden",
    "load_classifier",
    "load_encoder",
    "load_masked_lm",
    "load_plain_encoder",
    "load_span_classifier",
    "load_teacher",
    "load_teacher_encoder",
    "load_text_classifier",
    "load_tokenizer",
    "masked_lm_from_keras_hub",
    "save_keras_hub_classifier",
    "save_model_garden_classifier",
    "save_preset",
    "save_text_classifier",
    "text_classifier_from_keras_hub",
    "tokenizer_from_keras_hub",
]
