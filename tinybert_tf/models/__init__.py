"""BERT that shows its inside: encoder, classifier, span classifier and masked LM."""

from tinybert_tf.models.bert_encoder import BertEncoder
from tinybert_tf.models.bert_layers import (
    MASK_BIAS,
    BertSelfAttention,
    BertTransformerLayer,
    gelu_tanh,
)
from tinybert_tf.models.bert_masked_lm import BertMaskedLM
from tinybert_tf.models.bert_span_classifier import BertSpanClassifier
from tinybert_tf.models.bert_text_classifier import BertTextClassifier
from tinybert_tf.models.presets import ARCHITECTURES

__all__ = [
    "ARCHITECTURES",
    "MASK_BIAS",
    "BertEncoder",
    "BertMaskedLM",
    "BertSelfAttention",
    "BertSpanClassifier",
    "BertTextClassifier",
    "BertTransformerLayer",
    "gelu_tanh",
]
