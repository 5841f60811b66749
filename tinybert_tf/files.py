"""Files that are written whole or not at all, and checked when they are read.

A file may be on a local disk or, as a URL such as `gs://bucket/file`, in any file system that
TensorFlow knows. TensorFlow is imported for a URL alone: commands that have none do without.
"""

import builtins
import codecs
import contextlib
import errno
import hashlib
import json
import math
import os
import pathlib
import re
import shutil
import tempfile
import types
import uuid
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

import pydantic

from tinybert_tf.errors import TinyBertError, nearest_name

_PARTIAL = ".partial-"
_READ_BYTES = 1 << 20
# What is yielded is of the type that came. A URL is a str: a path would lose a slash of it.
_Path = TypeVar("_Path", str, pathlib.Path)


class _Disk:
    """As much of `tf.io.gfile` as is used here, for a local disk."""

    GFile = builtins.open
    exists = staticmethod(os.path.exists)
    isdir = staticmethod(os.path.isdir)
    listdir = staticmethod(os.listdir)
    remove = staticmethod(os.remove)

    @staticmethod
    def stat(path: str) -> types.SimpleNamespace:
        return types.SimpleNamespace(length=os.stat(path).st_size)

    @staticmethod
    def makedirs(path: str) -> None:
        os.makedirs(path or os.curdir, exist_ok=True)

    @staticmethod
    def rename(source: str, target: str, overwrite: bool) -> None:
        (os.replace if overwrite else os.rename)(source, target)

    @staticmethod
    def rmtree(path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)


def _file_system(path: str | os.PathLike) -> tuple[Any, type[Exception]]:
    """Returns the functions for a path, and the error that they raise."""
    if "://" not in os.fspath(path):
        return _Disk, OSError
    import tensorflow as tf

    return tf.io.gfile, tf.errors.OpError


# === Writing ===


@contextlib.contextmanager
def atomic_file(path: _Path) -> Iterator[_Path]:
    """Yields a temporary path beside `path`; renames it to `path` on success.

    On an exception the temporary file is removed and `path` is left as it was.

    Args:
        path: str or path; a URL is a str. The folder is made if it is missing.
    """
    system, _ = _file_system(path)
    folder, name = os.path.split(os.fspath(path))
    system.makedirs(folder)
    # The end is kept: Keras chooses the format of a weight file by it. The number is a new one:
    # two workers may write one shard, when a runner tries again what is still running.
    aside = os.path.join(folder, f"{_PARTIAL}{uuid.uuid4().hex}-{name}")
    try:
        yield type(path)(aside)
        system.rename(aside, os.fspath(path), overwrite=True)
    except BaseException:
        if system.exists(aside):
            system.remove(aside)
        raise


def check_room(folder: pathlib.Path, variables: Iterable) -> None:
    """Looks whether a weight file of Keras fits on a disk, before it is written.

    A disk that gets full leaves h5py with a file that it cannot close, and ends the process.

    Args:
        folder: path. Of the file, on a local disk; it is made if it is missing.
        variables: iterable of `keras.Variable`. What the file will hold.

    Raises:
        OSError: if there is no room.
    """
    # HDF5 takes two to three thousand bytes for the names that lead to a variable.
    num_bytes = 2**16 + sum(2**12 + 4 * math.prod(v.shape) for v in variables)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_PARTIAL, dir=folder)
    try:
        # Quotas count, which the free space of a disk does not show. macOS has no such call.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, num_bytes)
    except OSError as error:
        # On file systems that cannot tell, the writing will.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(descriptor)
        os.remove(name)


def check_absent(path: str | os.PathLike) -> None:
    """Looks before the minutes of work, not after.

    Args:
        path: str or path. On a local disk.

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

    Args:
        path: str or path. On a local disk: other file systems do not rename folders at once.

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


def is_partial(path: str | os.PathLike) -> bool:
    """Tells whether a path is a temporary one, of a process at work or one that was killed.

    Args:
        path: str or path.
    """
    return os.path.basename(path).startswith(_PARTIAL)


def remove_partial(*folders: str | os.PathLike) -> None:
    """Removes the temporary files and folders that killed processes left.

    Args:
        *folders: str or paths. They need not exist.
    """
    for folder in [os.fspath(folder) for folder in folders]:
        system, _ = _file_system(folder)
        for name in system.listdir(folder) if system.isdir(folder) else ():
            if is_partial(name):
                path = os.path.join(folder, name)
                (system.rmtree if system.isdir(path) else system.remove)(path)


def write_json(path: str | os.PathLike, value, indent: int | None = 2) -> None:
    """Writes a value as JSON in UTF-8, complete or not at all.

    Args:
        path: str or path. The file; it may exist.
        value: what `json.dumps` takes; see `to_json`.
        indent: int or `None`. Spaces of a level; `None` for one line.
    """
    content = json.dumps(value, indent=indent, ensure_ascii=False) + "\n"
    system, _ = _file_system(path)
    with atomic_file(os.fspath(path)) as aside, system.GFile(aside, "wb") as file:
        file.write(content.encode())


def to_json(value) -> dict:
    """Returns a pydantic dataclass as it stands in a file."""
    return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")


# === Reading ===


def expand_path(path: str) -> str:
    """Returns a path with `~`, `~user`, `$VAR` and `${VAR}` replaced, as a shell does.

    Args:
        path: str.

    Raises:
        TinyBertError: if a variable is not set, or there is no such home.
    """
    expanded = os.path.expanduser(os.path.expandvars(path))
    variable = re.search(r"\$(\w+|\{\w+\})", expanded)
    if variable:
        raise TinyBertError(
            f"The path {path} has {variable[0]}, which is not set. Set the variable, or write "
            "the path in full."
        )
    if expanded.startswith("~") and not os.path.lexists(expanded):
        raise TinyBertError(
            f"The path {path} begins with a home that is not known. Write the path in full, or "
            "./ before a name that begins with ~."
        )
    return expanded


PathString = Annotated[str, pydantic.AfterValidator(expand_path)]
"""A path of a config, or what stands in its place; `~` and `$VAR` in it are replaced."""


def missing_hint(path: str | os.PathLike) -> str:
    """Returns where a missing file was looked for, and the nearest name that is there.

    Args:
        path: str or path. On a local disk.
    """
    path = pathlib.Path(path)
    place = path.absolute()
    missing = [part for part in (place, *place.parents) if not part.exists()]
    top = missing[-1] if missing else place
    siblings = os.listdir(top.parent) if os.access(top.parent, os.R_OK) else []
    where = "" if path.is_absolute() else f" It was looked for at {place}."
    folder = f" There is no folder {top}." if top != place else ""
    return f"{where}{folder}{nearest_name(top.name, siblings)} Check the path."


def read_text_file(path: str | os.PathLike, what: str) -> str:
    """Reads a whole text file of a local disk: UTF-8, or UTF-16 with a byte order mark.

    Args:
        path: str or path. The file.
        what: str. What the file is to the user ("vocabulary", "config"), for the message.

    Returns:
        str. A byte order mark of UTF-8 is left in.

    Raises:
        TinyBertError: if the file is missing, unreadable, or of another encoding (with the
            line).
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise TinyBertError(
            f"Cannot read the {what} {path}: {error.strerror}.{missing_hint(path)}"
        ) from error
    except OSError as error:
        raise TinyBertError(f"Cannot read the {what} {path}: {error.strerror}.") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise TinyBertError(
                f"{path} begins like UTF-16, but is not. Save the {what} as UTF-8."
            ) from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TinyBertError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8. "
            f"Save the {what} as UTF-8."
        ) from error


