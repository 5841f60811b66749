"""Mistakes in what a command or a script was given: one message and exit code 2."""

import functools
import logging as stdlib_logging
import sys
from collections.abc import Callable

from absl import flags, logging

from tinybert_tf.errors import TinyBertError


def _is_warning(record) -> bool:
    return record.levelno >= stdlib_logging.WARNING


def reporting_errors(main: Callable) -> Callable:
    """Makes a `TinyBertError` a message on standard error and exit code 2.

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
        try:
            main(arguments)
        except TinyBertError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return wrapped
