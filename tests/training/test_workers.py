"""Which worker a process is, and what several agree on."""

import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.training import fitting, workers
from tinybert_tf.training.workers import Cluster, WorkerLostError, read_cluster


def tf_config(kind="worker", index=0, **counts):
    addresses = {name: [f"host{i}:1" for i in range(n)] for name, n in counts.items()}
    return json.dumps({"cluster": addresses, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("content", "rank", "size"),
    [
        (tf_config(worker=1), 0, 1),
        (tf_config(index=2, worker=3), 2, 3),
        (tf_config("chief", chief=1, worker=2), 0, 3),
        # Behind the chief.
        (tf_config(index=0, chief=1, worker=2), 1, 3),
        (tf_config(index=1, chief=1, worker=2), 2, 3),
        # As some schedulers write it.
        (tf_config(worker=2, ps=0).replace(": 0", ': "0"'), 0, 2),
    ],
)
def test_rank_and_size(content, rank, size):
    assert read_cluster(content) == Cluster(rank, size)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "TF_CONFIG is not set"),
        ("{", "TF_CONFIG is '{'"),
        ("[]", r"TF_CONFIG is '\[\]'"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG is"),
        (tf_config(index=2, worker=2), "no place for task 2 of type 'worker'"),
        (tf_config(index=-1, worker=2), "no place for task -1"),
        (tf_config("chief", worker=2), "no place for task 0 of type 'chief'"),
        (tf_config(chief=2, worker=1), "no place for task 0"),
        (tf_config(worker=2, ps=1), "tasks of type 'ps'.*no parameter servers"),
        (tf_config("evaluator", worker=2, evaluator=1), "no evaluators"),
    ],
)
def test_a_cluster_that_is_none(content, message):
    with pytest.raises(TinyBertError, match=message) as caught:
        read_cluster(content)
    assert '"task": {"type": "worker", "index": 0}' in str(caught.value)


def test_one_alone_is_the_chief_and_waits_for_nobody():
    assert workers.is_chief() and workers.worker_count() == 1
    value = {"a": (1, 2)}
    assert workers.broadcast(value) is value
    workers.barrier()
    workers.check_alike("this", object())
    with workers.chief_first():
        done = []
        workers.on_chief(done.append, 1)
    assert done == [1]
    with pytest.raises(TinyBertError, match=r"^no$"):
        workers.on_chief(refuse, "no")


def refuse(message):
    raise TinyBertError(message)


class Others:
    """A strategy in which the other workers' values are known beforehand, sum by sum."""

    def __init__(self, *values):
        self.values = [np.asarray(value, "float32") for value in values]

    def experimental_distribute_values_from_function(self, function):
        # Two devices, of which the first has the worker's values.
        return [function(None), function(None)]

    def reduce(self, operation, values, axis):
        assert (operation, axis) == ("SUM", None)
        return tf.add_n([*values, self.values.pop(0)])


@pytest.fixture
def join(monkeypatch):
    """A function that makes this process one of several."""

    def join(rank, size, *values):
        others = Others(*values)
        monkeypatch.setattr(workers, "_joined", workers._Joined(Cluster(rank, size), others))
        return others

    return join


def sent(value):
    """The two sums in which the chief's value comes to the others."""
    codes = list(json.dumps(value).encode())
    return len(codes), codes


def test_the_chiefs_value_comes_to_the_others(join):
    value = {"dev": {"accuracy": 0.1, "f1": float(np.float32(1 / 3))}, "names": ["ä", None]}
    join(1, 2, *sent(value))
    assert not workers.is_chief()
    assert workers.broadcast("mine, of another length") == value


def test_the_chief_keeps_its_value(join):
    others = join(0, 2, 0, np.zeros(len('{"a": [1, 2]}')))
    assert workers.broadcast({"a": (1, 2)}) == {"a": [1, 2]}
    assert not others.values


def test_weights_become_the_chiefs(join):
    variables = [keras.Variable([1.5, -2.0]), keras.Variable(np.ones((2, 1)), dtype="bfloat16")]
    join(1, 2, [0.1, 7.0], [[3.0], [4.0]])
    workers.broadcast_weights(variables)
    assert [np.ravel(v).astype("float32").tolist() for v in variables] == [
        np.array([0.1, 7.0], "float32").tolist(),
        [3.0, 4.0],
    ]


def test_what_differs_is_refused_on_all_workers(join):
    # Of four, the fourth has another value, as the second, this one, has.
    join(1, 4, *sent(["a", 1]), [0.0, 0.0, 0.0, 1.0])
    with pytest.raises(TinyBertError, match=r"^The config must be .* workers 1, 3 had another"):
        workers.check_alike("the config", ["a", 2])


def test_what_is_alike_is_not(join):
    others = join(1, 2, *sent(["a", 1]), [0.0, 0.0])
    workers.check_alike("the config", ("a", 1))
    assert not others.values


def test_a_mistake_on_the_chief_ends_the_others(join):
    join(1, 2, *sent("there is no file"))
    with pytest.raises(TinyBertError, match=r"^worker 0: there is no file$"):
        workers.on_chief(pytest.fail)


def test_what_a_lost_worker_looks_like(join):
    lost = tf.errors.UnavailableError(None, None, "unhealthy")
    with pytest.raises(tf.errors.UnavailableError), workers.reporting_lost_workers():
        raise lost
    join(1, 2)
    with (
        pytest.raises(WorkerLostError, match="again with --resume") as caught,
        workers.reporting_lost_workers(),
    ):
        raise lost
    assert caught.value.exit_code == 75
    # It went while a preset was loaded, which is told as a fault of the preset.
    with pytest.raises(WorkerLostError), workers.reporting_lost_workers():
        raise TinyBertError("The preset cannot be loaded") from lost
    with pytest.raises(tf.errors.ResourceExhaustedError), workers.reporting_lost_workers():
        raise tf.errors.ResourceExhaustedError(None, None, "memory")
    with pytest.raises(TinyBertError, match="damaged"), workers.reporting_lost_workers():
        raise TinyBertError("damaged") from OSError("damaged")


@pytest.mark.parametrize(("rank", "asked"), [(0, 1), (1, 0)])
def test_the_chief_alone_stops_at_a_signal(join, rank, asked):
    """It saves first, in a step that needs the others."""
    join(rank, 2)
    stage = types.SimpleNamespace(check_loss=lambda *_: None, total_steps=9)
    progress = types.SimpleNamespace(update=lambda *_: None)
    calls = []
    callback = fitting._StageCallback(
        stage,
        progress,
        first_step=0,
        evaluation_steps=(),
        save_seconds=60.0,
        stop_if_asked=calls.append,
    )
    callback.on_train_batch_end(0, {"loss": 1.0})
    assert len(calls) == asked
