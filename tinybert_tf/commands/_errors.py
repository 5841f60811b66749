"""Mistakes in what a command or a script was given: one message and exit code 2."""

import errno
import functools
import io
import logging as stdlib_logging
import os
import re
import sys
from collections.abc import Callable

from absl import flags, logging

from tinybert_tf.errors import TinyBertError

_OF_FILE_SYSTEMS = {
    errno.ENOSPC: "Make room; --resume goes on with a run, and what was written is whole.",
    errno.EDQUOT: "Make room; --resume goes on with a run, and what was written is whole.",
    errno.EROFS: "Name a folder that can be written.",
    errno.EACCES: "Name a folder and files that you may use.",
    errno.EPERM: "Name a folder and files that you may use.",
    errno.ENOTDIR: "A part of this path is a file. Name another folder.",
    errno.ENAMETOOLONG: "Name a shorter path.",
}


def _is_warning(record) -> bool:
    return record.levelno >= stdlib_logging.WARNING


def _explain_os_error(error: OSError) -> str:
    """Returns what a file system has against a command; raises what is no matter of it."""
    number = error.errno
    if number is None:
        # h5py has it in its message alone.
        match = re.search(r"errno = (\d+)", str(error))
        number = int(match[1]) if match else None
    if number not in _OF_FILE_SYSTEMS:
        raise error
    where = f": {error.filename}" if error.filename else ""
    return f"{os.strerror(number)}{where}. {_OF_FILE_SYSTEMS[number]}"


def reporting_errors(main: Callable) -> Callable:
    """Makes a mistake, or a full or read-only disk, one message and exit code 2.

    Args:
        main: callable of one argument, what `absl.app.run` passes on.

    Returns:
        callable. The same, for `absl.app.run`.
    """

    @functools.wraps(main)
    def wrapped(arguments):
        # A filter: libraries that are imported later set the verbosity themselves.
        if not flags.FLAGS["verbosity"].present:
            logging.get_absl_handler().python_handler.addFilter(_is_warning)
        # A terminal that has no letters but those of ASCII shows the others by number.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            main(arguments)
        except TinyBertError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            # Of `... | head`: nobody reads on.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            message = _explain_os_error(error)
        else:
            return
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)

    return wrapped
