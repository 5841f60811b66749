"""The command `predict`."""

from tinybert_tf.commands import _finished
from tinybert_tf.commands._parser import CommandParser, path

HELP = "answer GLUE's test sets with the student, for its site"


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    _finished.add_run(parser)
    parser.add_argument(
        "--output", type=path, required=True, metavar="DIR", help="the folder to make"
    )


def execute(arguments) -> None:
    """Writes the files and names them."""
    run = _finished.open_one_run(arguments)
    from tinybert_tf.runs.glue_submission import predict_glue

    print(f"{arguments.output}: {', '.join(predict_glue(run, arguments.output))}")
