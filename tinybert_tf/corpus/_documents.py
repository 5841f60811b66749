"""Documents out of text files and TensorFlow Datasets, in parts that are read apart.

Of a text file, a line is a paragraph and blank lines stand between documents, or each line is a
document. Of JSON lines, a member of each line is one.
"""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import itertools
import json
import math
import os
import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from tinybert_tf.corpus.options import Input
from tinybert_tf.data.tfds import prepare_tfds, tfds_builder, tfds_scalar_dtype
from tinybert_tf.errors import TinyBertError, nearest_name

# Text of these sizes is a file of another kind: no line ends, or no blank lines.
MAX_PARAGRAPH_BYTES = 1_000_000
MAX_DOCUMENT_BYTES = 16_000_000
_READ_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_JSON_LINES = (".jsonl", ".ndjson")
# Of the files of a directory, those that are read.
_TEXT_FILES = (".txt", ".text", *_JSON_LINES)
# So many lines without a blank one are hardly one document.
_MANY_LINES = 20


class Document(NamedTuple):
    """A document's paragraphs, UTF-8, without blank ones; never empty."""

    paragraphs: list[bytes]

    @property
    def size(self) -> int:
        """Bytes of text."""
        return sum(map(len, self.paragraphs))

    @property
    def digest(self) -> int:
        """A hash of the text, below 2^64."""
        digest = hashlib.blake2b(b"\n".join(self.paragraphs), digest_size=8)
        return int.from_bytes(digest.digest(), "big")


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the inputs, read by itself.

    Args:
        kind: str. `"text"`, `"gzip"` or `"tfds"`.
        source: str. The file; of TensorFlow Datasets, the directory of the prepared set.
        start: int. The first byte; of TensorFlow Datasets, the number of this part.
        end: int. The first byte that is another's; of TensorFlow Datasets, the number of parts.
        size: int. About the bytes to be read.
        tfds_split: str.
        field: str. Of TensorFlow Datasets or JSON lines, what holds the text.
        document: str. What a document of a file is: `"paragraphs"`, `"line"` or `"json"`.
    """

    kind: Literal["text", "gzip", "tfds"]
    source: str
    start: int
    end: int
    size: int
    tfds_split: str = ""
    field: str = ""
    document: Literal["paragraphs", "line", "json"] = "paragraphs"


def held_out(document_digest: int, share: float) -> bool:
    """Tells whether a document is kept from training: of all documents, about this share."""
    return document_digest < share * 2**64


# === Files ===


def find_files(pattern: str) -> list[str]:
    """Returns the file of a path, a directory's text files or a glob's files, in order.

    Raises:
        TinyBertError: if there is none.
    """
    if tf.io.gfile.isdir(pattern):
        return _find_text_files(pattern)
    if tf.io.gfile.exists(pattern):
        return [pattern]
    paths = [path for path in sorted(tf.io.gfile.glob(pattern)) if not tf.io.gfile.isdir(path)]
    if not paths:
        raise TinyBertError(f"{pattern}: there is no such file.")
    return paths


def _find_text_files(directory: str) -> list[str]:
    paths = [
        os.path.join(folder, name)
        for folder, _, names in tf.io.gfile.walk(directory)
        for name in names
        if name.removesuffix(".gz").endswith(_TEXT_FILES) and not name.startswith(".")
    ]
    if not paths:
        raise TinyBertError(
            f"{directory} is a directory without files that end in {', '.join(_TEXT_FILES)} "
            f"(.gz behind or not). Name its files: '{directory}/*'."
        )
    return sorted(paths)


def is_one_document(path: str) -> int:
    """Returns how many lines a text file begins with that are one document, if they are many.

    Args:
        path: str.

    Returns:
        int. 0 if there is a blank line among the first ones, or the file has few lines.

    Raises:
        TinyBertError: if the file is no text.
    """
    if path.removesuffix(".gz").endswith(_JSON_LINES):
        return 0
    count = 0
    with contextlib.closing(_TextFile(path)) as file:
        while file.offset < _READ_BYTES and (line := file.next_line()):
            if not line.strip():
                return 0
            count += 1
    return count if count >= _MANY_LINES else 0


def split_file(
    path: str,
    shard_bytes: int,
    document: Literal["paragraphs", "line"] = "paragraphs",
    json_field: str = "text",
) -> tuple[Input, list[Part]]:
    """Divides a file at documents' ends.

    Args:
        path: str.
        shard_bytes: int. About the bytes of a part. A gzip file is one part: it can only be
            read from the beginning.
        document: str. See `CorpusOptions`.
        json_field: str. See `CorpusOptions`.

    Raises:
        TinyBertError: if the file is no text, or has lines or documents out of all measure.
    """
    size = tf.io.gfile.stat(path).length
    source = Input(name=path, size=size)
    part = functools.partial(Part, source=path, document=document)
    if path.removesuffix(".gz").endswith(_JSON_LINES):
        part = functools.partial(part, document="json", field=json_field)
    with contextlib.closing(_TextFile(path)) as file:
        # What is no text shows in its first line.
        file.next_line()
        if file.is_gzip:
            return source, [part(kind="gzip", start=0, end=size, size=size)]
        count = max(-(-size // shard_bytes), 1)
        is_of_paragraphs = part.keywords["document"] == "paragraphs"
        next_part = file.next_document if is_of_paragraphs else file.next_start
        starts = {next_part(size * i // count) for i in range(count)}
    bounds = sorted({*starts, size})
    return source, [
        part(kind="text", start=start, end=end, size=end - start)
        for start, end in itertools.pairwise(bounds)
    ]


class _RawFile(io.RawIOBase):
    """A file of any file system TensorFlow knows, for `io.BufferedReader`."""

    def __init__(self, path: str):
        self._file = tf.io.gfile.GFile(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _TextFile:
    """Lines of a text file, gzipped or not, checked one by one.

    Args:
        path: str.

    Attributes:
        is_gzip: bool.
        offset: int. Where the next line starts, in bytes of text.
    """

    def __init__(self, path: str):
        self._path = path
        self._stored = io.BufferedReader(_RawFile(path), _READ_BYTES)
        self._lines: io.BufferedIOBase = self._stored
        if self._stored.peek(4).startswith(_ZSTD_MAGIC):
            raise TinyBertError(
                f"{path} is compressed with Zstandard, which is not read. Unpack it (zstd -d), "
                "or pack it with gzip."
            )
        self.is_gzip = self._stored.peek(2).startswith(_GZIP_MAGIC)
        if self.is_gzip:
            self._lines = gzip.GzipFile(fileobj=self._stored)
        self.offset = 0

    def close(self) -> None:
        self._stored.close()

    def seek(self, offset: int) -> None:
        """Goes to a byte of the text."""
        self._lines.seek(offset)
        self.offset = offset

    def next_line(self) -> bytes:
        """Returns a line with its end; nothing at the end of the file."""
        line = self._read_line()
        if b"\0" in line:
            raise self._error("has a zero byte: this is a binary file, expected UTF-8 text.")
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error(
                f"byte 0x{line[error.start]:02x} is not UTF-8. Convert the file to UTF-8."
            ) from error
        self.offset += len(line)
        return line

    def next_start(self, offset: int) -> int:
        """Returns where the first line starts after `offset`; 0 for 0."""
        self.seek(offset)
        if offset:
            # The rest of a line, which may be blank where the line is not.
            self.offset += len(self._read_line())
        return self.offset

    def next_document(self, offset: int) -> int:
        """Returns where the first document of paragraphs starts at or after `offset`."""
        if self.next_start(offset):
            while self.next_line().strip():
                self.check_document_size(offset)
        return self.offset

    def check_document_size(self, start: int) -> None:
        """Raises an error where what began at `start` is out of all measure."""
        if self.offset - start > MAX_DOCUMENT_BYTES:
            raise self._error(
                f"there were {MAX_DOCUMENT_BYTES:,} bytes without a blank line before this. "
                "Blank lines stand between documents: put them in, or give --document line if "
                "each line is a document."
            )

    def _read_line(self) -> bytes:
        try:
            line = self._lines.readline(MAX_PARAGRAPH_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TinyBertError(
                f"{self._path} is a damaged gzip file: {error}. Fetch or make it again."
            ) from error
        if len(line) > MAX_PARAGRAPH_BYTES:
            raise self._error(
                f"is longer than {MAX_PARAGRAPH_BYTES:,} bytes. A line is one paragraph: break "
                "it into several."
            )
        return line

    def error_before(self, size: int, problem: str) -> TinyBertError:
        """Returns an error at the line of `size` bytes that was read last."""
        self.offset -= size
        return self._error(problem)

    def _error(self, problem: str) -> TinyBertError:
        """Returns an error at the line of `offset`."""
        until, number = self.offset, 1
        self._lines.seek(0)
        while until > 0:
            block = self._lines.read(min(until, _READ_BYTES))
            number += block.count(b"\n")
            until -= len(block)
        return TinyBertError(f"{self._path}, line {number}: {problem}")


# === TensorFlow Datasets ===


def split_tfds(
    name: str, split: str, field: str, data_dir: str | None, shard_bytes: int
) -> tuple[Input, list[Part]]:
    """Divides a split of a set of TensorFlow Datasets, which is prepared if it is not yet.

    Args:
        name: str. Such as `"wikipedia/20230601.en"`.
        split: str. Such as `"train"` or `"train[:10%]"`.
        field: str. The feature that holds the text; an example is a document.
        data_dir: str or `None`. Where prepared sets are.
        shard_bytes: int. About the bytes of a part.

    Raises:
        TinyBertError: if there is no such set, split or text.
    """
    import tensorflow_datasets as tfds

    builder = tfds_builder(tfds, name, data_dir)
    features = builder.info.features
    texts = [key for key in features if tfds_scalar_dtype(features[key]) == np.object_]
    if field not in texts:
        raise TinyBertError(
            f"tfds:{name} has no text '{field}'. It has {', '.join(texts) or 'no text at all'}."
            f"{nearest_name(field, texts)} --tfds_field names another."
        )
    prepare_tfds(builder, f"tfds:{name}", split)
    info = builder.info.splits[split]
    count = min(max(-(-info.num_bytes // shard_bytes), 1), info.num_examples)
    directory = str(builder.data_dir)
    return Input(name=f"tfds:{name}:{split}:{field}", size=info.num_examples), [
        Part("tfds", directory, i, count, info.num_bytes // count, split, field)
        for i in range(count)
    ]


def _read_tfds(part: Part) -> Iterator[Document]:
    import tensorflow_datasets as tfds

    examples = tfds.builder_from_directory(part.source).as_dataset(
        split=tfds.even_splits(part.tfds_split, part.end)[part.start],
        # One file after the other: the order of the examples is that of the files.
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    texts = examples.map(lambda example: example[part.field])
    # In batches, because the step from TensorFlow to Python costs more than an example.
    for batch in texts.batch(64).prefetch(1).as_numpy_iterator():
        for text in batch:
            if document := _to_document(text):
                yield document


def _to_document(text: bytes) -> Document | None:
    """Returns the lines of a text as paragraphs; `None` if all are blank."""
    paragraphs = [line.strip() for line in text.split(b"\n")]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    return Document(paragraphs) if paragraphs else None


# === Documents ===


def read_documents(part: Part) -> Iterator[Document]:
    """Reads the documents of a part, one in memory at a time.

    Raises:
        TinyBertError: if the input is no text; file and line are named.
    """
    if part.kind == "tfds":
        return _read_tfds(part)
    return _read_text(part) if part.document == "paragraphs" else _read_lines(part)


def _read_lines(part: Part) -> Iterator[Document]:
    """Yields a document for each line that is not blank."""
    with contextlib.closing(_TextFile(part.source)) as file:
        file.seek(part.start)
        end = math.inf if file.is_gzip else part.end
        while file.offset < end and (line := file.next_line()):
            if part.document == "line":
                text = line.strip()
            else:
                text = _text_of_json(line, part.field, file) if line.strip() else b""
            if document := _to_document(text):
                yield document


def _text_of_json(line: bytes, field: str, file: _TextFile) -> bytes:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise file.error_before(len(line), f"not valid JSON ({error}).") from error
    text = row.get(field) if isinstance(row, dict) else None
    if not isinstance(text, str):
        known = ", ".join(map(repr, row)) if isinstance(row, dict) else type(row).__name__
        raise file.error_before(
            len(line), f"there is no text '{field}', only {known}. --json_field names another."
        )
    return text.encode("utf-8", "replace")


def _read_text(part: Part) -> Iterator[Document]:
    with contextlib.closing(_TextFile(part.source)) as file:
        file.seek(part.start)
        # A gzip file does not know how much text it holds.
        end = math.inf if file.is_gzip else part.end
        paragraphs, start = [], file.offset
        while file.offset < end and (line := file.next_line()):
            if text := line.strip():
                paragraphs.append(text)
                file.check_document_size(start)
            else:
                if paragraphs:
                    yield Document(paragraphs)
                paragraphs, start = [], file.offset
        if paragraphs:
            yield Document(paragraphs)
