"""What the commands share that take a run directory, `--run`, in place of a config."""

from tinybert_tf.commands._parser import CommandParser, path
from tinybert_tf.errors import TinyBertError


def add_run(parser: CommandParser, help: str = "the run directory") -> None:
    """Adds `--run`, of which `arguments.run` lists all."""
    parser.add_argument(
        "--run", type=path, action="append", required=True, metavar="DIR", help=help
    )


def open_one_run(arguments):
    """Returns the `RunDirectory` of a command that takes one.

    Raises:
        TinyBertError: if there are several, or it is no run directory.
    """
    if len(arguments.run) != 1:
        raise TinyBertError(
            f"{arguments.command} takes one --run; got {', '.join(arguments.run)}."
        )
    from tinybert_tf.runs.directory import RunDirectory

    return RunDirectory.open(arguments.run[0])
