"""A new head that begins as a linear model of what its encoder says already.

Kumar et al. (arXiv 2202.10054): a random head pulls good features out of shape before it knows
anything, so it is fitted first, and then everything is fine-tuned.
"""

import keras
import numpy as np
from scipy import optimize

from tinybert_tf.data import EncodedExamples
from tinybert_tf.evaluation import TextPredictor
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.training import workers
from tinybert_tf.waiting import PassProgress

# More take longer and change little: a head has some thousand weights.
_MOST_EXAMPLES = 10_000
# How many examples it takes to outweigh the wish for small weights.
_PRIOR_EXAMPLES = 3.0
_MOST_STEPS = 200


def fit_new_head(model: BertTextClassifier, examples: EncodedExamples, seed: int) -> None:
    """Sets the head of a classifier to what fits the labels best on the pooled outputs.

    Args:
        model: `BertTextClassifier`. Its head is changed in place, its encoder is not.
        examples: `EncodedExamples`. The training set, of which 10,000 are taken at most.
        seed: int. Which ones.
    """
    rows = np.random.default_rng(seed).permutation(len(examples))[:_MOST_EXAMPLES]
    some = examples.take(np.sort(rows))
    encoder = model.backbone
    pool = TextPredictor(keras.Model(encoder.input, encoder.output["pooled_output"]))
    with PassProgress("teacher's new head", len(some)) as progress:
        features = pool(some, progress.advance).astype("float32")
    if model.num_classes == 1:
        kernel, bias = fit_linear(features, some.labels[:, None], is_regression=True)
    else:
        kernel, bias = fit_linear(features, np.eye(model.num_classes)[some.labels])
    model.output_dense.kernel.assign(kernel)
    model.output_dense.bias.assign(bias)
    workers.broadcast_weights(model.output_dense.weights)


def fit_linear(
    features: np.ndarray, targets: np.ndarray, is_regression: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Fits logistic regression over classes, or linear regression.

    Features are put on one scale, so that the penalty on large weights means the same for every
    encoder: that of `_PRIOR_EXAMPLES` examples.

    Args:
        features: float array [examples, width].
        targets: float array [examples, outputs]. Probabilities of the classes, or scores.
        is_regression: bool. Squared errors in place of cross entropy.

    Returns:
        kernel [width, outputs] and bias [outputs], float32.
    """
    count, outputs = targets.shape
    mean, scale = features.mean(0, dtype="float64"), max(float(features.std()), 1e-12)
    scaled = (features - mean) / scale

    def loss_and_gradient(flat):
        weights = flat.reshape(-1, outputs)
        kernel = weights[:-1]
        logits = scaled @ kernel + weights[-1]
        if is_regression:
            errors = logits - targets
            loss = 0.5 * np.square(errors).sum()
        else:
            shifted = logits - logits.max(1, keepdims=True)
            log_sums = np.log(np.exp(shifted).sum(1, keepdims=True))
            loss = log_sums.sum() - (shifted * targets).sum()
            errors = np.exp(shifted - log_sums) - targets
        loss += 0.5 * _PRIOR_EXAMPLES * np.square(kernel).sum()
        slope = scaled.T @ errors + _PRIOR_EXAMPLES * kernel
        gradient = np.vstack([slope, errors.sum(0)])
        return loss / count, gradient.ravel() / count

    found = optimize.minimize(
        loss_and_gradient,
        np.zeros((features.shape[1] + 1) * outputs),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_STEPS},
    )
    weights = found.x.reshape(-1, outputs)
    kernel = weights[:-1] / scale
    return kernel.astype("float32"), (weights[-1] - mean @ kernel).astype("float32")
