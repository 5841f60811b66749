"""Compares a converted file with its Keras model; one that differs is never written."""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy.special import softmax

from tinybert_tf.data import EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import _flatbuffer
from tinybert_tf.export.conversion import is_span_classifier
from tinybert_tf.export.profiles import Profile
from tinybert_tf.export.runtime import TfliteModel

_BYTES = {"float32": 4, "float16": 2, "int8": 1, "product": 1 / 4}
# What a graph and the small tensors that no profile quantizes may take, for each length.
_GRAPH_BYTES = 400_000


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What running a file on real examples showed, against the Keras model.

    Args:
        examples: int. How many were run.
        max_difference: float. The largest difference of an output; of start and end logits,
            of the probabilities over a text's tokens that they stand for.
        mean_difference: float.
        label_agreement: float or `None`. Share of examples with the same label, or the same
            start and end; `None` for regression.
        keras_metrics: dict. Of the Keras model.
        metrics: dict. Of the file.
        operators: dict. How often each TFLite operator stands in the file.
        minimum_runtime: str. The oldest TensorFlow Lite that runs them, such as `"2.9.0"`.
    """

    examples: int
    max_difference: float
    mean_difference: float
    label_agreement: float | None
    keras_metrics: dict[str, float]
    metrics: dict[str, float]
    operators: dict[str, int]
    minimum_runtime: str


def compare_with_keras(
    content: bytes,
    model,
    encoded: EncodedExamples,
    expected: dict[str, np.ndarray],
    profile: Profile,
    *,
    score: Callable | None = None,
    best_metric: float = 1.0,
) -> Comparison:
    """Runs a TFLite file on real examples and compares it with the Keras model.

    Spans that are scored are judged by their score and the mean difference: a model in doubt
    has many that are as good, and among thousands of texts one where it takes another.

    Args:
        content: bytes. The file.
        model: the Keras model that was converted.
        encoded: `EncodedExamples`. No longer than the file's longest length.
        expected: dict. What `keras_outputs` returns for them.
        profile: `Profile`. Of the file; decides on the tolerances.
        score: function of labels and outputs that returns the task's metrics, the one to
            judge by first; or `None`. Outputs are an array [examples, outputs], or of spans a
            dict of `start_logits` and `end_logits`, each [examples, tokens of the longest].
        best_metric: float. What that metric is without errors: 1, or 100 of percent.

    Raises:
        TinyBertError: if the file is hollow, has an operator of no known runtime, or differs
            from the model more than its profile allows.
    """
    runner = TfliteModel(content)
    operators = runner.operators()
    _check_content(content, operators, model, profile, len(runner.signatures))
    predictions = runner.predict(encoded)
    ours, theirs = (_comparable(o, encoded.lengths) for o in (predictions, expected))
    differences = np.concatenate([np.abs(ours[k] - theirs[k]).ravel() for k in theirs])
    result = Comparison(
        examples=len(encoded),
        max_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        label_agreement=_agreement(ours, theirs),
        keras_metrics=_score(score, encoded, expected),
        metrics=_score(score, encoded, predictions),
        operators=operators,
        minimum_runtime=_minimum_runtime(content),
    )
    is_scored_span = score is not None and is_span_classifier(model)
    judged = result
    if is_scored_span:
        judged = dataclasses.replace(result, label_agreement=None, max_difference=0.0)
    _check_result(judged, profile, best_metric)
    return result


def _comparable(outputs: dict, lengths: np.ndarray) -> dict:
    """Returns outputs with logits of tokens as probabilities, 0 at padding.

    What is added to all logits of a text makes no other answer.
    """
    is_token = np.arange(lengths.max()) < lengths[:, None]
    return {
        name: softmax(np.where(is_token, values, -np.inf), axis=-1)
        if name.endswith("_logits")
        else values
        for name, values in outputs.items()
    }


def _agreement(predictions: dict, expected: dict) -> float | None:
    if "score" in expected:
        return None
    same = [predictions[k].argmax(-1) == expected[k].argmax(-1) for k in expected]
    return float(np.mean(np.all(same, axis=0)))


def _score(score, encoded: EncodedExamples, outputs: dict) -> dict[str, float]:
    if score is None:
        return {}
    values = outputs if len(outputs) > 1 else next(iter(outputs.values()))
    return {name: float(value) for name, value in score(encoded.labels, values).items()}


def _minimum_runtime(content: bytes) -> str:
    try:
        return _flatbuffer.minimum_runtime(_flatbuffer.parse(content))
    except KeyError as error:
        raise TinyBertError(
            f"The converted file holds an operator, or a version of one ({error}), that an "
            "exported BERT has not had before, so the runtime that it needs is unknown. "
            "Nothing was written."
        ) from error


def _check_content(content: bytes, operators: dict, model, profile: Profile, graphs: int):
    """Catches hollow files: a conversion may succeed and leave the weights out."""
    embedding = int(np.prod(model.backbone.token_embedding.embeddings.shape))
    others = model.count_params() - embedding
    expected = others * _BYTES[profile.weights] + embedding * _BYTES[profile.embedding]
    if not 0.8 * expected < len(content) < 1.3 * expected + _GRAPH_BYTES * graphs:
        raise TinyBertError(
            f"The converted file has {len(content):,} bytes; {model.count_params():,} weights "
            f"in profile {profile.name} want about {expected:,.0f}. The conversion went wrong; "
            "nothing was written."
        )
    layers = model.backbone.num_layers
    # Six dense layers a block; the head, and the pooler if there is one before it.
    has_pooler = model.backbone.pooling == "cls" and not is_span_classifier(model)
    heads = 1 + has_pooler
    wanted = {"BATCH_MATMUL": 2 * layers * graphs}
    wanted["FULLY_CONNECTED"] = (6 * layers + heads) * graphs
    found = {name: operators.get(name, 0) for name in wanted}
    stateful = [name for name in operators if "VAR" in name]
    if found != wanted or stateful:
        raise TinyBertError(
            f"The converted file holds {found}, a model of {layers} layers in {graphs} lengths "
            f"has {wanted}"
            + (f"; it also reads variables ({', '.join(stateful)})" if stateful else "")
            + ". The conversion went wrong; nothing was written."
        )


def _check_result(result: Comparison, profile: Profile, best_metric: float = 1.0) -> None:
    tolerance, problems = profile.tolerance, []
    if not result.max_difference <= tolerance.max_difference:
        problems.append(
            f"an output differs from Keras's by {result.max_difference:.6f}, at most "
            f"{tolerance.max_difference} is allowed"
        )
    if not result.mean_difference <= tolerance.mean_difference:
        problems.append(
            f"outputs differ from Keras's by {result.mean_difference:.6f} on average, at most "
            f"{tolerance.mean_difference} is allowed"
        )
    agreement = result.label_agreement
    if agreement is not None and agreement < tolerance.label_agreement:
        problems.append(
            f"{agreement:.1%} of {result.examples} examples get Keras's label, at least "
            f"{tolerance.label_agreement:.1%} should"
        )
    for name, value in list(result.metrics.items())[:1]:
        drop, allowed = result.keras_metrics[name] - value, tolerance.metric_drop * best_metric
        if drop > allowed:
            problems.append(
                f"{name} falls by {drop:.4f} to {value:.4f}, at most {allowed} is allowed"
            )
    if problems:
        raise TinyBertError(
            f"The {profile.name} file is not close enough to its Keras model: "
            f"{'; '.join(problems)}. Nothing was written. Try a milder profile (float16, "
            "float32), or one of your own with other tolerances."
        )