def read_json(path: str, kind: type, way_out: str):
    """Reads a pydantic dataclass that `write_json` wrote.

    Args:
        path: str.
        kind: type. The pydantic dataclass.
        way_out: str. What to do about a file that holds something else, for the message.

    Raises:
        TinyBertError: if the file holds something else.
    """
    system, _ = _file_system(path)
    try:
        with system.GFile(path, "rb") as file:
            return pydantic.TypeAdapter(kind).validate_json(file.read().decode())
    except (pydantic.ValidationError, UnicodeDecodeError) as error:
        problem = str(error)
        if isinstance(error, pydantic.ValidationError):
            first = error.errors()[0]
            problem = "".join(f"{part}: " for part in first["loc"]) + first["msg"]
        raise TinyBertError(
            f"{path} is not what this version of tinybert_tf writes: {problem}. {way_out}"
        ) from error


def hash_file(path: str) -> str:
    """Returns the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    system, _ = _file_system(path)
    with system.GFile(path, "rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def find_fault(path: str, size: int, sha256: str | None = None) -> str:
    """Returns what is wrong with a file; nothing if it is as it was written.

    Args:
        path: str.
        size: int. Bytes that were written.
        sha256: str or `None`. Of what was written; `None` leaves the file unread.
    """
    system, error_type = _file_system(path)
    try:
        if not system.exists(path):
            return f"{path} is missing"
        found = system.stat(path).length
        if found != size:
            return f"{path} has {found:,} bytes, expected {size:,}"
        if sha256 is not None and hash_file(path) != sha256:
            return f"{path} is not the file that was written"
    except error_type as error:
        return f"{path} cannot be read: {getattr(error, 'message', error)}"
    return ""


def describe_size(num_bytes: float) -> str:
    """Returns a size for people, such as `"1.5 GB"` or `"12 MB"`; no less than 1 MB."""
    return (
        f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{max(num_bytes / 1e6, 1):.0f} MB"
    )


# === Hashes of files that are looked at long after they were written ===

_HASHES = "hashes.json"


def note_hashes(folder: pathlib.Path) -> None:
    """Writes what the files of a folder are, for `find_damage`.

    Args:
        folder: path. On a local disk.
    """
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    write_json(
        folder / _HASHES, {name: [hash_file(str(files[name]))] for name in sorted(files)}
    )


@contextlib.contextmanager
def hashed_atomic_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Does as `atomic_file`, and notes the hash of what is written, for `find_damage`.

    Args:
        path: path. On a local disk.
    """
    folder = path.parent
    with atomic_file(path) as aside:
        yield aside
        known = {n: known for n, known in _read_hashes(folder).items() if (folder / n).exists()}
        # That of the file of before stays beside it: until the renaming, it is the right one.
        known[path.name] = [*known.get(path.name, [])[-1:], hash_file(str(aside))]
        write_json(folder / _HASHES, known)


def find_damage(path: pathlib.Path) -> str:
    """Returns what is wrong with a file, or with one in a folder; nothing if nothing is.

    A file whose hash was not noted, as before there were hashes, is taken as it is.

    Args:
        path: path. On a local disk.
    """
    if not path.exists():
        return f"{path} is missing"
    folder = path if path.is_dir() else path.parent
    for name, hashes in _read_hashes(folder).items():
        file = folder / name
        if path in (file, folder):
            if not file.exists():
                return f"{file} is missing"
            if hash_file(str(file)) not in hashes:
                return f"{file} is damaged: it is not the file that was written"
    return ""


def _read_hashes(folder: pathlib.Path) -> dict[str, list[str]]:
    try:
        return pydantic.TypeAdapter(dict[str, list[str]]).validate_json(
            (folder / _HASHES).read_bytes()
        )
    # A damaged list of hashes says nothing of the files.
    except (FileNotFoundError, pydantic.ValidationError):
        return {}
