"""`python -m tinybert_tf {run,finetune,distill,evaluate} --config FILE [--set key=value]`.

`python -m tinybert_tf report --run DIR` makes the page of a run again.
"""

import contextlib

from absl import app, flags

from tinybert_tf.cli import parse_flags, reporting_errors
from tinybert_tf.errors import TinyBertError, nearest_name

_CONFIG = flags.DEFINE_string("config", None, "The run's YAML file.")
_SET = flags.DEFINE_multi_string(
    "set", [], "key=value that replaces a key of the config, such as student.dropout=0."
)
_RESUME = flags.DEFINE_bool("resume", False, "Go on with an existing run directory.")
_RUN = flags.DEFINE_string("run", None, "report: the run directory.")

_USAGE = """Distils a BERT teacher into a TinyBERT student.

  python -m tinybert_tf run --config FILE        all steps below and the export
  python -m tinybert_tf finetune --config FILE   makes the run directory and its teacher
  python -m tinybert_tf distill --config FILE    makes the student
  python -m tinybert_tf evaluate --config FILE   scores teacher and student
  python -m tinybert_tf report --run DIR         makes report.html again

  --set key=value   replaces a key of the config; may be given several times
  --resume          goes on with an existing run directory
"""


def _finetune(config, run):
    from tinybert_tf.training import recipes

    recipes.finetune(config, run)


def _distill(config, run):
    from tinybert_tf.training import recipes

    recipes.distill(config, run)


def _evaluate(config, run):
    from tinybert_tf.training import recipes, reporting

    recipes.evaluate(config, run)
    reporting.print_results(config, run.read_results())


def _run(config, run):
    from tinybert_tf.training import recipes, report, reporting

    recipes.finetune(config, run)
    recipes.distill(config, run)
    recipes.evaluate(config, run)
    recipes.export_all(config, run)
    reporting.print_results(config, run.read_results())
    print(f"report: {report.write_report(run)}")


def _report():
    if not _RUN.value or _CONFIG.value or _SET.value or _RESUME.value:
        raise TinyBertError(
            "report wants --run, the run directory, and nothing else; its config is in there."
        )
    from tinybert_tf.training.report import write_report
    from tinybert_tf.training.run_directory import RunDirectory

    print(f"report: {write_report(RunDirectory.open(_RUN.value))}")


_COMMANDS = {"run": _run, "finetune": _finetune, "distill": _distill, "evaluate": _evaluate}
# These two make the run directory, the others find it.
_CREATING = ("run", "finetune")
# This one wants a run directory in place of a config.
_KNOWN = (*_COMMANDS, "report")


@reporting_errors
def main(argv):
    """Runs a command; a mistake in what it was given ends it with exit code 2."""
    if len(argv) != 2 or argv[1] not in _KNOWN:
        given = " ".join(argv[1:]) or "nothing"
        raise TinyBertError(
            f"expected one command of {', '.join(_KNOWN)}; got {given}."
            f"{nearest_name(given, _KNOWN)}\n\n{_USAGE}"
        )
    if argv[1] == "report":
        _report()
    else:
        _run_command(argv[1])


def _run_command(command: str) -> None:
    if not _CONFIG.value or _RUN.value:
        raise TinyBertError(
            f"{command} wants --config, the run's YAML file; --run is a flag of report."
        )
    # Late, so that a mistake on the command line does not wait for TensorFlow.
    from tinybert_tf.training.config import load_config
    from tinybert_tf.training.reporting import print_config
    from tinybert_tf.training.run_directory import RunDirectory

    config = load_config(_CONFIG.value, _SET.value)
    print_config(config)
    if command in _CREATING:
        opening = RunDirectory.creating(config, resume=_RESUME.value)
    else:
        existing = RunDirectory.open(config.run_directory)
        existing.check_config(config)
        opening = contextlib.nullcontext(existing)
    with opening as run:
        run.record_command(config.seed)
        _COMMANDS[command](config, run)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
