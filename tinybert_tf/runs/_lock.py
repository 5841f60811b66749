"""One process at a time in a run directory."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import IO

from tinybert_tf.errors import TinyBertError

LOCK = "lock.json"
# Of file systems on which nothing can be locked.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """Keeps other processes out of a run directory while one works in it.

    The lock is the operating system's and ends with its process, however that ends: what a
    killed one leaves of it is taken over.

    Args:
        directory: path. It is made if it is missing, and removed again if it stays empty.

    Raises:
        TinyBertError: if another process works in it.
    """
    if directory.exists() and not directory.is_dir():
        raise TinyBertError(
            f"The run directory {directory} is a file. Set another run_directory."
        )
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / LOCK
    with _open_locked(path) as file:
        try:
            _sign(file)
            yield
        finally:
            path.unlink(missing_ok=True)
            if is_new:
                with contextlib.suppress(OSError):
                    directory.rmdir()


def _sign(file: IO[str]) -> None:
    """Writes who has the lock."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S%z"),
    }
    file.truncate(0)
    file.write(json.dumps(holder))
    file.flush()


def _open_locked(path: pathlib.Path) -> IO[str]:
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - the caller closes it
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file after it was opened here.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            message = _describe_holder(file, path)
            file.close()
            raise TinyBertError(message) from None
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                return file
            raise
        file.close()


def _describe_holder(file: IO[str], path: pathlib.Path) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return (
        f"The run directory {path.parent} is in use by {who}. Wait until it has ended, or end "
        "it; or set another run_directory."
    )
