"""From inputs to a corpus: each part of the inputs becomes shards of its own.

What a part becomes is a function of its text and the options alone, so it does not matter
where, in which order and how often the parts are worked on.
"""

import contextlib
import functools
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from tinybert_tf.corpus._documents import Document, Part, held_out, read_documents
from tinybert_tf.corpus._packing import Packer
from tinybert_tf.corpus._shards import FORMAT, ShardWriter, Summary
from tinybert_tf.corpus.options import (
    SPLITS,
    CorpusOptions,
    Counts,
    Header,
    Manifest,
    SplitTotals,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.resumable import Piece, ResumableDirectory
from tinybert_tf.tokenization import BertTokenizer

# Text that is cut into tokens at once.
_TOKENIZED_BYTES = 1 << 18


class PartWriter:
    """Turns parts of the inputs into shards; the same part gives the same bytes wherever it is.

    Args:
        directory: str. The corpus' directory.
        options: `CorpusOptions`.
        vocabulary: list of str. The tokens, ordered by id.
        settings: dict. What `BertTokenizer.settings` returns.
    """

    def __init__(
        self, directory: str, options: CorpusOptions, vocabulary: list[str], settings: dict
    ):
        self._directory = directory
        self._options = options
        tokenizer, self._tokenize = _tokenizer_and_graph(
            tuple(vocabulary), json.dumps(settings)
        )
        self._packer = Packer(options, tokenizer)

    def write(self, piece: Piece) -> Summary:
        """Writes the shards of a part, and at last its summary, which it returns."""
        try:
            summary = self._write_part(piece.number, piece.content)
        except TinyBertError as error:
            # Raised, it would be tried again by some runners and wrapped by all.
            summary = Summary(error=str(error))
        FORMAT.write_summary(self._directory, piece.number, summary)
        return summary

    def _write_part(self, part_number: int, part: Part) -> Summary:
        # How much text a gzip file holds shows only when it is read, so it is divided then.
        limit = self._options.shard_bytes if part.kind == "gzip" else math.inf
        summary = Summary()
        runs = _divide(read_documents(part), limit, lambda document: document.size)
        for number, documents in enumerate(runs):
            written = self._write_shards(documents, f"{part_number:05d}-{number:03d}")
            summary = Summary(
                counts=summary.counts + written.counts, shards=summary.shards + written.shards
            )
        return summary

    def _write_shards(self, documents: Iterable[Document], name: str) -> Summary:
        documents_read, paragraphs_read, text_bytes = 0, 0, 0
        with contextlib.ExitStack() as stack:
            writers = {
                split: stack.enter_context(
                    ShardWriter(self._directory, f"{split}-{name}.tfrecord", split)
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


# Shared by writers of one process: threads of Beam, or one corpus after the other.
@functools.lru_cache(maxsize=1)
def _tokenizer_and_graph(
    vocabulary: tuple[str, ...], settings: str
) -> tuple[BertTokenizer, Callable]:
    tokenizer = BertTokenizer(list(vocabulary), **json.loads(settings))
    # As a graph it takes half the time.
    signature = [tf.TensorSpec((None,), tf.string)]
    return tokenizer, tf.function(tokenizer.tokenize, input_signature=signature)


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


class Corpus(ResumableDirectory):
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
        if not parts:
            raise _no_text(header)
        self._tokenizer = tokenizer
        super().__init__(FORMAT, directory, header, parts)

    def writer_arguments(self) -> dict:
        """Returns the arguments of the `PartWriter` that does the parts."""
        return {
            "directory": self.directory,
            "options": self.header.options,
            "vocabulary": self._tokenizer.get_vocabulary(),
            "settings": self._tokenizer.settings(),
        }

    def total_bytes(self) -> int:
        """Returns about the bytes of the inputs."""
        return sum(part.size for _, part in self.pieces)

    def finished_bytes(self) -> int:
        """Returns about the bytes of the inputs that are done."""
        return sum(part.size for _, part in self.summarized())

    def write_manifest(self) -> Manifest:
        """Writes the manifest out of the summaries.

        Raises:
            TinyBertError: if a part failed or is not done, or there is no text in all the
                inputs.
        """
        errors = [summary.error for summary in self.summaries().values() if summary.error]
        if errors:
            raise TinyBertError("\n".join(errors))
        return super().finish(functools.partial(make_manifest, self.header))


def run_in_process(corpus: Corpus) -> None:
    """Does what is to be done, one part after the other, up to the first that fails."""
    writer = PartWriter(**corpus.writer_arguments())
    for piece in corpus.open_pieces():
        if writer.write(piece).error:
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
    write_on_beam(make_writer, corpus.open_pieces(), options)


def make_manifest(header: Header, summaries: Sequence[Summary]) -> Manifest:
    """Adds up what came of the parts.

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
