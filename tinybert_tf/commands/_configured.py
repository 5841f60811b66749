"""What the commands that take `--config` share."""

import contextlib
from collections.abc import Iterator

from tinybert_tf.commands._parser import CommandParser, path
from tinybert_tf.errors import TinyBertError

TASK = "a task"


def add_arguments(parser: CommandParser) -> None:
    """Adds `--config`, `--set` and `--resume`."""
    add_config(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with an existing run directory; steps whose part of the config has "
        "changed, and those after them, are done again",
    )


def add_config(parser: CommandParser) -> None:
    """Adds `--config` and `--set`."""
    add = parser.add_argument
    add("--config", type=path, required=True, metavar="FILE", help="the run's YAML file")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a key of the config, as in student.dropout=0; may be given several times",
    )


def load(arguments, *, purpose: str = TASK, trains: bool = False):
    """Reads the config, and prints what the machine has for it.

    Args:
        arguments: of `add_config`.
        purpose: str. What the config must be for.
        trains: bool. Whether the command trains, on all workers if there are several.

    Raises:
        TinyBertError: if the config cannot be used.
    """
    from tinybert_tf.runs.config_file import load_config
    from tinybert_tf.runs.devices import describe_devices, set_up_devices
    from tinybert_tf.training import make_strategy

    config = load_config(arguments.config, arguments.set)
    if config.purpose != purpose:
        raise TinyBertError(
            f"{arguments.command} needs the config of {purpose}; {arguments.config} is that of "
            f"{config.purpose}."
        )
    set_up_devices()
    if trains:
        make_strategy(config.strategy)
    print(describe_devices(config), flush=True)
    return config


@contextlib.contextmanager
def open_run(
    arguments, *, purpose: str = TASK, creates: bool = False, trains: bool = False
) -> Iterator[tuple]:
    """Reads the config, and makes or finds the run directory, which keeps it.

    Args:
        arguments: of `add_arguments`.
        purpose: str. What the config must be for.
        creates: bool. Whether the command makes the run directory.
        trains: bool. See `load`.

    Yields:
        `RunConfig` and `RunDirectory`.

    Raises:
        TinyBertError: if the config or the run directory cannot be used.
    """
    from tinybert_tf.runs.directory import RunDirectory
    from tinybert_tf.runs.sharing import sharing_run

    def opening():
        if creates:
            return RunDirectory.creating(config, resume=arguments.resume)
        return RunDirectory.going_on(config)

    config = load(arguments, purpose=purpose, trains=trains)
    with sharing_run(config, opening) as run:
        run.record_command(config.seed)
        print(f"settings: {run.config_file}", flush=True)
        yield config, run
