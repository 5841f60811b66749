"""The command `pack`."""

from tinybert_tf.commands import _finished
from tinybert_tf.commands._parser import CommandParser, path

HELP = "save the student of a run as a preset in 8 bits"


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    _finished.add_run(parser)
    parser.add_argument(
        "--output", type=path, required=True, metavar="DIR", help="the preset to make"
    )


def execute(arguments) -> None:
    """Writes the preset and prints how well it does."""
    run = _finished.open_one_run(arguments)
    from tinybert_tf.reports import tables
    from tinybert_tf.runs.packing import pack_student

    scores = pack_student(run, arguments.output)
    tables.print_table(tables.packed_table(arguments.output, scores))
