"""Directories that are made piece by piece, by one process or many, and can go on when killed.

A directory belongs to one header, which decides what is in it. The header stands in
`unfinished.json` while the pieces are worked on, in any order and anywhere; each leaves files
and, at last, a summary of them. A piece is done if it has a summary and its files are as that
says; the others are done again. When all are done, `manifest.json` takes the place of header
and summaries, and the directory is finished.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import (
    find_fault,
    is_partial,
    read_json,
    remove_partial,
    to_json,
    write_json,
)
from tinybert_tf.strict import strict_keyword_dataclass

MANIFEST = "manifest.json"
_HEADER = "unfinished.json"


class Summary(Protocol):
    """What became of a piece; a pydantic dataclass."""

    def find_fault(self, directory: str) -> str:
        """Returns why the piece is not done; nothing if its files are as they were written."""


@strict_keyword_dataclass
class WrittenFile:
    """A file of a directory, as it was written.

    Args:
        name: str. In the directory.
        size: int. Bytes.
        sha256: str. Of the file.
    """

    name: str
    size: int
    sha256: str

    def find_fault(self, directory: str) -> str:
        """Returns what is wrong with the file; nothing if it is as it was written."""
        return find_fault(f"{directory}/{self.name}", self.size, self.sha256)


class Piece(NamedTuple):
    """A part of the work.

    Args:
        number: int. From 0.
        content: what there is to do. Picklable.
    """

    number: int
    content: Any


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of directory.

    Args:
        name: str. What it holds, for messages ("corpus").
        command: str. What makes it, for messages.
        version: int. Of its files; those of another cannot be read.
        header: type. A pydantic dataclass with `version`: all that decides the content.
        summary: type. A pydantic dataclass; see `Summary`.
        manifest: type. A pydantic dataclass with `header`.
        summary_name: str. The file of a summary; a format of the number of the piece.
    """

    name: str
    command: str
    version: int
    header: type
    summary: type
    manifest: type
    summary_name: str

    @property
    def way_out(self) -> str:
        """What to do about a file that is not as it was written, for messages."""
        return (
            f"Copy it again, or remove the directory and make it again with `{self.command}`."
        )

    def read_manifest(self, directory: str):
        """Reads the manifest of a finished directory.

        Raises:
            TinyBertError: if there is none, or one of another version.
        """
        path = f"{directory}/{MANIFEST}"
        if not tf.io.gfile.exists(path):
            raise TinyBertError(
                f"{directory} holds no finished {self.name}: it has no {MANIFEST}. Make one "
                f"with `{self.command}`, which goes on where it was interrupted."
            )
        manifest = read_json(path, self.manifest, self.way_out)
        if manifest.header.version != self.version:
            raise TinyBertError(
                f"{path} is of version {manifest.header.version}, expected {self.version}. "
                f"Remove the directory and make it again with `{self.command}`."
            )
        return manifest

    def write_summary(self, directory: str, number: int, summary: Summary) -> None:
        """Writes what became of a piece, when all of its files are written."""
        write_json(f"{directory}/{self.summary_name.format(number)}", to_json(summary))


