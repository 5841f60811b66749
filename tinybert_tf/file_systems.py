"""Files of any file system TensorFlow knows: written whole or not at all, checked when read.

What needs a local disk alone is in `tinybert_tf.files`.
"""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterator

import pydantic
import tensorflow as tf

from tinybert_tf.errors import TinyBertError

_PARTIAL = ".partial-"
_READ_BYTES = 1 << 20


# === Writing ===


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Yields a path beside `path`; renames it to `path` on success, removes it otherwise."""
    directory, name = path.rsplit("/", 1)
    # Two workers may write the same shard, when a runner tries again what is still running.
    aside = f"{directory}/{_PARTIAL}{uuid.uuid4().hex}-{name}"
    try:
        yield aside
        tf.io.gfile.rename(aside, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(aside):
            tf.io.gfile.remove(aside)
        raise


def remove_partial_files(directory: str) -> None:
    """Removes what a killed process left."""
    for name in tf.io.gfile.listdir(directory):
        if name.startswith(_PARTIAL):
            tf.io.gfile.remove(f"{directory}/{name}")


def write_json(path: str, value) -> None:
    """Writes a pydantic dataclass as a whole file."""
    with whole_file(path) as aside, tf.io.gfile.GFile(aside, "w") as file:
        file.write(json.dumps(to_json(value), indent=2) + "\n")


def to_json(value) -> dict:
    """Returns a pydantic dataclass as it stands in a file."""
    return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")


# === Reading ===


def read_json(path: str, kind: type, way_out: str):
    """Reads what `write_json` wrote.

    Args:
        path: str.
        kind: type. The pydantic dataclass.
        way_out: str. What to do about a file that holds something else, for the message.

    Raises:
        TinyBertError: if the file holds something else.
    """
    try:
        with tf.io.gfile.GFile(path) as file:
            return pydantic.TypeAdapter(kind).validate_json(file.read())
    except (pydantic.ValidationError, UnicodeDecodeError) as error:
        raise TinyBertError(
            f"{path} is not what this version of tinybert_tf writes: {error}. {way_out}"
        ) from error


def hash_file(path: str) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
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
    try:
        if not tf.io.gfile.exists(path):
            return f"{path} is missing"
        found = tf.io.gfile.stat(path).length
        if found != size:
            return f"{path} has {found:,} bytes, expected {size:,}"
        if sha256 is not None and hash_file(path) != sha256:
            return f"{path} is not the file that was written"
    except tf.errors.OpError as error:
        return f"{path} cannot be read: {error.message}"
    return ""
