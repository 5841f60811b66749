"""The parser of a command: argparse's in absl's integration, with plain messages."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from absl.flags import argparse_flags

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import expand_path

# What begins with a dash and is a value: a number, or a text with spaces in it.
_VALUE = re.compile(r"-(\d|\.\d|.* |$)")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows the defaults of those flags that have one, and a command on one line."""

    def __init__(self, prog):
        super().__init__(prog)
        # The longest command; argparse forgets that commands are indented twice.
        self._action_max_length = 19

    def _get_help_string(self, action):
        default = action.default
        if default is None or default is False or default in ([], argparse.SUPPRESS):
            return action.help
        return f"{action.help} (default: %(default)s)"


class CommandParser(argparse_flags.ArgumentParser):
    """Takes the flags of a command and, unseen in its help, those of absl.

    A mistake ends the process with one message and exit code 2.

    Attributes:
        takes_runner_options: bool. Whether what follows `--` is passed on as `runner_options`.
    """

    takes_runner_options = False

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, formatter_class=_HelpFormatter, **kwargs)
        self.set_defaults(runner_options=[])

    def flags(self) -> list[str]:
        """Returns the names of the flags that the help shows, with their dashes."""
        actions = self._option_string_actions.items()
        return [name for name, action in actions if action.help != argparse.SUPPRESS]

    def unknown_flag(self, arguments: Sequence[str]) -> str | None:
        """Returns the first flag that is none of this command, without its value."""
        for argument in arguments:
            if argument == "--":
                return None
            name = argument.partition("=")[0]
            if name in self._option_string_actions or _VALUE.match(argument):
                continue
            if argument.startswith("-"):
                return name
        return None

    def error(self, message: str) -> NoReturn:
        """Prints one message; see the class."""
        print(f"error: {message}\n`{self.prog} --help` says what it takes.", file=sys.stderr)
        sys.exit(2)


def path(text: str) -> str:
    """Parses a path: `~` and `$VAR` in it are replaced, which shells do not do after `=`."""
    try:
        return expand_path(text)
    except TinyBertError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive_integers(text: str) -> list[int]:
    """Parses the value of a flag such as `--lengths 16,32,64`."""
    values = text.split(",")
    if not all(value.isdecimal() and int(value) for value in values):
        raise argparse.ArgumentTypeError(f"expected positive numbers, as in 16,32; got {text}")
    return [int(value) for value in values]


def names(text: str) -> list[str]:
    """Parses the value of a flag such as `--against teacher,bert_base`."""
    return [name.strip() for name in text.split(",")] if text else []
