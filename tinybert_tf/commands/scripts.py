"""What the scripts in benchmarks/ share with the commands. Their flags are absl's.

if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
"""

import sys

from absl import flags

# Sets TensorFlow's environment variables, so before whatever imports TensorFlow.
from tinybert_tf.commands import _chatter  # noqa: F401
from tinybert_tf.commands._errors import reporting_errors

__all__ = ["parse_flags", "reporting_errors"]


def parse_flags(argv: list[str]) -> list[str]:
    """Parses absl's flags, for `app.run`; a mistake in them is a message and exit code 2.

    Args:
        argv: list of str. The program's name and its arguments.

    Returns:
        list of str. The program's name and the arguments that are no flags.
    """
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"error: {error}\n--help lists the flags.", file=sys.stderr)
        sys.exit(2)
