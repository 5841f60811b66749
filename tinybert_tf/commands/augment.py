"""The command `augment`."""

from tinybert_tf.commands import _configured
from tinybert_tf.commands._parser import CommandParser

HELP = "make altered copies of the training examples"


def add_arguments(parser: CommandParser) -> None:
    """Adds the flags of a config, and takes options of Apache Beam after `--`."""
    _configured.add_arguments(parser)
    parser.takes_runner_options = True
    parser.epilog = (
        "What follows `--` are options of Apache Beam, such as\n"
        "`-- --runner=FlinkRunner --flink_master=host:8081`; without any, this process does it."
    )


def execute(arguments) -> None:
    """Writes the copies."""
    with _configured.open_run(arguments) as (config, run):
        from tinybert_tf.runs.augmenting import augment

        augment(config, run, arguments.runner_options or None)
