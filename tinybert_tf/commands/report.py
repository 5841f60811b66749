"""The command `report`."""

from tinybert_tf.commands._finished import add_run
from tinybert_tf.commands._parser import CommandParser, path
from tinybert_tf.errors import TinyBertError

HELP = "make the page of a run again, or compare several runs"


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    add_run(parser, "the run directory; given several times, the runs to compare")
    add = parser.add_argument
    add(
        "--output",
        type=path,
        metavar="FILE",
        help="the page of several runs; that of one stands in it",
    )
    add("--text", help="the text whose attention is shown, in place of a test example")
    add("--text_pair", metavar="TEXT", help="the second text of a pair")


def execute(arguments) -> None:
    """Writes the page."""
    is_sweep = len(arguments.run) > 1
    _check(arguments, is_sweep)
    from tinybert_tf.reports import run_page, sweep
    from tinybert_tf.runs import attention
    from tinybert_tf.runs.directory import RunDirectory

    runs = [RunDirectory.open(path) for path in arguments.run]
    if is_sweep:
        print(f"report: {sweep.write_sweep(runs, arguments.output)}")
        return
    (run,) = runs
    if arguments.text is not None:
        attention.save_attention_to(run, arguments.text, arguments.text_pair)
    print(f"report: {run_page.write_report(run)}")


def _check(arguments, is_sweep: bool) -> None:
    if arguments.text_pair is not None and arguments.text is None:
        raise TinyBertError("--text_pair needs --text, the first text of the pair.")
    if is_sweep and not arguments.output:
        raise TinyBertError("A report of several --run needs --output, the page to write.")
    if is_sweep and arguments.text is not None:
        raise TinyBertError("--text is for the report of one --run; got several.")
    if not is_sweep and arguments.output is not None:
        raise TinyBertError(
            "--output is for a report of several --run; that of one is report.html in it."
        )
