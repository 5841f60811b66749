"""How good a model is: metrics, an evaluator a kind of task, what models say of examples."""

from tinybert_tf.evaluation.evaluator import Evaluator
from tinybert_tf.evaluation.glue_metrics import METRICS, compute_metrics
from tinybert_tf.evaluation.span_evaluator import SpanEvaluator, SpanPredictor
from tinybert_tf.evaluation.spans import SpanAnswer, SpanPrediction, decode_spans
from tinybert_tf.evaluation.squad_metrics import squad_v1_metrics, squad_v2_metrics
from tinybert_tf.evaluation.text_evaluator import TextEvaluator, TextPredictor

__all__ = [
    "METRICS",
    "Evaluator",
    "SpanAnswer",
    "SpanEvaluator",
    "SpanPrediction",
    "SpanPredictor",
    "TextEvaluator",
    "TextPredictor",
    "compute_metrics",
    "decode_spans",
    "squad_v1_metrics",
    "squad_v2_metrics",
]