class ResumableDirectory:
    """A directory in the making, and what is still to be done.

    Args:
        format: `Format`.
        directory: str. In any file system that TensorFlow knows; every worker must reach it.
        header: what decides the content.
        contents: sequence. What there is to do, by piece.

    Raises:
        TinyBertError: if the directory holds something else than what the header says, or is
            none.
    """

    def __init__(self, format: Format, directory: str, header, contents: Sequence):
        self.directory = directory.rstrip("/")
        self.header = header
        self.pieces = [Piece(number, content) for number, content in enumerate(contents)]
        self._format = format
        self._check_directory()

    def manifest(self):
        """Returns that of the finished directory; `None` while there is something to do."""
        return self._format.read_manifest(self.directory) if self._has(MANIFEST) else None

    def summarized(self) -> list[Piece]:
        """Returns the pieces that have a summary; what it says is not looked at."""
        folder, _, ending = f"{self.directory}/{self._format.summary_name}".rpartition("/")
        names = set(tf.io.gfile.listdir(folder)) if tf.io.gfile.isdir(folder) else ()
        return [piece for piece in self.pieces if ending.format(piece.number) in names]

    def summaries(self) -> dict[int, Any]:
        """Returns, by number of the piece, the summaries that can be read."""
        found = {}
        for number, _ in self.summarized():
            path = f"{self.directory}/{self._format.summary_name.format(number)}"
            # A summary that was cut or changed is none.
            with contextlib.suppress(TinyBertError):
                found[number] = read_json(path, self._format.summary, self._format.way_out)
        return found

    def open_pieces(self) -> list[Piece]:
        """Returns the pieces that are not done, or failed, or whose files are not whole."""
        summaries = self.summaries()
        done = {n for n, s in summaries.items() if not s.find_fault(self.directory)}
        return [piece for piece in self.pieces if piece.number not in done]

    def finish(self, make_manifest: Callable[[list[Summary]], Any]):
        """Writes the manifest and removes what it takes the place of.

        Args:
            make_manifest: function from the summaries, in order, to the manifest.

        Returns:
            The manifest.

        Raises:
            TinyBertError: if a piece is not done.
        """
        summaries = self.summaries()
        missing = len(self.pieces) - len(summaries)
        if missing:
            # A runner need not wait for its workers.
            raise TinyBertError(
                f"{self.directory}: {missing} of {len(self.pieces)} parts are not done yet. "
                "When no worker is at them any more, give the same command again."
            )
        manifest = make_manifest([summaries[number] for number, _ in self.pieces])
        write_json(f"{self.directory}/{MANIFEST}", to_json(manifest))
        self._remove_summaries()
        tf.io.gfile.remove(f"{self.directory}/{_HEADER}")
        return manifest

    def _has(self, name: str) -> bool:
        return tf.io.gfile.exists(f"{self.directory}/{name}")

    def _remove_summaries(self) -> None:
        folder, _, _ = self._format.summary_name.rpartition("/")
        if folder:
            tf.io.gfile.rmtree(f"{self.directory}/{folder}")
            return
        for number, _ in self.pieces:
            tf.io.gfile.remove(f"{self.directory}/{self._format.summary_name.format(number)}")

    def _check_directory(self) -> None:
        if tf.io.gfile.exists(self.directory) and not tf.io.gfile.isdir(self.directory):
            raise TinyBertError(
                f"{self.directory} is a file, expected a directory. Name another."
            )
        tf.io.gfile.makedirs(self.directory)
        unfinished = f"{self.directory}/{_HEADER}"
        theirs = self.header
        if self._has(MANIFEST):
            theirs = self._format.read_manifest(self.directory).header
        elif self._has(_HEADER):
            theirs = read_json(unfinished, self._format.header, self._format.way_out)
        elif not all(map(is_partial, tf.io.gfile.listdir(self.directory))):
            raise TinyBertError(
                f"{self.directory} is not empty and holds no {self._format.name}. Name another "
                "directory."
            )
        else:
            write_json(unfinished, to_json(self.header))
        if theirs != self.header:
            raise TinyBertError(
                f"{self.directory} holds another {self._format.name}: "
                f"{_first_difference(to_json(theirs), to_json(self.header))}. "
                "Name another directory, or remove this one."
            )
        remove_partial(self.directory)


def _first_difference(theirs: dict, ours: dict, key: str = "") -> str:
    for name in {**ours, **theirs}:
        there, here = theirs.get(name), ours.get(name)
        if there != here:
            where = f"{key}.{name}" if key else name
            if isinstance(there, dict) and isinstance(here, dict):
                return _first_difference(there, here, where)
            if isinstance(here, list):
                return f"its {where} are others, or have changed"
            return f"its {where} is {there}, here it is {here}"
    raise AssertionError("there is no difference")
