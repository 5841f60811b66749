"""Trains one distiller in a fresh process, alone or split; what the tests of replicas run.

A process can have only one set of logical devices and one strategy, so every way to train is
a process of its own: `python replicas_program.py alone|mirrored|worker OUTPUT.npz`.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.distillation import PREDICTION, Stage, TinyBertDistiller
from tinybert_tf.models import BertEncoder, BertSpanClassifier, BertTextClassifier
from tinybert_tf.models._replicas import OverWorkers
from tinybert_tf.training.optimizers import ClippingTogether, LossScaleOptimizer

ALL_TERMS = Stage("all", attention=0.5, hidden=2.0, embedding=3.0, prediction=0.25)
# The halves of the first batch differ by far in their numbers of tokens, and the second
# batch has one row: a replica gets none.
LENGTHS = [8, 8, 8, 7, 2, 3, 2, 2, 6]


class ClippingSGD(ClippingTogether, keras.optimizers.SGD):
    pass


def make_examples():
    random = np.random.default_rng(3)
    total = sum(LENGTHS)
    return EncodedExamples(
        token_ids=random.integers(1, 20, total).astype("int32"),
        segment_ids=random.integers(0, 2, total).astype("int32"),
        row_splits=np.concatenate([[0], np.cumsum(LENGTHS)]),
        labels=random.integers(0, 3, len(LENGTHS)).astype("int32"),
        pad_token_id=0,
    )


def make_classifier(num_layers, hidden_dim, seed):
    encoder = BertEncoder(
        20, num_layers, 2, hidden_dim, 2 * hidden_dim, dropout=0.0, max_sequence_length=8
    )
    model = BertTextClassifier(encoder, 3, dropout=0.0)
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        near = 1.0 if "gamma" in variable.path else 0.0
        variable.assign(near + random.normal(0.0, 0.2, variable.shape))
    return model


def make_distiller(optimizer):
    distiller = TinyBertDistiller(make_classifier(1, 8, seed=1), make_classifier(2, 12, seed=2))
    kernel = np.random.default_rng(4).normal(0.0, 0.3, (8, 12))
    for projection in distiller.projections:
        projection.kernel.assign(kernel)
    distiller.compile(optimizer, stage=ALL_TERMS, metrics=["accuracy"])
    return distiller


def make_span_distiller():
    """Of the same encoders, with random heads for spans."""
    pair = [make_classifier(1, 8, seed=1), make_classifier(2, 12, seed=2)]
    student, teacher = [BertSpanClassifier(model.backbone) for model in pair]
    random = np.random.default_rng(5)
    for weight in student.span_dense.weights + teacher.span_dense.weights:
        weight.assign(random.normal(0.0, 0.5, weight.shape))
    distiller = TinyBertDistiller(student, teacher)
    distiller.compile(keras.optimizers.SGD(0.1), stage=PREDICTION)
    return distiller


class OneWeight(OverWorkers, keras.Sequential):
    pass


def make_overflow():
    """A model of one weight, and a batch whose last row has a gradient beyond float32."""
    model = OneWeight([keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.build((None, 1))
    optimizer = LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=8.0)
    model.compile(optimizer, loss="mse")
    rows = np.array([[1.0], [1.0], [1.0], [1e30]], "float32")
    return model, tf.data.Dataset.from_tensors((rows, np.zeros((4, 1), "float32")))


def values(model):
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])


class Logs(keras.callbacks.Callback):
    """Keeps what `fit` reports after each batch."""

    def on_train_begin(self, logs=None):
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append({k: float(np.squeeze(v)) for k, v in logs.items()})


def fit(distiller, dataset):
    logs = Logs()
    history = distiller.fit(dataset, verbose=0, callbacks=[logs]).history
    names = sorted(history)
    return {
        "names": names,
        "epoch": [history[name][0] for name in names],
        "batches": [[batch[name] for name in names] for batch in logs.batches],
    }


def main(kind, output):
    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    elif kind == "worker":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.get_strategy()
    with strategy.scope():
        distiller = make_distiller(keras.optimizers.SGD(0.1))
        # A length of 1 is far below that of these gradients.
        clipping_distiller = make_distiller(ClippingSGD(0.1, global_clipnorm=1.0))
        span_distiller = make_span_distiller()
        classifier = make_classifier(1, 8, seed=6)
        classifier.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        overflowing, overflow = make_overflow()
    teacher = values(distiller.teacher)
    results = {"replicas": strategy.num_replicas_in_sync}
    examples = make_examples()
    start = distiller.get_weights()
    dataset = BucketedBatches(examples, tokens_per_batch=64).dataset()
    results["step"] = fit(distiller, dataset.take(1))["epoch"]
    results["step_weights"] = values(distiller)
    distiller.set_weights(start)
    results |= fit(distiller, dataset)
    results["weights"] = values(distiller)
    results["teacher_moved"] = np.abs(values(distiller.teacher) - teacher).max()
    fit(clipping_distiller, dataset.take(1))
    results["clipped_weights"] = values(clipping_distiller)
    results["start"] = np.concatenate([np.ravel(weight) for weight in start])
    results["span_step"] = fit(span_distiller, dataset.take(1))["epoch"]
    results["span_weights"] = values(span_distiller.student)
    classifier.fit(dataset, verbose=0)
    results["classifier_weights"] = values(classifier)
    overflowing.fit(overflow, verbose=0)
    results["overflow"] = [*values(overflowing), overflowing.optimizer.dynamic_scale.numpy()]
    np.savez(output, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
