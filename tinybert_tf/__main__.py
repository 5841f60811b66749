"""`python -m tinybert_tf COMMAND --config FILE [--set key=value]`, see `_USAGE`.

`python -m tinybert_tf report --run DIR` makes the page of a run again, or one of several runs.
"""

import contextlib
import sys

from absl import app, flags

from tinybert_tf.cli import parse_flags, reporting_errors
from tinybert_tf.errors import TinyBertError, nearest_name

_CONFIG = flags.DEFINE_string("config", None, "The run's YAML file.")
_SET = flags.DEFINE_multi_string(
    "set", [], "key=value that replaces a key of the config, such as student.dropout=0."
)
_RESUME = flags.DEFINE_bool("resume", False, "Go on with an existing run directory.")
_RUN = flags.DEFINE_multi_string(
    "run", [], "report, pack, predict: the run directory; report takes several."
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "pack, predict: the folder to make; report of several runs: the page."
)
_TEXT = flags.DEFINE_string(
    "text", None, "report: the text whose attention is shown, in place of a test example."
)
_TEXT_PAIR = flags.DEFINE_string("text_pair", None, "report: the second text of a pair.")

_USAGE = """Distils a BERT teacher into a TinyBERT student.

  python -m tinybert_tf run --config FILE        all steps below and the export
  python -m tinybert_tf finetune --config FILE   makes the run directory and its teacher
  python -m tinybert_tf augment --config FILE    makes copies of the training examples, if the
                                                 config has augmentation; what follows `--`
                                                 are options of Apache Beam
  python -m tinybert_tf distill --config FILE    makes the student
  python -m tinybert_tf evaluate --config FILE   scores teacher and student
  python -m tinybert_tf general-distill --config FILE
                                                 makes a student for any task, from a corpus
  python -m tinybert_tf corpus --input FILES... --output DIR
                                                 makes a corpus out of text; see its --help
  python -m tinybert_tf pretrain-mlm --config FILE
                                                 makes a masked LM of an encoder, from a corpus
  python -m tinybert_tf pack --run DIR --output DIR
                                                 saves its student as a preset in 8 bits
  python -m tinybert_tf predict --run DIR --output DIR
                                                 answers GLUE's test sets, for its site
  python -m tinybert_tf report --run DIR         makes report.html again
  python -m tinybert_tf report --run DIR --run DIR ... --output FILE
                                                 compares runs in a table

  --set key=value   replaces a key of the config; may be given several times
  --resume          goes on with an existing run directory; steps whose part of the config
                    has changed, and those after them, are done again
  --text TEXT       report: shows the attention in this text (--text_pair: a second one)
"""


def _finetune(config, run):
    from tinybert_tf.runs import recipes

    recipes.finetune(config, run)


def _augment(config, run, *beam_options):
    from tinybert_tf.runs.augmenting import augment

    augment(config, run, beam_options or None)


def _distill(config, run):
    from tinybert_tf.runs import recipes

    recipes.distill(config, run)


def _evaluate(config, run):
    from tinybert_tf.reports import tables as reporting
    from tinybert_tf.runs import recipes

    recipes.evaluate(config, run)
    reporting.print_table(reporting.results_table(config, run.read_results()))


def _run(config, run):
    from tinybert_tf.reports import run_page as report
    from tinybert_tf.reports import tables as reporting
    from tinybert_tf.runs import augmenting, recipes

    augmenting.check_augmentation(config, run)
    if "evaluation" not in run.read_results():
        recipes.check_test(config)
    recipes.finetune(config, run)
    if config.augmentation is not None:
        augmenting.augment(config, run)
    recipes.distill(config, run)
    if "evaluation" not in run.read_results():
        recipes.evaluate(config, run)
    recipes.export_all(config, run)
    reporting.print_table(reporting.results_table(config, run.read_results()))
    print(f"report: {report.write_report(run)}")


def _general_distill(config, run):
    from tinybert_tf.reports import run_page as report
    from tinybert_tf.reports import tables as reporting
    from tinybert_tf.runs.general import general_distill

    general_distill(config, run)
    reporting.print_table(reporting.general_table(run.read_results()))
    print(f"report: {report.write_report(run)}")


def _pretrain_mlm(config, run):
    from tinybert_tf.reports import tables as reporting
    from tinybert_tf.runs.masked_lm import pretrain_masked_lm

    pretrain_masked_lm(config, run)
    reporting.print_table(reporting.masked_lm_table(run.read_results()))


