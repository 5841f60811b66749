"""The schedule of a stage: warm-up, decay, how it is saved; and the steps of the optimizer."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.training import OptimizerConfig, WarmupDecay, make_optimizer

THIRD, EIGHTH_TURN = 1e-3 / 3, math.sqrt(0.5)


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("linear", [1e-3, 7.5e-4, 5e-4, 2.5e-4, 1.25e-4]),
        ("cosine", [1e-3, 0.5e-3 * (1 + EIGHTH_TURN), 5e-4, 0.5e-3 * (1 - EIGHTH_TURN)]),
        ("constant", [1e-3, 1e-3, 1e-3, 1e-3, 1e-3]),
    ],
)
def test_ten_steps_of_which_two_warm_up(decay, expected):
    schedule = WarmupDecay(1e-3, total_steps=10, warmup_steps=2, decay=decay)
    assert rates(schedule, [0, 1]) == pytest.approx([THIRD, 2 * THIRD])
    steps = [2, 4, 6, 8, 9][: len(expected)]
    assert rates(schedule, steps) == pytest.approx(expected)


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_it_ends_at_zero_and_stays_there(decay):
    schedule = WarmupDecay(1e-3, total_steps=10, warmup_steps=2, decay=decay)
    assert rates(schedule, [10, 11, 50]) == pytest.approx([0.0, 0.0, 0.0], abs=1e-10)


def test_without_warmup_it_starts_at_its_peak():
    assert rates(WarmupDecay(0.5, total_steps=4), [0, 1, 3]) == [0.5, 0.375, 0.125]


def test_a_warmup_that_never_ends():
    schedule = WarmupDecay(1.0, total_steps=3, warmup_steps=3)
    assert rates(schedule, [0, 1, 2]) == pytest.approx([0.25, 0.5, 0.75])


def test_config_round_trip():
    schedule = WarmupDecay(2e-5, total_steps=7, warmup_steps=1, decay="cosine")
    copy = WarmupDecay.from_config(schedule.get_config())
    assert rates(copy, range(8)) == rates(schedule, range(8))


def trained(optimizer, steps=6, prepare=lambda gradient: gradient):
    """What becomes of a table of rows, some of them without a gradient, and of a bias."""
    random = np.random.default_rng(1)
    table = keras.Variable(random.normal(size=(9, 4)), name="table")
    bias = keras.Variable(np.zeros(4), name="bias")
    optimizer.build([table, bias])
    for _ in range(steps):
        rows, goals = random.integers(0, 6, 5), random.normal(size=(5, 4)).astype("float32")
        with tf.GradientTape() as tape:
            looked_up = tf.nn.embedding_lookup(table.value, rows) + bias.value
            loss = tf.reduce_sum(tf.square(looked_up - goals))
        gradients = tape.gradient(loss, [table.value, bias.value])
        gradients = [prepare(gradient) for gradient in gradients]
        optimizer.apply_gradients(zip(gradients, [table, bias], strict=True))
    return [variable.numpy() for variable in (table, bias)]


def test_steps_are_those_of_keras():
    """Which, of a table, clips by another norm, unless its gradient is no list of rows."""
    config = OptimizerConfig(learning_rate=0.1, warmup=0.0, decay="constant", weight_decay=0.2)
    theirs = keras.optimizers.AdamW(0.1, weight_decay=0.2, epsilon=1e-6, global_clipnorm=1.0)
    theirs.exclude_from_weight_decay(var_names=["bias"])
    ours = trained(make_optimizer(config, 6, "float32"))
    for own, expected in zip(ours, trained(theirs, prepare=tf.convert_to_tensor), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


def test_rows_of_one_token_are_clipped_as_their_sum():
    """Rows (3, 0) and (0, 4) of token 1 have the norm 5 together, and 0.5 of it is left."""
    config = OptimizerConfig(learning_rate=0.1, clip_norm=2.5)
    rows = tf.IndexedSlices(tf.constant([[3.0, 0.0], [0.0, 4.0]]), [1, 1], (3, 2))
    clipped = make_optimizer(config, 6, "float32")._clip_gradients([rows, tf.zeros(2)])
    np.testing.assert_allclose(clipped[0], [[0.0, 0.0], [1.5, 2.0], [0.0, 0.0]], rtol=1e-6)
