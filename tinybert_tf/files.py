"""Files that are complete or absent: written aside, then renamed."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from tinybert_tf.errors import TinyBertError

_PARTIAL = ".partial-"


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path in the folder of `path`; renames it to `path` on success.

    On an exception the temporary file is removed and `path` is left as it was.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_PARTIAL) as folder:
        # The name is kept: Keras chooses the format of a weight file by its ending.
        aside = pathlib.Path(folder) / path.name
        yield aside
        aside.replace(path)


def is_partial(path: pathlib.Path) -> bool:
    """Tells whether a path is what was written aside, of a process that is at it or was killed.

    Args:
        path: path.
    """
    return path.name.startswith(_PARTIAL)


def remove_partial(*folders: pathlib.Path) -> None:
    """Removes what killed processes left in folders.

    Args:
        *folders: paths. They need not exist.
    """
    for folder in folders:
        for path in folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(path, ignore_errors=True)


def write_json(path: str | os.PathLike, value, indent: int | None = 2) -> None:
    """Writes a value as JSON in UTF-8, complete or not at all.

    Args:
        path: str or path. The file; it may exist.
        value: what `json.dumps` takes.
        indent: int or `None`. Spaces of a level; `None` for one line.
    """
    with atomic_file(path) as aside:
        aside.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", "utf-8")


def check_absent(path: str | os.PathLike) -> None:
    """Looks before the minutes of work, not after.

    Raises:
        TinyBertError: if `path` exists and is not an empty folder.
    """
    path = pathlib.Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise TinyBertError(
            f"{path} already exists and is not empty. Remove it or name another folder."
        )


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary folder beside `path`; renames it to `path` on success.

    Raises:
        TinyBertError: if `path` exists and is not an empty folder.
    """
    path = pathlib.Path(path)
    check_absent(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=_PARTIAL))
    aside.chmod(0o755)
    try:
        yield aside
        if path.exists():
            path.rmdir()
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_text_file(path: str | os.PathLike, what: str) -> str:
    """Reads a whole UTF-8 file.

    Args:
        path: str or path. The file.
        what: str. What the file is to the user ("vocabulary", "config"), for the message.

    Raises:
        TinyBertError: if the file is missing, unreadable, or not UTF-8 (with the line).
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TinyBertError(f"Cannot read the {what} {path}: {error.strerror}.") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TinyBertError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8. "
            f"Save the {what} as UTF-8."
        ) from error
