"""The exporter's commands.

python -m tinybert_tf.export --tflite --run RUN --output DIR [--profile NAME] [--android APP]
python -m tinybert_tf.export --saved-model --run RUN --output DIR
python -m tinybert_tf.export --keras --run RUN --output FILE.keras
python -m tinybert_tf.export verify BUNDLE...
python -m tinybert_tf.export install BUNDLE --android APP
python -m tinybert_tf.export benchmark BUNDLE... [--against PEER,...] [--run RUN]
"""

import dataclasses

import pydantic
from absl import app, flags

from tinybert_tf.cli import parse_flags, reporting_errors
from tinybert_tf.errors import TinyBertError

_FORMATS = ("tflite", "saved-model", "keras")
flags.DEFINE_bool("tflite", False, "Export a bundle: TFLite files and what an app needs.")
flags.DEFINE_bool("saved-model", False, "Export a SavedModel: text in, probabilities out.")
flags.DEFINE_bool("keras", False, "Export one .keras file with the tokenizer in it.")
_RUN = flags.DEFINE_string("run", None, "The run directory of the student.")
_OUTPUT = flags.DEFINE_string("output", None, "What to write; benchmark: a JSON file.")
_PROFILE = flags.DEFINE_string(
    "profile", "dynamic_int8", "A name of export/profiles, or a YAML file of your own."
)
flags.DEFINE_alias("quantization", "profile")
_LENGTH = flags.DEFINE_integer(
    "sequence_length", None, "Static length in tokens; default: the run's export or max_tokens."
)
_LENGTHS = flags.DEFINE_list(
    "lengths", None, "Lengths of model_multi.tflite, or of a benchmark, such as 16,32,64."
)
_NAME = flags.DEFINE_string("name", None, "Of the model; default: the run directory's.")
_DESCRIPTION = flags.DEFINE_string("description", None, "One line about the model.")
_VERSION = flags.DEFINE_string("model_version", None, "Of the model.")
_AUTHOR = flags.DEFINE_string("author", None, "Who made the model.")
_LICENSE = flags.DEFINE_string("license", None, "Of the weights.")
_ANDROID = flags.DEFINE_string(
    "android", None, "The folder of the Android demo, whose bundle this becomes."
)
_AGAINST = flags.DEFINE_list(
    "against", [], "Peers of a benchmark: teacher, bert_base, onnx_int8, pytorch."
)
_THREADS = flags.DEFINE_list("threads", ["1"], "Numbers of threads of a benchmark.")


@reporting_errors
def main(argv):
    """Runs a command; a mistake in what it was given ends with exit code 2."""
    command, *arguments = argv[1:] or [None]
    if command is None:
        _export()
    elif command == "verify":
        _verify(arguments)
    elif command == "install":
        _install(arguments)
    elif command == "benchmark":
        _benchmark(arguments)
    else:
        raise TinyBertError(
            f"unexpected argument '{command}'. Commands are verify, install and benchmark; "
            "without one, everything is a --flag."
        )


def _export() -> None:
    chosen = [name for name in _FORMATS if flags.FLAGS[name].value]
    if len(chosen) != 1:
        raise TinyBertError(f"choose one of --{', --'.join(_FORMATS)}; got {chosen or 'none'}.")
    if not _RUN.value or not _OUTPUT.value:
        raise TinyBertError(
            "an export wants --run, the student's, and --output, what to write."
        )
    lengths = _integers(_LENGTHS)
    # Late, so that a mistake on the command line does not wait for TensorFlow.
    from tinybert_tf import export
    from tinybert_tf.reports import tables as reporting
    from tinybert_tf.runs import recipes
    from tinybert_tf.runs.directory import RunDirectory

    run = RunDirectory.open(_RUN.value)
    if chosen != ["tflite"]:
        report = recipes.export_text_model(run, _OUTPUT.value, chosen[0].replace("-", "_"))
        reporting.print_export(_OUTPUT.value, report)
        return
    if _ANDROID.value:
        export.check_app(_ANDROID.value)
    config = run.config()
    given = {
        "sequence_length": _LENGTH.value,
        "lengths": lengths,
        "name": _NAME.value,
        "description": _DESCRIPTION.value,
        "version": _VERSION.value,
        "author": _AUTHOR.value,
        "license": _LICENSE.value,
    }
    given = {name: value for name, value in given.items() if value is not None}
    try:
        options = dataclasses.replace(config.export, **given)
    except pydantic.ValidationError as error:
        problems = [f"--{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise TinyBertError("; ".join(problems)) from error
    report = recipes.export_student(config, run, _OUTPUT.value, _PROFILE.value, options)
    reporting.print_export(_OUTPUT.value, report)
    if _ANDROID.value:
        print(f"The app has it at {export.put_into_app(_OUTPUT.value, _ANDROID.value)}.")


def _verify(bundles: list[str]) -> None:
    if not bundles:
        raise TinyBertError("verify wants the folder of a bundle.")
    from tinybert_tf import export

    for bundle in bundles:
        info = export.verify_bundle(bundle)
        print(
            f"{bundle}: {info['name']} {info['version']}, {info['quantization']['profile']}, "
            f"{len(info['files'])} files as listed, golden outputs within "
            f"{info['golden_difference']:.1e}."
        )


def _install(bundles: list[str]) -> None:
    if len(bundles) != 1 or not _ANDROID.value:
        raise TinyBertError("install wants one bundle, and --android, the demo's folder.")
    from tinybert_tf import export

    export.check_app(_ANDROID.value)
    export.verify_bundle(bundles[0])
    print(f"The app has it at {export.put_into_app(bundles[0], _ANDROID.value)}.")


def _benchmark(bundles: list[str]) -> None:
    threads, lengths = _integers(_THREADS), _integers(_LENGTHS)
    from tinybert_tf.commands.benchmark import run_command

    run_command(bundles, _AGAINST.value, _RUN.value, threads, lengths, _OUTPUT.value)


def _integers(flag) -> list[int] | None:
    if flag.value is None:
        return None
    if not all(value.isdecimal() and int(value) for value in flag.value):
        raise TinyBertError(
            f"--{flag.name} wants positive numbers; got {','.join(flag.value)}."
        )
    return [int(value) for value in flag.value]


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
