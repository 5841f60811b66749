"""The command line: the table of the commands, and what parses and starts them.

A new command is a file in this folder and its name in `COMMANDS`. The file has

- `HELP`: str. A line for `--help`.
- `add_arguments(parser)`: adds its flags to a `CommandParser`.
- `execute(arguments)`: runs it on what was parsed. Whatever needs TensorFlow is imported in
  there: neither `--help` nor a mistake waits for it.
"""

import dataclasses
import importlib
import shlex
from collections.abc import Sequence

from absl import app

from tinybert_tf.commands._chatter import hide_chatter
from tinybert_tf.commands._errors import reporting_errors
from tinybert_tf.commands._parser import CommandParser
from tinybert_tf.errors import nearest_name

# In the order of `--help`. The file of `general-distill` is `general_distill.py`.
_EXPORTING = ("export", "verify", "install", "benchmark")
COMMANDS = (
    "run",
    "init",
    "check",
    "finetune",
    "augment",
    "distill",
    "evaluate",
    "report",
    "classify",
    "predict",
    "corpus",
    "general-distill",
    "pack",
    "pretrain-mlm",
    *_EXPORTING,
)


@dataclasses.dataclass(frozen=True)
class Program:
    """A way to start the commands.

    Attributes:
        name: str. What stands before the command, as the help shows it.
        commands: tuple of str. Those that it has, of `COMMANDS`.
        default: str or `None`. The command that is meant where none is named.
    """

    name: str
    commands: tuple[str, ...] = COMMANDS
    default: str | None = None


MODULE = Program("python -m tinybert_tf")
EXPORTER = Program("python -m tinybert_tf.export", _EXPORTING, "export")
_SCRIPT = Program("tinybert-tf")

_DESCRIPTION = "Distils a BERT teacher into a TinyBERT student, and exports it for phones."
_EPILOG = """`{program} COMMAND --help` shows the flags of a command.
`{program} {first} ...` is the same as `{program} ...` without a command."""


def start(program: Program) -> None:
    """Runs the command that the process was started with, and ends the process."""

    def main(arguments):
        hide_chatter()
        _execute(arguments)

    app.run(main, flags_parser=lambda argv: parse(argv[1:], program))


def script() -> None:
    """What `tinybert-tf` runs."""
    start(_SCRIPT)


def main(arguments: Sequence[str], program: Program = MODULE) -> None:
    """Runs a command in this process.

    Args:
        arguments: sequence of str. The command and its flags.
        program: `Program`.

    Raises:
        SystemExit: after `--help`, and with code 2 after a message about a mistake.
    """
    _execute(parse(arguments, program))


def parse(arguments: Sequence[str], program: Program):
    """Returns what was given, as attributes; see `main`."""
    parser, parsers = _make_parsers(program)
    name, *given = _with_command(list(arguments), program)
    own = given
    if name in parsers:
        command = parsers[name]
        runner_options = []
        if command.takes_runner_options and "--" in own:
            at = own.index("--")
            own, runner_options = own[:at], own[at + 1 :]
        if unknown := command.unknown_flag(own):
            command.error(_explain_flag(unknown, name, parsers))
        command.set_defaults(runner_options=runner_options)
    elif not name.startswith("-") or parser.unknown_flag([name]):
        given = f"unknown command '{name}'" if name else "expected a command; got nothing"
        if name.startswith("-"):
            given = f"expected a command before {name}"
        hint = nearest_name(name, parsers)
        parser.error(f"{given}.{hint} Commands: {', '.join(parsers)}.")
    parsed, rest = parser.parse_known_args([name, *own])
    if rest := [argument for argument in rest if argument != "--"]:
        parsers[parsed.command].error(f"unexpected argument '{' '.join(rest)}'.")
    # What goes on where this was stopped.
    resume = [] if getattr(parsed, "resume", True) else ["--resume"]
    parsed.again = shlex.join([*program.name.split(), name, *resume, *given])
    return parsed


def _with_command(arguments: list[str], program: Program) -> list[str]:
    asks_for_help = arguments[:1] in (["--help"], ["-h"], ["--helpfull"])
    has_command = bool(arguments) and not arguments[0].startswith("-")
    if program.default and not has_command and not asks_for_help:
        return [program.default, *arguments]
    return arguments or [""]


def _explain_flag(flag: str, command: str, parsers: dict[str, CommandParser]) -> str:
    """Returns what is wrong with a flag that is none of a command."""
    owners = [name for name, parser in parsers.items() if flag in parser.flags()]
    hint = nearest_name(flag, parsers[command].flags())
    if owners:
        hint = f" It is a flag of {', '.join(owners)}."
    return f"{command} has no flag {flag}.{hint}"


def _make_parsers(program: Program) -> tuple[CommandParser, dict[str, CommandParser]]:
    """Returns the parser of the program and those of its commands, by name."""
    epilog = _EPILOG.splitlines()[: 2 if program.default else 1]
    parser = CommandParser(
        prog=program.name,
        description=_DESCRIPTION,
        epilog="\n".join(epilog).format(program=program.name, first=program.default),
    )
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    parsers = {}
    for name in program.commands:
        module = importlib.import_module(f"{__package__}.{name.replace('-', '_')}")
        parsers[name] = commands.add_parser(
            name,
            prog=program.name if name == program.default else f"{program.name} {name}",
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
        )
        module.add_arguments(parsers[name])
        parsers[name].set_defaults(execute=module.execute)
    return parser, parsers


@reporting_errors
def _execute(arguments) -> None:
    from tinybert_tf import backend

    backend.check_versions()
    arguments.execute(arguments)
