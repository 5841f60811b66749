"""From examples to shards of copies: each range of examples becomes one, in any order."""

import dataclasses
import functools
import importlib.util
import operator
from collections.abc import Callable, Sequence

from tinybert_tf.augmentation.augmenter import (
    AugmentationOptions,
    Augmenter,
    Statistics,
    check_texts,
)
from tinybert_tf.augmentation.shards import (
    FORMAT,
    Header,
    Manifest,
    Shard,
    make_header,
    write_shard,
)
from tinybert_tf.data import Examples, Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.resumable import Piece, ResumableDirectory
from tinybert_tf.waiting import PassProgress


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


class ShardWriter:
    """Augments ranges of the examples; the same range gives the same bytes wherever it is."""

    def __init__(self, job: AugmentationJob, examples: Examples):
        self._job = job
        self._examples = examples
        self._augmenter = job.make_augmenter(job.options)

    def write(self, piece: Piece) -> None:
        """Writes the shard of a range, and at last its summary."""
        job = self._job
        copies, statistics = self._augmenter.augment(self._examples.take(piece.content))
        name = f"augmented-{piece.number:05d}.jsonl"
        shard = write_shard(job.directory, name, job.task, copies, statistics)
        FORMAT.write_summary(job.directory, piece.number, shard)


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
    ranges = _divide(len(examples), job.examples_per_shard)
    work = ResumableDirectory(FORMAT, job.directory, header, ranges)
    if manifest := work.manifest():
        return manifest
    if missing := work.open_pieces():
        # Made here for Beam as well: a mistake would come out of a runner in its own words.
        writer = ShardWriter(job, examples)
        if beam_options is None:
            _run_in_process(writer, missing, len(examples))
        else:
            # Late, as Beam is an extra.
            from tinybert_tf.beam import write_on_beam

            write_on_beam(functools.partial(_make_writer, job), missing, beam_options)
    return work.finish(functools.partial(_make_manifest, header))


def _divide(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _make_writer(job: AugmentationJob) -> ShardWriter:
    """Returns the writer of a process that has not read the examples."""
    return ShardWriter(job, job.read_examples())


def _make_manifest(header: Header, shards: Sequence[Shard]) -> Manifest:
    statistics = functools.reduce(operator.add, (s.statistics for s in shards), Statistics())
    return Manifest(header=header, statistics=statistics, shards=tuple(shards))


def _run_in_process(writer: ShardWriter, missing: Sequence[Piece], total: int) -> None:
    left = sum(len(examples) for _, examples in missing)
    with PassProgress("augmenting", total, done=total - left) as progress:
        for piece in missing:
            writer.write(piece)
            progress.advance(len(piece.content))
