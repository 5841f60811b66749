"""The processes that train one model together: which one this is, and what they agree on.

TensorFlow knows one cluster a process, that of `TF_CONFIG`, from the start of the process to
its end; so do these functions. Where none was joined there is one worker, which is the chief.

All workers do the same in the same order: each variable that is made under the strategy, and
each batch, is an exchange between all of them. What may turn out differently, such as whether a
file is there, the chief tells the others (`broadcast`). Files and the terminal are the chief's.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.errors import TinyBertError, shown

_VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_TYPES = ("chief", "worker")
# What collective operations end in, or what waits for them, when a process is there no more.
_SIGNS = (
    *(tf.errors.UnavailableError, tf.errors.AbortedError),
    *(tf.errors.CancelledError, tf.errors.DeadlineExceededError),
)


class WorkerLostError(TinyBertError):
    """Another worker is there no more, so that nothing can go on."""

    # EX_TEMPFAIL of sysexits.h: the same command again, on all workers, goes on.
    exit_code = 75


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers, and which of them this process is.

    Args:
        rank: int. From 0, the chief.
        size: int. How many workers there are.
    """

    rank: int
    size: int


class _Joined(NamedTuple):
    cluster: Cluster
    strategy: tf.distribute.Strategy


_ALONE = _Joined(Cluster(0, 1), None)
_joined = _ALONE


def read_cluster(tf_config: str) -> Cluster:
    """Reads what `TF_CONFIG` says.

    Args:
        tf_config: str. JSON; empty if the variable is not set.

    Raises:
        TinyBertError: if it does not name workers and which of them this process is.
    """
    if not tf_config:
        raise _unusable("is not set")
    try:
        content = json.loads(tf_config)
        tasks, task = content["cluster"], content["task"]
        counts = {kind: len(addresses) for kind, addresses in tasks.items() if addresses}
        kind, index = task["type"], int(task["index"])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _unusable(f"is {shown(tf_config)}") from error
    others = [name for name in counts if name not in _TYPES]
    if others:
        raise _unusable(
            f"has tasks of type '{others[0]}'. Every process computes and holds the whole "
            "model: there are no parameter servers and no evaluators"
        )
    if counts.get("chief", 0) > 1 or not 0 <= index < counts.get(kind, 0):
        raise _unusable(f"has no place for task {index} of type {shown(kind)} in {counts}")
    first = 0 if kind == "chief" else counts.get("chief", 0)
    return Cluster(first + index, sum(counts.values()))


def _unusable(fault: str) -> TinyBertError:
    return TinyBertError(
        f"strategy is multi_worker, and the environment variable {_VARIABLE} {fault}. It names "
        f"the workers and which of them this process is: {_VARIABLE}='{_EXAMPLE}'; see "
        "docs/distributed.md."
    )


def join_workers() -> tf.distribute.Strategy:
    """Waits for the workers that `TF_CONFIG` names; returns the strategy of all of them.

    Called again, it returns the same.

    Raises:
        TinyBertError: if `TF_CONFIG` cannot be used, or TensorFlow has computed something.
        WorkerLostError: if the others do not come.
    """
    global _joined
    if _joined is _ALONE:
        cluster = read_cluster(os.environ.get(_VARIABLE, ""))
        print(f"worker {cluster.rank} of {cluster.size}: waiting for all of them", flush=True)
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise TinyBertError(
                f"The workers can be joined before TensorFlow has done anything, not now: "
                f"{error}. Make the strategy first, and one in a process."
            ) from error
        except tf.errors.OpError as error:
            # A process that was started again while those of before are ending, for instance.
            raise WorkerLostError(
                f"The workers did not come together: {shown(error.message)}. Start all of them "
                "again with --resume."
            ) from error
        _joined = _Joined(cluster, strategy)
    return _joined.strategy


def worker_count() -> int:
    """Returns how many workers there are."""
    return _joined.cluster.size


def is_chief() -> bool:
    """Tells whether this worker is the one that writes."""
    return _joined.cluster.rank == 0


