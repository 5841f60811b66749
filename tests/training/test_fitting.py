"""Killed fits go on to the same weights; the best ones and every figure are kept."""

import json
import os
import shutil
import signal
import types

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tinybert_tf.data import BucketedBatches, EncodedExamples, Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import TextEvaluator
from tinybert_tf.interrupts import Interrupted, raising_interrupts
from tinybert_tf.runs import RunDirectory
from tinybert_tf.training import (
    Checkpoints,
    FitConfig,
    OptimizerConfig,
    StageFit,
    averaged_weights,
    make_optimizer,
)

TASK = Task("binary", ("text",), "label", ("no", "yes"), None, ("matthews", "accuracy"))
EPOCHS, STEPS_PER_EPOCH = 3, 4


class Killed(Exception):
    """Stands for what ends a process."""


class ScriptedEvaluator(TextEvaluator):
    """Gives the scores it was told to, and remembers the weights it gave them to."""

    task = TASK

    def __init__(self, model, scores):
        self.model = model
        self.scores = list(scores)
        self.scored = []

    def score(self):
        self.scored.append(self.model.get_weights())
        return {"matthews": self.scores[len(self.scored) - 1], "accuracy": 0.5}


def make_batches():
    """32 examples of 5 tokens: 8 rows, padded to 8 tokens, in each of 4 batches."""
    random = np.random.default_rng(0)
    encoded = EncodedExamples(
        token_ids=random.integers(1, 20, 32 * 5).astype("int32"),
        segment_ids=np.zeros(32 * 5, "int32"),
        row_splits=np.arange(33) * 5,
        labels=random.integers(0, 2, 32).astype("int32"),
        pad_token_id=0,
    )
    batches = BucketedBatches(encoded, tokens_per_batch=64, seed=1)
    assert batches.steps_per_epoch == STEPS_PER_EPOCH
    return batches


def make_model(seed, precision="float32"):
    keras.utils.set_random_seed(seed)
    names = ("token_ids", "segment_ids", "padding_mask")
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
    x = keras.layers.Embedding(20, 6, dtype=precision)(inputs["token_ids"])
    x = keras.layers.Dropout(0.4)(keras.layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, keras.layers.Dense(2, dtype=precision)(x))


def make_stage(
    directory, *, seed=1, scores=(0.0,) * 9, averaging=0.9, precision="float32", eagerly=True
):
    model = make_model(seed, precision)
    config = FitConfig(EPOCHS, OptimizerConfig(0.05, averaging=averaging))
    optimizer = make_optimizer(config.optimizer, EPOCHS * STEPS_PER_EPOCH, precision)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False, run_eagerly=eagerly)
    run = RunDirectory(directory)
    directory.mkdir(exist_ok=True)
    evaluator = ScriptedEvaluator(model, scores)
    return StageFit(
        "stage",
        model,
        batches=make_batches(),
        evaluator=evaluator,
        config=config,
        run=run,
        save_minutes=60.0,
    )


def kill_after(stage, step):
    """Saves after every step, and dies after one of them."""
    save = stage.save

    def save_and_die(now):
        save(now)
        if now == step:
            raise Killed

    stage.save = save_and_die
    stage.save_minutes = 0.0


def everything(model):
    values = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
    return values + [v.numpy() for v in model.variables if v.name == "seed_generator_state"]


