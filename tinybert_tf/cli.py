"""What the commands of the project share."""

import functools
import logging as stdlib_logging
import os
import sys
from collections.abc import Callable

from absl import flags, logging

from tinybert_tf.errors import TinyBertError

# TensorFlow's remarks on the processor and on every exhausted data set are of no use to
# the people who run a command; its errors are. It reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# By itself TensorFlow uses oneDNN only on processors with AVX512 for neural networks. Those
# with AVX2 alone train faster with it, too; see benchmarks/onednn.py.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _is_warning(record) -> bool:
    return record.levelno >= stdlib_logging.WARNING


def reporting_errors(main: Callable) -> Callable:
    """Makes a mistake in what a command was given a message on stderr and exit code 2."""

    @functools.wraps(main)
    def wrapped(argv):
        # A filter: libraries that are imported later set the verbosity themselves.
        if not flags.FLAGS["verbosity"].present:
            logging.get_absl_handler().python_handler.addFilter(_is_warning)
        try:
            main(argv)
        except TinyBertError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return wrapped


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the flags, for `app.run`; a mistake in them is a message and exit code 2, too."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"error: {error}\n--help lists the flags.", file=sys.stderr)
        sys.exit(2)
