"""The command `check`."""

from tinybert_tf.commands import _configured
from tinybert_tf.commands._checking import check
from tinybert_tf.commands._parser import CommandParser

HELP = "look at data, teacher and student of a config; estimate the time"


def add_arguments(parser: CommandParser) -> None:
    """Adds `--config` and `--set`."""
    _configured.add_config(parser)


def execute(arguments) -> None:
    """Prints what was found; makes nothing."""
    check(_configured.load(arguments))
    print("no problem was found")
