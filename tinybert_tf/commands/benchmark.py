"""The command `benchmark`."""

import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

from tinybert_tf.commands._parser import CommandParser, names, path, positive_integers
from tinybert_tf.errors import TinyBertError

HELP = "measure latency and memory of bundles, beside peers"

_PACKAGES = ("ai-edge-litert", "onnxruntime", "torch", "transformers")


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    add = parser.add_argument
    add("bundles", type=path, nargs="+", metavar="BUNDLE", help="the folder of a bundle")
    add(
        "--run",
        type=path,
        metavar="DIR",
        help="the run of the bundles: gives peers and real texts",
    )
    add(
        "--against",
        type=names,
        default=[],
        metavar="PEERS",
        help="of teacher and bert_base, with a comma between them",
    )
    add("--threads", type=positive_integers, default="1", help="numbers of threads, as in 1,2")
    add("--lengths", type=positive_integers, help="lengths in tokens, as in 16,32,64")
    add("--output", type=path, metavar="FILE", help="the JSON file to write")


def execute(arguments) -> None:
    """Measures what was asked for."""
    run_command(
        arguments.bundles,
        against=arguments.against,
        run=arguments.run,
        threads=arguments.threads,
        lengths=arguments.lengths,
        output=arguments.output,
    )


def run_command(
    bundles: Sequence[str],
    *,
    against: Sequence[str] = (),
    run: str | None = None,
    threads: Sequence[int] = (1,),
    lengths: Sequence[int] | None = None,
    output: str | None = None,
    rounds: int = 5,
    seconds: float = 2.0,
    program: str = "python -m tinybert_tf.export",
    more_peers: Mapping | None = None,
) -> dict:
    """Measures, prints tables and the phone's commands, and writes the numbers.

    Args:
        bundles: sequence of str. Their folders.
        against: sequence of str. Names of peers.
        run: str or `None`. The run directory that the bundles are from; gives the peers' models
            and the real texts, its test split.
        threads: sequence of int.
        lengths: sequence of int or `None`. See `Settings`.
        output: str or `None`. The JSON file to write.
        rounds: int.
        seconds: float.
        program: str. What the recorded command line begins with.
        more_peers: dict of `Peer` by name, or `None`. Peers beside `PEERS`.

    Returns:
        dict. What `benchmark` returns, with command, versions and machine.

    Raises:
        TinyBertError: see `benchmark`.
    """
    from tinybert_tf.export import benchmark
    from tinybert_tf.files import write_json
    from tinybert_tf.runs.environment import environment

    known_peers = {**benchmark.PEERS, **(more_peers or {})}
    models = (benchmark.STUDENT, benchmark.TEACHER) if run else ()
    # Before the minutes of work, not after.
    benchmark.check_peers(against, models, known_peers)
    if output and pathlib.Path(output).is_dir():
        raise TinyBertError(f"The output {output} is a folder. Name a JSON file.")
    bundles = benchmark.read_bundles(bundles)
    report = environment()
    report["command"] = shlex.join([*program.split(), *map(_portable, sys.argv[1:])])
    report["versions"] |= _versions()
    report |= benchmark.benchmark(
        bundles,
        against,
        settings=benchmark.Settings(lengths, threads, rounds, seconds),
        known_peers=known_peers,
        **(_load_run(run, against) if run else {}),
    )
    if output:
        write_json(output, report)
    benchmark.print_report(report)
    _print_phone_commands(bundles, threads)
    return report


def _print_phone_commands(bundles: Sequence, threads: Sequence[int]) -> None:
    from tinybert_tf.export import benchmark

    print(
        f"\nOn a phone, with TensorFlow Lite's benchmark_model in {benchmark.PHONE_FOLDER} "
        "(https://ai.google.dev/edge/litert/models/measurement):"
    )
    for bundle in bundles:
        print(*benchmark.phone_commands(bundle, threads), sep="\n")


def _load_run(directory: str, peers: Sequence[str]) -> dict:
    """Returns the models and texts of a run, as arguments of `benchmark`."""
    from tinybert_tf.checkpoints.locations import load_classifier
    from tinybert_tf.export.benchmark import STUDENT, TEACHER
    from tinybert_tf.runs.directory import RunDirectory
    from tinybert_tf.runs.examples import read_split

    run = RunDirectory.open(directory)
    config = run.config()
    task = config.resolved_task()
    if task.kind != "text":
        raise TinyBertError(
            f"The run in {directory} is of the task '{task.name}'; real texts of a run are "
            "compared by their labels. Leave --run out: latency does not depend on the texts."
        )
    models = {STUDENT: load_classifier(run.student)}
    if TEACHER in peers:
        models[TEACHER] = load_classifier(run.teacher)
    return {"keras_models": models, "examples": read_split(task, config.data, "test")}


def _versions() -> dict[str, str]:
    installed = {d.metadata["Name"] for d in metadata.distributions()}
    return {name: metadata.version(name) for name in _PACKAGES if name in installed}


def _portable(argument: str) -> str:
    """Returns an argument without the place of a file on this machine."""
    flag, equals, value = argument.rpartition("=")
    path = pathlib.Path(value)
    if path.is_absolute():
        here = pathlib.Path.cwd()
        value = str(path.relative_to(here)) if path.is_relative_to(here) else path.name
    return f"{flag}{equals}{value}"
