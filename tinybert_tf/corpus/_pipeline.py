"""From inputs to a corpus: each part of the inputs becomes shards of its own.

What a part becomes is a function of its text and the options alone, so it does not matter
where, in which order and how often the parts are worked on.
"""

import contextlib
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tinybert_tf.corpus import _shards
from tinybert_tf.corpus._documents import Document, Part, held_out, read_documents
from tinybert_tf.corpus._packing import Packer
from tinybert_tf.corpus.options import (
    SPLITS,
    CorpusOptions,
    Counts,
    Header,
    Manifest,
    Shard,
    SplitTotals,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.file_systems import (
    find_fault,
    read_json,
    remove_partial_files,
    to_json,
    write_json,
)
from tinybert_tf.tokenization import BertTokenizer

_HEADER = "unfinished.json"
_SUMMARIES = "summaries"
# Text that is cut into tokens at once.
_TOKENIZED_BYTES = 1 << 18


@dataclasses.dataclass(frozen=True)
class Task:
    """A part of the inputs to be written by a worker.

    Args:
        number: int. Of the part, from 0.
        part: `Part`.
    """

    number: int
    part: Part


@pydantic_dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of a task: its shards, or why there are none."""

    counts: Counts = Counts()
    shards: tuple[Shard, ...] = ()
    error: str = ""


class PartWriter:
    """Turns parts of the inputs into shards; the same part gives the same bytes wherever it is.

    Args:
        directory: str. The corpus' directory.
        options: `CorpusOptions`.
        vocabulary: list of str. The tokens, ordered by id.
        lowercase: bool.
    """

    def __init__(
        self, directory: str, options: CorpusOptions, vocabulary: list[str], lowercase: bool
    ):
        self._directory = directory
        self._options = options
        tokenizer = BertTokenizer(vocabulary, lowercase)
        self._packer = Packer(options, tokenizer)
        # As a graph it takes half the time.
        self._tokenize = tf.function(
            tokenizer.tokenize, input_signature=[tf.TensorSpec((None,), tf.string)]
        )

    def write(self, task: Task) -> Summary:
        """Writes the shards of a task, and at last its summary, which it returns."""
        try:
            summary = self._write_part(task)
        except TinyBertError as error:
            # Raised, it would be tried again by some runners and wrapped by all.
            summary = Summary(error=str(error))
        tf.io.gfile.makedirs(f"{self._directory}/{_SUMMARIES}")
        write_json(_summary_path(self._directory, task), summary)
        return summary

    def _write_part(self, task: Task) -> Summary:
        # How much text a gzip file holds shows only when it is read, so it is divided then.
        limit = self._options.shard_bytes if task.part.kind == "gzip" else math.inf
        summary = Summary()
        runs = _divide(read_documents(task.part), limit, lambda document: document.size)
        for number, documents in enumerate(runs):
            written = self._write_shards(documents, f"{task.number:05d}-{number:03d}")
            summary = Summary(
                counts=summary.counts + written.counts, shards=summary.shards + written.shards
            )
        return summary

    def _write_shards(self, documents: Iterable[Document], name: str) -> Summary:
        documents_read, paragraphs_read, text_bytes = 0, 0, 0
        with contextlib.ExitStack() as stack:
            writers = {
                split: stack.enter_context(
                    _shards.ShardWriter(self._directory, f"{split}-{name}.tfrecord", split)
                )
                for split in SPLITS
            }
            for document, paragraphs in self._tokenized(documents):
                documents_read += 1
                paragraphs_read += len(paragraphs)
                text_bytes += document.size
                is_held_out = held_out(document.digest, self._options.held_out)
                writer = writers["held_out" if is_held_out else "train"]
                for sequence in self._packer.pack(paragraphs, document.digest):
                    writer.write(sequence)
            written = [writer.shard() for writer in writers.values()]
        return Summary(
            counts=Counts(
                documents=documents_read, paragraphs=paragraphs_read, text_bytes=text_bytes
            ),
            shards=tuple(shard for shard in written if shard),
        )

    def _tokenized(
        self, documents: Iterable[Document]
    ) -> Iterator[tuple[Document, list[np.ndarray]]]:
        """Yields documents with the ids of their paragraphs that have any."""
        for run in _divide(documents, _TOKENIZED_BYTES, lambda document: document.size):
            batch = list(run)
            token_ids = self._token_ids(itertools.chain(*(d.paragraphs for d in batch)))
            for document in batch:
                paragraphs = itertools.islice(token_ids, len(document.paragraphs))
                yield document, [paragraph for paragraph in paragraphs if len(paragraph)]

    def _token_ids(self, paragraphs: Iterable[bytes]) -> Iterator[np.ndarray]:
        # Divided again, as one document may be large.
        for run in _divide(paragraphs, _TOKENIZED_BYTES, len):
            ragged = self._tokenize(tf.constant(list(run)))
            yield from np.split(ragged.values.numpy(), ragged.row_splits.numpy()[1:-1])


def _divide(items: Iterable, size: float, size_of: Callable) -> Iterator[Iterator]:
    """Divides items into runs of about a size."""
    begins_at = 0

    def run_number(item) -> float:
        nonlocal begins_at
        number = begins_at // size
        begins_at += size_of(item)
        return number

    return (run for _, run in itertools.groupby(items, run_number))


# === A corpus ===


class Corpus:
    """A corpus in the making: its directory, and what is still to be done.

    Args:
        directory: str.
        header: `Header`.
        parts: list of `Part`.
        tokenizer: `BertTokenizer`.

    Raises:
        TinyBertError: if the directory holds something else than this corpus or a part of it,
            or there is nothing to read.
    """

    def __init__(self, directory: str, header: Header, parts: Sequence[Part], tokenizer):
        self.directory = directory.rstrip("/")
        self.header = header
        self.tasks = [Task(number, part) for number, part in enumerate(parts)]
        self._tokenizer = tokenizer
        if not self.tasks:
            raise _no_text(header)
        self._check_directory()

    def writer_arguments(self) -> dict:
        """Returns the arguments of the `PartWriter` that does the tasks."""
        return {
            "directory": self.directory,
            "options": self.header.options,
            "vocabulary": self._tokenizer.get_vocabulary(),
            "lowercase": self._tokenizer.lowercase,
        }

    def open_tasks(self) -> list[Task]:
        """Returns the tasks that are not done, or failed, or whose shards are gone."""
        return [task for task in self.tasks if not self._is_done(task)]

    def finished_bytes(self) -> int:
        """Returns about the bytes of the inputs that are done."""
        names = set(self._summary_names())
        return sum(t.part.size for t in self.tasks if _summary_name(t) in names)

    def manifest(self) -> Manifest | None:
        """Returns that of the finished corpus; `None` while there is something to do."""
        return _shards.read_manifest(self.directory) if self._has_manifest() else None

    def finish(self) -> Manifest:
        """Writes the manifest out of the summaries.

        Raises:
            TinyBertError: if a task failed or is not done, or there is no text in all the
                inputs.
        """
        summaries = [summary for task in self.tasks if (summary := self._summary(task))]
        errors = [summary.error for summary in summaries if summary.error]
        if errors:
            raise TinyBertError("\n".join(errors))
        missing = len(self.tasks) - len(summaries)
        if missing:
            # A runner need not wait for its workers.
            raise TinyBertError(
                f"{self.directory}: {missing} of {len(self.tasks)} parts are not done yet. "
                "When no worker is at them any more, give the same command again."
            )
        manifest = make_manifest(self.header, summaries)
        write_json(f"{self.directory}/{_shards.MANIFEST}", manifest)
        tf.io.gfile.rmtree(f"{self.directory}/{_SUMMARIES}")
        tf.io.gfile.remove(f"{self.directory}/{_HEADER}")
        return manifest

    def _summary_names(self) -> list[str]:
        folder = f"{self.directory}/{_SUMMARIES}"
        return tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []

    def _summary(self, task: Task) -> Summary | None:
        path = _summary_path(self.directory, task)
        if not tf.io.gfile.exists(path):
            return None
        return read_json(path, Summary, _shards.WAY_OUT)

    def _is_done(self, task: Task) -> bool:
        summary = self._summary(task)
        if summary is None or summary.error:
            return False
        return not any(find_fault(f"{self.directory}/{s.name}", s.size) for s in summary.shards)

    def _has_manifest(self) -> bool:
        return tf.io.gfile.exists(f"{self.directory}/{_shards.MANIFEST}")

    def _check_directory(self) -> None:
        tf.io.gfile.makedirs(self.directory)
        unfinished = f"{self.directory}/{_HEADER}"
        if self._has_manifest():
            theirs = _shards.read_manifest(self.directory).header
        elif tf.io.gfile.exists(unfinished):
            theirs = read_json(unfinished, Header, _shards.WAY_OUT)
        elif tf.io.gfile.listdir(self.directory):
            raise TinyBertError(
                f"{self.directory} is not empty and holds no corpus. Name another --output."
            )
        else:
            theirs = self.header
            write_json(unfinished, self.header)
        if theirs != self.header:
            raise TinyBertError(
                f"{self.directory} holds another corpus: "
                f"{_first_difference(to_json(theirs), to_json(self.header))}. "
                "Name another --output, or remove this one."
            )
        remove_partial_files(self.directory)


def run_in_process(corpus: Corpus) -> None:
    """Does what is to be done, one part after the other, up to the first that fails."""
    writer = PartWriter(**corpus.writer_arguments())
    for task in corpus.open_tasks():
        if writer.write(task).error:
            return


def run_on_beam(corpus: Corpus, options: Sequence[str]) -> None:
    """Does what is to be done on the workers of Apache Beam.

    Args:
        corpus: `Corpus`.
        options: sequence of str. See `write_on_beam`.

    Raises:
        TinyBertError: if Beam does not take the options.
    """
    # Late, as Beam is an extra.
    from tinybert_tf.beam import write_on_beam

    make_writer = functools.partial(PartWriter, **corpus.writer_arguments())
    write_on_beam(make_writer, corpus.open_tasks(), options)


def make_manifest(header: Header, summaries: Sequence[Summary]) -> Manifest:
    """Adds up what the tasks wrote.

    Raises:
        TinyBertError: if that is nothing.
    """
    written = tuple(shard for summary in summaries for shard in summary.shards)
    if not any(shard.split == "train" for shard in written):
        raise _no_text(header)
    length = header.options.sequence_length
    return Manifest(
        header=header,
        counts=functools.reduce(Counts.__add__, (s.counts for s in summaries), Counts()),
        totals={
            split: SplitTotals.of([s for s in written if s.split == split], length)
            for split in SPLITS
        },
        shards=written,
    )


def _no_text(header: Header) -> TinyBertError:
    names = ", ".join(source.name for source in header.inputs[:3])
    return TinyBertError(
        f"There is no text to train on in {names}. Expected one paragraph a line, blank lines "
        "between documents, of which --held_out leaves some."
    )


def _first_difference(theirs: dict, ours: dict, key: str = "") -> str:
    for name, value in ours.items():
        if theirs[name] != value:
            where = f"{key}.{name}" if key else name
            if isinstance(value, dict):
                return _first_difference(theirs[name], value, where)
            if isinstance(value, list):
                return f"its {where} are others, or have changed"
            return f"its {where} is {theirs[name]}, here it is {value}"
    raise AssertionError("there is no difference")


def _summary_name(task: Task) -> str:
    return f"{task.number:05d}.json"


def _summary_path(directory: str, task: Task) -> str:
    return f"{directory}/{_SUMMARIES}/{_summary_name(task)}"
