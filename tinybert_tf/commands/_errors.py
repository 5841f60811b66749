"""How a command or a script ends that does not end well: one message and an exit code.

2 is for mistakes in what it was given and for disks, 130 and 143 for SIGINT and SIGTERM, 1 for
what nobody has foreseen.
"""

import errno
import functools
import io
import logging as stdlib_logging
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import NoReturn

from absl import flags, logging

from tinybert_tf.errors import TinyBertError
from tinybert_tf.interrupts import Interrupted, raising_interrupts

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


def _explain_os_error(error: Exception) -> str | None:
    """Returns what a file system has against a command; `None` for what is no matter of it."""
    number, name = getattr(error, "errno", None), getattr(error, "filename", None)
    if number is None:
        # h5py and TensorFlow have it in their messages alone.
        said = str(error)
        number = next((n for n in _OF_FILE_SYSTEMS if f"errno = {n}," in said), None) or next(
            (n for n in _OF_FILE_SYSTEMS if os.strerror(n) in said), None
        )
    if number not in _OF_FILE_SYSTEMS:
        return None
    return f"{os.strerror(number)}{f': {name}' if name else ''}. {_OF_FILE_SYSTEMS[number]}"


def _explain_in_tensorflow(error: Exception) -> str | None:
    """Returns the message of a TinyBertError that a data set of TensorFlow has passed on."""
    match = re.search(rf"\b{TinyBertError.__name__}: (.+)", str(error))
    return match[1] if match else None


def _explain_interrupt(arguments) -> str:
    """Returns how to go on; of a script, whose arguments are a list, nothing."""
    again = getattr(arguments, "again", None)
    return f" To go on: {again}" if again else ""


def _explain_unforeseen(error: Exception) -> str:
    """Returns the first line of an error; all of it goes to a file."""
    lines = traceback.format_exception_only(error)[-1].strip().splitlines()
    content = f"{shlex.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tinybert_tf_", suffix=".txt", delete=False, errors="backslashreplace"
        ) as file:
            file.write(content)
        where = f"The file {file.name} has all of it"
    except OSError:
        where = f"All of it:\n{content}"
    return (
        f"unforeseen, {TinyBertError(lines[0] if lines else type(error).__name__)}. {where}. "
        "Please report it, with that, where you have tinybert_tf from."
    )


def _report(message: str, exit_code: int) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(exit_code)


def reporting_errors(main: Callable) -> Callable:
    """Makes whatever goes wrong one message and an exit code.

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
            with raising_interrupts():
                main(arguments)
        except TinyBertError as error:
            _report(str(error), error.exit_code)
        except Interrupted as error:
            _report(f"stopped by {error.name}.{_explain_interrupt(arguments)}", error.exit_code)
        except BrokenPipeError:
            # Of `... | head`: nobody reads on.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:
            known = _explain_os_error(error) or _explain_in_tensorflow(error)
            _report(known or _explain_unforeseen(error), 2 if known else 1)

    return wrapped