# === Agreeing ===


def _sum_over_workers(values: np.ndarray) -> np.ndarray:
    """Returns the sum of what the workers have: float32 arrays of one shape."""
    # Of several devices of a worker, the first has its values.
    own = iter([values])
    parts = _joined.strategy.experimental_distribute_values_from_function(
        lambda _: tf.constant(next(own, np.zeros_like(values)))
    )
    return _joined.strategy.reduce("SUM", parts, axis=None).numpy()


def _from_chief(values: np.ndarray) -> np.ndarray:
    return _sum_over_workers(values if is_chief() else np.zeros_like(values))


def broadcast(value: Any) -> Any:
    """Returns the chief's value on all workers; they wait for each other.

    Args:
        value: what JSON can hold. That of another worker than the chief does not matter.
    """
    if worker_count() == 1:
        return value
    # float32 is what every device and every way between them adds up.
    own = np.frombuffer(json.dumps(value).encode(), "uint8").astype("float32")
    size = int(_from_chief(np.array(own.size, "float32")))
    content = _from_chief(np.resize(own, size))
    return json.loads(content.astype("uint8").tobytes())


def barrier() -> None:
    """Waits until all workers are here."""
    broadcast(None)


def broadcast_weights(variables: Iterable[keras.Variable]) -> None:
    """Assigns the chief's values to variables on all workers.

    Args:
        variables: iterable of floating point `keras.Variable`, in the same order everywhere.
    """
    if worker_count() == 1:
        return
    for variable in variables:
        values = keras.ops.convert_to_numpy(variable).astype("float32")
        variable.assign(_from_chief(values))


def check_alike(what: str, value: Any) -> None:
    """Looks whether all workers have the chief's value; they wait for each other.

    Args:
        what: str. The name of the value, for the message.
        value: what JSON can hold.

    Raises:
        TinyBertError: on all workers, if it is another one on some.
    """
    if worker_count() == 1:
        return
    rank = _joined.cluster.rank
    differs = np.zeros(worker_count(), "float32")
    differs[rank] = broadcast(value) != json.loads(json.dumps(value))
    others = np.flatnonzero(_sum_over_workers(differs)).tolist()
    if others:
        raise TinyBertError(
            f"{what[0].upper()}{what[1:]} must be the same on all workers; worker"
            f"{'s' * (len(others) > 1)} {', '.join(map(str, others))} had another than worker "
            "0. Start all with the same command, versions and files, and a run_directory that "
            "all of them see."
        )


# === What the chief does ===


def on_chief(function: Callable, *arguments) -> None:
    """Calls a function on the chief, for which the others wait; its mistake is one of all.

    Args:
        function: callable. It makes no variables under the strategy.
        *arguments: what it is called with.

    Raises:
        TinyBertError: what it raised, or on the other workers its message.
    """
    failure = None
    if is_chief():
        try:
            function(*arguments)
        except (TinyBertError, OSError) as error:
            failure = error
    message = broadcast(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if message is not None:
        raise TinyBertError(f"worker 0: {message}")


@contextlib.contextmanager
def chief_first() -> Iterator[None]:
    """What is inside is done by the chief, and then by the others."""
    if not is_chief():
        barrier()
    yield
    if is_chief():
        barrier()


@contextlib.contextmanager
def reporting_lost_workers() -> Iterator[None]:
    """Makes what TensorFlow says when another worker is gone one message.

    Raises:
        WorkerLostError: in the place of it.
    """
    try:
        yield
    except Exception as error:
        # Where weights are made, workers speak too: it may be told as a fault of the file.
        causes: list[BaseException] = [error]
        while causes[-1].__cause__ is not None:
            causes.append(causes[-1].__cause__)
        if worker_count() == 1 or not any(isinstance(cause, _SIGNS) for cause in causes):
            raise
        raise WorkerLostError(
            "A worker was lost, and what the others have done since the last state. Start all "
            "of them again with --resume."
        ) from error
