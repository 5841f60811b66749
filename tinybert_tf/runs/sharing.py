"""A run directory that several workers train in: the chief writes, the others follow."""

import contextlib
import copy
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import tensorflow as tf

from tinybert_tf.runs.config import AnyRunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.environment import PROGRAM
from tinybert_tf.training import resolve_precision, workers


class FollowedRun(RunDirectory):
    """The run directory as a worker has it that is not the chief: it writes nothing.

    What it adds to the results it keeps to itself. It is what the chief adds to the file.

    Args:
        path: str or path.
        results: dict. What the chief's `results.json` holds.
    """

    def __init__(self, path: str | os.PathLike, results: dict):
        super().__init__(path)
        self._results = results

    def read_results(self) -> dict:
        """Returns the figures so far."""
        return copy.deepcopy(self._results)

    def add_results(self, **figures) -> dict:
        """Adds figures and returns all of them."""
        self._results |= copy.deepcopy(figures)
        return self.read_results()

    def record_command(self, seed: int, program: str = PROGRAM) -> None:
        """Leaves that to the chief."""

    def log(self, stage: str, step: int, values: dict) -> None:
        """Leaves that to the chief."""


@contextlib.contextmanager
def sharing_run(
    config: AnyRunConfig, opening: Callable[[], AbstractContextManager[RunDirectory]]
) -> Iterator[RunDirectory]:
    """Yields the run directory that the chief opens; silences the other workers.

    Args:
        config: `AnyRunConfig`.
        opening: callable. Makes or finds the directory, as a context manager.

    Raises:
        TinyBertError: if the chief cannot open it, a worker does not see it, or the workers
            were started with different configs or versions.
        WorkerLostError: if a worker is lost.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(workers.reporting_lost_workers())
        workers.check_alike("what was started", _describe_start(config))
        opened: list[RunDirectory] = []
        workers.on_chief(lambda: opened.append(stack.enter_context(opening())))
        results = workers.broadcast(opened[0].read_results() if opened else None)
        run = opened[0] if opened else FollowedRun(config.run_directory, results)
        workers.check_alike(f"the run directory {run.path}", run.config_file.exists())
        if not workers.is_chief():
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield run
        workers.barrier()


def _describe_start(config: AnyRunConfig) -> list:
    # `auto` is what the processor makes of it.
    return [config.to_dict(), resolve_precision(config.precision), tf.__version__]