def _report():
    runs, is_sweep = _RUN.value, len(_RUN.value) > 1
    has_text = bool(_TEXT.present)
    _check_run_flags(
        "report",
        "--run, the run directory (and --text), or several of them and --output, the page",
        runs and is_sweep == bool(_OUTPUT.value) and not (is_sweep and has_text),
        not _TEXT_PAIR.present or has_text,
    )
    from tinybert_tf.evaluation import attention_maps
    from tinybert_tf.reports import run_page as report
    from tinybert_tf.reports import sweep
    from tinybert_tf.runs.directory import RunDirectory

    directories = [RunDirectory.open(path) for path in runs]
    if is_sweep:
        print(f"report: {sweep.write_sweep(directories, _OUTPUT.value)}")
        return
    (run,) = directories
    if has_text:
        attention_maps.save_attention_to(run, _TEXT.value, _TEXT_PAIR.value)
    print(f"report: {report.write_report(run)}")


def _pack():
    run = _open_run_with_output("pack")
    from tinybert_tf.reports import tables as reporting
    from tinybert_tf.runs.general import pack_student

    scores = pack_student(run, _OUTPUT.value)
    reporting.print_table(reporting.packed_table(_OUTPUT.value, scores))


def _predict():
    run = _open_run_with_output("predict")
    from tinybert_tf.runs.glue_submission import predict_glue

    print(f"{_OUTPUT.value}: {', '.join(predict_glue(run, _OUTPUT.value))}")


def _open_run_with_output(command: str):
    """Returns the one `RunDirectory` of a command that writes to `--output`."""
    _check_run_flags(
        command,
        "--run, the run directory, and --output",
        len(_RUN.value) == 1 and _OUTPUT.value,
        not _TEXT.present and not _TEXT_PAIR.present,
    )
    from tinybert_tf.runs.directory import RunDirectory

    return RunDirectory.open(_RUN.value[0])


def _check_run_flags(command: str, wanted: str, *conditions) -> None:
    if not all(conditions) or _CONFIG.value or _SET.value or _RESUME.value:
        raise TinyBertError(
            f"{command} wants {wanted}, and nothing else; its config is in there."
        )


_COMMANDS = {
    "run": _run,
    "finetune": _finetune,
    "augment": _augment,
    "distill": _distill,
    "evaluate": _evaluate,
    "general-distill": _general_distill,
    "pretrain-mlm": _pretrain_mlm,
}
# What their configs are for; those of the others are a task's.
_PURPOSES = {"general-distill": "a general student", "pretrain-mlm": "a masked LM"}
# These make the run directory, the others find it.
_CREATING = ("run", "finetune", *_PURPOSES)
# These want a run directory in place of a config.
_ON_RUNS = {"report": _report, "pack": _pack, "predict": _predict}
_KNOWN = (*_COMMANDS, *_ON_RUNS)


@reporting_errors
def main(argv):
    """Runs a command; a mistake in what it was given ends it with exit code 2."""
    command, *options = argv[1:] or [""]
    # What begins with a dash and is no flag stood behind `--`.
    is_understood = not options or (command == "augment" and options[0].startswith("-"))
    if command not in _KNOWN or not is_understood:
        given = " ".join(argv[1:]) or "nothing"
        raise TinyBertError(
            f"expected one command of {', '.join(_KNOWN)}; got {given}."
            f"{nearest_name(given, _KNOWN)}\n\n{_USAGE}"
        )
    if command in _ON_RUNS:
        _ON_RUNS[command]()
    else:
        _run_command(command, options)


def _run_command(command: str, options: list[str]) -> None:
    others = (_RUN, _OUTPUT, _TEXT, _TEXT_PAIR)
    if not _CONFIG.value or any(flag.present for flag in others):
        raise TinyBertError(
            f"{command} wants --config, the run's YAML file; "
            f"{', '.join(f'--{flag.name}' for flag in others)} are flags of "
            f"{', '.join(_ON_RUNS)}."
        )
    # Late, so that a mistake on the command line does not wait for TensorFlow.
    from tinybert_tf.reports.tables import print_config
    from tinybert_tf.runs.config_file import load_config
    from tinybert_tf.runs.directory import RunDirectory

    config = load_config(_CONFIG.value, _SET.value)
    wanted = _PURPOSES.get(command, "a task")
    if config.purpose != wanted:
        raise TinyBertError(
            f"{command} wants the config of {wanted}; {_CONFIG.value} is that of "
            f"{config.purpose}."
        )
    print_config(config)
    if command in _CREATING:
        opening = RunDirectory.creating(config, resume=_RESUME.value)
    else:
        existing = RunDirectory.open(config.run_directory)
        existing.adopt_config(config)
        opening = contextlib.nullcontext(existing)
    with opening as run:
        run.record_command(config.seed)
        _COMMANDS[command](config, run, *options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["corpus"]:
        from tinybert_tf.commands import corpus as command

        command.main(sys.argv[1:])
    else:
        app.run(main, flags_parser=parse_flags)
