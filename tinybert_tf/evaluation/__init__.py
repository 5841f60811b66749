"""How good a model is: metrics, an evaluator a kind of task, what models say of examples."""

from tinybert_tf.evaluation.answers import (
    AnsweredQuestion,
    compare_answers,
    find_worse_answers,
    read_answers,
    save_answers,
)
from tinybert_tf.evaluation.attention_maps import (
    AttentionMaps,
    choose_texts,
    compute_attention_maps,
    read_attention_maps,
    save_attention_maps,
)
from tinybert_tf.evaluation.evaluator import Evaluator
from tinybert_tf.evaluation.glue_metrics import METRICS, compute_metrics
from tinybert_tf.evaluation.label_order import find_better_order
from tinybert_tf.evaluation.predictions import (
    Predictions,
    answers_of,
    find_student_errors,
    read_predictions,
    save_predictions,
)
from tinybert_tf.evaluation.span_evaluator import SpanEvaluator, SpanPredictor, span_metrics
from tinybert_tf.evaluation.spans import SpanAnswer, SpanPrediction, decode_spans
from tinybert_tf.evaluation.squad_metrics import squad_v1_metrics, squad_v2_metrics
from tinybert_tf.evaluation.text_evaluator import TextEvaluator, TextPredictor

__all__ = [
    "METRICS",
    "AnsweredQuestion",
    "AttentionMaps",
    "Evaluator",
    "Predictions",
    "SpanAnswer",
    "SpanEvaluator",
    "SpanPrediction",
    "SpanPredictor",
    "TextEvaluator",
    "TextPredictor",
    "answers_of",
    "choose_texts",
    "compare_answers",
    "compute_attention_maps",
    "compute_metrics",
    "decode_spans",
    "find_better_order",
    "find_student_errors",
    "find_worse_answers",
    "read_answers",
    "read_attention_maps",
    "read_predictions",
    "save_answers",
    "save_attention_maps",
    "save_predictions",
    "span_metrics",
    "squad_v1_metrics",
    "squad_v2_metrics",
]
