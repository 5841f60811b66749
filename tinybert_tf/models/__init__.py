"""BERT that shows its inside: encoder, classifier, span classifier and masked LM."""

from tinybert_tf import backend  # noqa: F401 - before Keras is imported
from tinybert_tf.models.architectures import ARCHITECTURES
from tinybert_tf.models.bert_encoder import POOLINGS, BertEncoder, encoder_of
from tinybert_tf.models.bert_layers import (
    MASK_BIAS,
    BertSelfAttention,
    BertTransformerLayer,
    gelu_tanh,
)
from tinybert_tf.models.bert_masked_lm import BertMaskedLM
from tinybert_tf.models.bert_span_classifier import BertSpanClassifier
from tinybert_tf.models.bert_text_classifier import BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

# How KerasHub finds the tokenizer and preprocessor that belong to a preset's backbone.
BertTokenizer.backbone_cls = BertPreprocessor.backbone_cls = BertEncoder

__all__ = [
    "ARCHITECTURES",
    "MASK_BIAS",
    "POOLINGS",
    "BertEncoder",
    "BertMaskedLM",
    "BertSelfAttention",
    "BertSpanClassifier",
    "BertTextClassifier",
    "BertTransformerLayer",
    "encoder_of",
    "gelu_tanh",
]
