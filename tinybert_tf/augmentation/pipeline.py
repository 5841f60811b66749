"""From examples to shards of copies: each range of examples becomes one, in any order."""

import contextlib
import dataclasses
import functools
import importlib.util
import operator
from collections.abc import Callable, Sequence

import tensorflow as tf
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
from rich.text import Text

from tinybert_tf.augmentation.augmenter import (
    AugmentationOptions,
    Augmenter,
    Statistics,
    check_texts,
)
from tinybert_tf.augmentation.shards import (
    MANIFEST,
    WAY_OUT,
    Header,
    Manifest,
    Shard,
    check_shard,
    make_header,
    read_manifest,
    write_shard,
)
from tinybert_tf.data import Examples, Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.file_systems import read_json, remove_partial_files, write_json

_HEADER = "unfinished.json"


@dataclasses.dataclass(frozen=True)
class AugmentationJob:
    """Examples to augment and what to do it with, for one process or many.

    Args:
        task: `Task`.
        directory: str. Where the shards go; every worker must reach it.
        read_examples: function that returns the `Examples`. The same ones everywhere.
        make_augmenter: function from `AugmentationOptions` to an `Augmenter`. It is only called
            where there is something left to do. For Beam both functions must be picklable.
        options: `AugmentationOptions`.
        sources: dict of str. What the augmenter is made of ("masked_lm": location, ...): a
            directory is not filled with the work of two.
        examples_per_shard: int. What a worker does at once, and what a killed run may lose.
    """

    task: Task
    directory: str
    read_examples: Callable[[], Examples]
    make_augmenter: Callable[[AugmentationOptions], Augmenter]
    options: AugmentationOptions
    sources: dict[str, str]
    examples_per_shard: int = 512


class ShardWorker:
    """Augments ranges of the examples; the same range gives the same bytes wherever it is."""

    def __init__(self, job: AugmentationJob, examples: Examples):
        self._job = job
        self._examples = examples
        self._augmenter = job.make_augmenter(job.options)

    def count(self, number: int) -> int:
        """Returns the number of examples of a shard."""
        return len(self._rows(number))

    def write(self, number: int) -> None:
        """Writes a shard, and at last its summary."""
        job = self._job
        copies, statistics = self._augmenter.augment(self._examples.take(self._rows(number)))
        name = f"augmented-{number:05d}.jsonl"
        shard = write_shard(job.directory, name, job.task, copies, statistics)
        write_json(_summary_path(job.directory, number), shard)

    def _rows(self, number: int) -> range:
        start = number * self._job.examples_per_shard
        return range(start, min(start + self._job.examples_per_shard, len(self._examples)))


def write_augmented(
    job: AugmentationJob, beam_options: Sequence[str] | None = None
) -> Manifest:
    """Augments the examples of a job and writes the copies, without the examples themselves.

    The directory is complete when it has its manifest. A run that was killed goes on with the
    shards that are missing; a finished one is left as it is.

    Args:
        job: `AugmentationJob`.
        beam_options: sequence of str or `None`. `None` works in this process; otherwise the
            options of an Apache Beam pipeline, such as `["--runner=FlinkRunner"]`. The shards
            are the same.

    Raises:
        TinyBertError: if the examples or models cannot be used, or the directory holds
            something else.
    """
    job = dataclasses.replace(job, directory=str(job.directory).rstrip("/"))
    examples = job.read_examples()
    if not len(examples):
        raise TinyBertError("There are no examples to augment.")
    check_texts(examples)
    if beam_options is not None and importlib.util.find_spec("apache_beam") is None:
        raise TinyBertError(
            "Apache Beam is not installed. Install the extra [beam], or leave the options of "
            "Beam out."
        )
    header = make_header(job.task, examples, job.options, job.sources, job.examples_per_shard)
    _check_directory(job.directory, header)
    if tf.io.gfile.exists(f"{job.directory}/{MANIFEST}"):
        return read_manifest(job.directory)
    missing = [n for n in range(header.num_shards) if not _is_done(job.directory, n)]
    if missing:
        # Made here for Beam as well: a mistake would come out of a runner in its own words.
        worker = ShardWorker(job, examples)
        if beam_options is None:
            _run_in_process(worker, missing, len(examples))
        else:
            # Late, as Beam is an extra.
            from tinybert_tf.beam import write_on_beam

            write_on_beam(functools.partial(_make_worker, job), missing, beam_options)
    return _finish(job.directory, header)


def _make_worker(job: AugmentationJob) -> ShardWorker:
    """Returns the worker of a process that has not read the examples."""
    return ShardWorker(job, job.read_examples())


class _SpeedColumn(ProgressColumn):
    def render(self, task):
        """Shows the speed, once it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} examples/s")


def _run_in_process(worker: ShardWorker, missing: Sequence[int], total: int) -> None:
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        _SpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        left = sum(map(worker.count, missing))
        bar = progress.add_task("augmenting", total=total, completed=total - left)
        for number in missing:
            worker.write(number)
            progress.advance(bar, worker.count(number))


def _check_directory(directory: str, header: Header) -> None:
    if tf.io.gfile.exists(directory) and not tf.io.gfile.isdir(directory):
        raise TinyBertError(f"{directory} is a file, expected a directory. Name another.")
    tf.io.gfile.makedirs(directory)
    theirs = None
    if tf.io.gfile.exists(f"{directory}/{MANIFEST}"):
        theirs = read_manifest(directory).header
    elif tf.io.gfile.exists(path := f"{directory}/{_HEADER}"):
        theirs = read_json(path, Header, WAY_OUT)
    elif tf.io.gfile.listdir(directory):
        raise TinyBertError(
            f"{directory} is not empty and holds no augmentation. Name another directory."
        )
    else:
        write_json(path, header)
    if theirs is not None and theirs != header:
        raise TinyBertError(
            f"{directory} holds another augmentation: {_first_difference(theirs, header)}. "
            "Name another directory, or remove it."
        )
    remove_partial_files(directory)


def _first_difference(theirs: Header, ours: Header) -> str:
    for name in (field.name for field in dataclasses.fields(Header)):
        there, now = getattr(theirs, name), getattr(ours, name)
        if there != now:
            return f"{name} was {there}, now it is {now}"
    return ""


def _is_done(directory: str, number: int) -> bool:
    path = _summary_path(directory, number)
    if tf.io.gfile.exists(path):
        # What was cut or changed is made again.
        with contextlib.suppress(TinyBertError):
            check_shard(directory, read_json(path, Shard, WAY_OUT))
            return True
    return False


def _finish(directory: str, header: Header) -> Manifest:
    """Writes the manifest out of the summaries."""
    paths = [_summary_path(directory, number) for number in range(header.num_shards)]
    missing = sum(not tf.io.gfile.exists(path) for path in paths)
    if missing:
        # A runner need not wait for its workers.
        raise TinyBertError(
            f"{directory}: {missing} of {len(paths)} shards are not written yet. When no "
            "worker is at them any more, give the same command again."
        )
    shards = tuple(read_json(path, Shard, WAY_OUT) for path in paths)
    statistics = functools.reduce(
        operator.add, (shard.statistics for shard in shards), Statistics()
    )
    manifest = Manifest(header=header, statistics=statistics, shards=shards)
    write_json(f"{directory}/{MANIFEST}", manifest)
    for path in [*paths, f"{directory}/{_HEADER}"]:
        tf.io.gfile.remove(path)
    return manifest


def _summary_path(directory: str, number: int) -> str:
    return f"{directory}/augmented-{number:05d}.json"