def assert_all_equal(values, expected):
    assert len(values) == len(expected) > 0
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A stage that nobody kills, traced as runs are."""
    stage = make_stage(tmp_path_factory.mktemp("whole"), eagerly=False)
    return types.SimpleNamespace(stage=stage, start=stage.model.get_weights(), dev=stage.fit())


def test_a_killed_stage_ends_at_the_same_weights(whole, tmp_path):
    """Killed in the second of three epochs, averaging, gone on with by another process."""
    killed = make_stage(tmp_path, eagerly=False)
    kill_after(killed, 6)
    with pytest.raises(Killed):
        killed.fit()
    assert sorted(killed.checkpoints.states()) == [5, 6]

    resumed = make_stage(tmp_path, seed=99, eagerly=False)
    assert not np.array_equal(resumed.model.get_weights()[0], whole.start[0])
    assert resumed.fit() == whole.dev
    assert_all_equal(everything(resumed.model), everything(whole.stage.model))
    # Epochs two and three.
    assert len(resumed.evaluator.scored) == 2

    # What the whole stage ended with it also gives to the next one after it was done.
    again = make_stage(tmp_path, seed=98)
    assert again.fit() == whole.dev
    assert not again.evaluator.scored
    assert_all_equal(again.model.get_weights(), whole.stage.model.get_weights())


def test_a_killed_stage_in_float16_ends_at_the_same_weights(tmp_path):
    """The optimizer, whose loss is scaled, has another within."""
    whole, killed, resumed = (
        make_stage(tmp_path / name, seed=seed, precision="mixed_float16")
        for name, seed in (("whole", 1), ("killed", 1), ("killed", 99))
    )
    dev = whole.fit()
    assert isinstance(whole.model.optimizer, keras.optimizers.LossScaleOptimizer)
    kill_after(killed, 6)
    with pytest.raises(Killed):
        killed.fit()
    assert resumed.fit() == dev
    assert_all_equal(everything(resumed.model), everything(whole.model))
    assert np.abs(whole.model.get_weights()[0] - killed.model.get_weights()[0]).max() > 0.01


def test_a_stage_killed_after_its_last_state_has_all_figures(whole, tmp_path):
    killed = make_stage(tmp_path)
    kill_after(killed, EPOCHS * STEPS_PER_EPOCH)
    with pytest.raises(Killed):
        killed.fit()

    make_stage(tmp_path, seed=99).fit()
    results = [stage.run.read_results()["stage"] for stage in (killed, whole.stage)]
    assert results[0].keys() == results[1].keys() >= {"best_dev", "best_step", "seconds"}


def test_the_start_of_a_stage_may_stay_its_best(tmp_path):
    stage = make_stage(tmp_path, scores=[0.5, 0.1, 0.5, -0.2])
    start = stage.model.get_weights()
    stage.keep(0, stage.evaluator.score())
    assert not stage.has_begun()
    stage.fit()
    assert not np.array_equal(stage.model.get_weights()[0], start[0])
    stage.load_best()
    assert_all_equal(stage.model.get_weights(), start)
    figures = stage.run.read_results()["stage"]
    assert (figures["best_step"], figures["step"]) == (0, 12)
    assert figures["dev"]["matthews"] == -0.2


def test_a_stage_leaves_the_averaged_weights(whole):
    """They are the ones scored last, and are not those of the last step."""
    assert_all_equal(whole.stage.model.get_weights(), whole.stage.evaluator.scored[-1])
    with h5py.File(whole.stage.checkpoints.states()[EPOCHS * STEPS_PER_EPOCH]) as file:
        last_step = {}
        file["layers"].visititems(lambda name, item: last_step.update({name: item}))
        kernels = [v[()] for v in last_step.values() if getattr(v, "shape", 0) == (6, 2)]
    assert len(kernels) == 1
    assert not np.array_equal(kernels[0], whole.stage.model.get_weights()[1])


def test_a_state_is_kept_of_the_end_and_one_before(whole, tmp_path):
    """By the clock: where no minute has gone by, the end is all there is."""
    often = make_stage(tmp_path)
    often.save_minutes = 0.0
    often.fit()
    for stage, steps in ((whole.stage, [12]), (often, [11, 12])):
        names = {path.name for path in stage.run.checkpoints.iterdir()}
        states = {f"stage.{step}.weights.h5" for step in steps}
        assert names == states | {"stage.best.weights.h5", "hashes.json"}


def test_a_stage_killed_behind_a_score_is_scored_so_again(whole, tmp_path):
    """Its last state is of step 3, its last score of step 8."""
    killed = make_stage(tmp_path, eagerly=False)

    def save_once_and_die(step, values):
        if step == 3:
            killed.save(3)
        if step == 9:
            raise Killed

    killed.check_loss = save_once_and_die
    with pytest.raises(Killed):
        killed.fit()
    assert list(killed.checkpoints.states()) == [3] and len(killed.evaluator.scored) == 2

    resumed = make_stage(tmp_path, seed=99, eagerly=False)
    assert resumed.fit() == whole.dev
    assert len(resumed.evaluator.scored) == 3
    assert_all_equal(everything(resumed.model), everything(whole.stage.model))
    results = [stage.run.read_results()["stage"] for stage in (resumed, whole.stage)]
    assert [{**figures, "seconds": 0} for figures in results] == 2 * [
        {**results[1], "seconds": 0}
    ]


def test_figures_of_a_fit(whole):
    figures = whole.stage.run.read_results()["stage"]
    assert figures["dev"] == figures["best_dev"] == {"matthews": 0.0, "accuracy": 0.5}
    # The first of equals is the best.
    assert (figures["best_step"], figures["step"]) == (4, 12)
    assert figures["seconds"] > 0.0
    lines = (whole.stage.run.path / "metrics.jsonl").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in lines]
    assert [line["step"] for line in lines if "dev_matthews" in line] == [4, 8, 12]
    assert [line["step"] for line in lines if "loss" in line][-1] == 12


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.0, 0.0, 0.0], 0), ([-0.5, -0.2, -0.4], 1), ([-0.1, 0.0, 0.7], 2), ([0.3, 0.1], 0)],
)
def test_the_best_weights_come_back(tmp_path, scores, best):
    stage = make_stage(tmp_path, scores=scores, averaging=0.0)
    stage.model.optimizer.build(stage.model.trainable_variables)
    for step in range(1, len(scores) + 1):
        for weight in stage.model.trainable_variables:
            weight.assign(keras.ops.full(weight.shape, float(step)))
        stage.evaluate(step)
    stage.load_best()
    assert all(np.all(weight == best + 1) for weight in stage.model.get_weights())
    figures = stage.run.read_results()["stage"]
    assert figures["best_step"] == best + 1
    assert figures["best_dev"]["matthews"] == scores[best]
    assert figures["dev"]["matthews"] == scores[-1]


def test_a_new_state_replaces_the_one_before_the_last_of_its_stage(tmp_path):
    stage = make_stage(tmp_path)
    stage.model.optimizer.build(stage.model.trainable_variables)
    stage.run.checkpoints.mkdir()
    other = stage.run.checkpoints / "another_stage.7.weights.h5"
    other.touch()
    for step, kept in ((1, [1]), (2, [1, 2]), (30, [2, 30])):
        stage.save(step)
        assert sorted(stage.checkpoints.states()) == kept
    assert {path.name for path in stage.run.checkpoints.iterdir()} == {
        other.name,
        *("stage.2.weights.h5", "stage.30.weights.h5", "hashes.json"),
    }
    hashes = json.loads((stage.run.checkpoints / "hashes.json").read_text("utf-8"))
    assert hashes.keys() >= {"stage.2.weights.h5", "stage.30.weights.h5"}


def test_averaged_weights_go_back():
    weight, bias = keras.Variable([1.0, 2.0], name="kernel"), keras.Variable([5.0], name="bias")
    config = OptimizerConfig(0.5, warmup=0.0, decay="constant", weight_decay=0.0, averaging=0.5)
    optimizer = make_optimizer(config, 10, "float32")
    optimizer.build([weight, bias])
    gradients = [tf.constant([1.0, -1.0]), tf.constant([0.0])]
    # Adam's steps are as long as the learning rate while the gradient stays the same: after
    # them the weights are [0.5, 2.5], then [0, 3].
    optimizer.apply_gradients(zip(gradients, [weight, bias], strict=True))
    optimizer.apply_gradients(zip(gradients, [weight, bias], strict=True))
    with averaged_weights(optimizer):
        # The average starts with the first weights it sees.
        np.testing.assert_allclose(weight.numpy(), [0.25, 2.75], atol=1e-3)
    np.testing.assert_allclose(weight.numpy(), [0.0, 3.0], atol=1e-3)


def test_weights_decay_but_not_biases_and_norms():
    names = ("kernel", "embeddings", "bias", "gamma", "beta")
    variables = [keras.Variable([1.0], name=name) for name in names]
    config = OptimizerConfig(0.1, warmup=0.0, decay="constant", weight_decay=0.5)
    optimizer = make_optimizer(config, 10, "float32")
    optimizer.apply_gradients([(tf.constant([0.0]), variable) for variable in variables])
    # 1 - learning rate * weight decay.
    values = [variable.numpy()[0] for variable in variables]
    assert values == pytest.approx([0.95, 0.95, 1.0, 1.0, 1.0])


def test_logged_values_are_lines_and_events(tmp_path):
    run = RunDirectory(tmp_path)
    run.log("first", 3, {"loss": 0.5, "accuracy": 0.25})
    run.log("first", 7, {"loss": 0.125})
    run.log("second", 7, {"loss": -2.0})

    lines = (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in lines]
    assert all(line.pop("time") > 1.7e9 for line in lines)
    assert lines == [
        {"stage": "first", "step": 3, "loss": 0.5, "accuracy": 0.25},
        {"stage": "first", "step": 7, "loss": 0.125},
        {"stage": "second", "step": 7, "loss": -2.0},
    ]

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    values = {
        tag: [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in found]
        for tag in events.Tags()["tensors"]
        for found in [events.Tensors(tag)]
    }
    assert values == {
        "first/loss": [(3, 0.5), (7, 0.125)],
        "first/accuracy": [(3, 0.25)],
        "second/loss": [(7, -2.0)],
    }


# === What ends a stage before its end ===


def at_step(stage, step, do):
    """Does something within a step of the training."""
    train_step, count = stage.model.train_step, iter(range(1, 100))

    def counting(data):
        if next(count) == step:
            do()
        return train_step(data)

    stage.model.train_step = counting


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state_after_its_step(number, tmp_path, capfd):
    stage = make_stage(tmp_path)
    at_step(stage, 2, lambda: os.kill(os.getpid(), number))
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, raising_interrupts():
        stage.fit()
    assert caught.value.exit_code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert f"{number.name}: the state is saved after this step" in capfd.readouterr().err
    assert signal.getsignal(number) is handler
    assert list(stage.checkpoints.states()) == [2]
    expected = everything(stage.model)
    resumed = make_stage(tmp_path, seed=99)
    resumed.model.optimizer.build(resumed.model.trainable_variables)
    assert resumed.checkpoints.restore(resumed.model) == 2
    assert_all_equal(everything(resumed.model), expected)


def test_a_second_signal_does_not_wait(tmp_path):
    stage = make_stage(tmp_path)
    at_step(stage, 2, lambda: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)])
    with pytest.raises(KeyboardInterrupt):
        stage.fit()
    assert not stage.has_begun()


def test_a_loss_that_is_no_number_ends_the_stage(tmp_path):
    stage = make_stage(tmp_path)
    stage.save_minutes = 0.0
    weight = stage.model.trainable_variables[0]
    at_step(stage, 7, lambda: weight.assign(weight * np.inf))
    expected = (
        r"stage, step 7 of 12: loss is (nan|inf)\. The state after step 6 is kept\. A lower "
    )
    with pytest.raises(TinyBertError, match=expected):
        stage.fit()
    assert sorted(stage.checkpoints.states()) == [5, 6]
    for line in (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_weights_that_are_no_numbers_are_neither_scored_nor_saved(tmp_path):
    """The loss of the step before was one: they came with its gradient."""
    stage = make_stage(tmp_path)
    stage.save_minutes = 0.0
    variable = stage.model.trainable_variables[1]
    train_step = stage.model.train_step

    def breaking(data):
        logs = train_step(data)
        if int(stage.model.optimizer.iterations) == 8:
            variable.assign(variable * np.nan)
        return logs

    stage.model.train_step = breaking
    with pytest.raises(TinyBertError, match=r"step 8 of 12: .*kernel has values that are no"):
        stage.fit()
    assert sorted(stage.checkpoints.states()) == [6, 7] and len(stage.evaluator.scored) == 1


# === Damaged files ===


def flip(path, at=-100):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def killed_directory(tmp_path_factory):
    stage = make_stage(tmp_path_factory.mktemp("killed"))
    kill_after(stage, 6)
    with pytest.raises(Killed):
        stage.fit()
    return stage.run.path


@pytest.fixture
def checkpoints(killed_directory, tmp_path):
    """Those after steps 5 and 6 of a killed stage, in `tmp_path`."""
    shutil.copytree(killed_directory, tmp_path, dirs_exist_ok=True)
    return Checkpoints(tmp_path / "checkpoints", "stage")


def test_of_a_damaged_state_the_one_before_is_taken(checkpoints, tmp_path, capsys):
    flip(checkpoints.states()[6])
    stage = make_stage(tmp_path, seed=99)
    assert checkpoints.restore(stage.model) == 5
    printed = capsys.readouterr().out
    assert "stage.6.weights.h5 is damaged" in printed and "goes on from step 5." in printed
    assert list(checkpoints.states()) == [5]


def test_a_damaged_state_of_before_there_were_hashes(checkpoints, tmp_path, capsys):
    (checkpoints.folder / "hashes.json").write_text("{", "utf-8")
    newest = checkpoints.states()[6]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert checkpoints.restore(make_stage(tmp_path, seed=99).model) == 5
    assert "stage.6.weights.h5 cannot be loaded (" in capsys.readouterr().out


def test_only_damaged_states(checkpoints, tmp_path):
    for path in checkpoints.states().values():
        flip(path)
    expected = r"stage\.6\.\S+ is damaged.*stage\.5\.\S+ is damaged.* Remove \S+stage\.\*, and"
    with pytest.raises(TinyBertError, match=expected):
        make_stage(tmp_path, seed=99).fit()
    assert sorted(checkpoints.states()) == [5, 6]


def test_for_damaged_best_weights_there_are_others(checkpoints, tmp_path, capsys):
    """Known before the stage trains on, and scored with the state's average."""
    flip(checkpoints.best)
    stage = make_stage(tmp_path, seed=99, scores=[-1.0, -2.0, -3.0])
    stage.fit()
    assert "The best weights are now those of step 6." in capsys.readouterr().out
    assert stage.run.read_results()["stage"]["best_step"] == 6
    stage.load_best()
    assert_all_equal(stage.model.get_weights(), stage.evaluator.scored[0])
