"""The command `export`, which `python -m tinybert_tf.export --tflite ...` means, too."""

import dataclasses

from tinybert_tf.commands._parser import CommandParser, path, positive_integers
from tinybert_tf.errors import TinyBertError

HELP = "export the student: TFLite bundle, SavedModel or Keras"

_PROFILE = "dynamic_int8"
# They replace what the run's config has under `export`.
_OPTIONS = ("sequence_length", "lengths", "name", "description", "version", "author", "license")


def add_arguments(parser: CommandParser) -> None:
    """Adds its flags."""
    formats = parser.add_mutually_exclusive_group(required=True)
    for kind, what in (
        ("tflite", "a bundle: TFLite files and what an app needs"),
        ("saved-model", "a SavedModel: text in, probabilities out"),
        ("keras", "one .keras file with the tokenizer in it"),
    ):
        name = kind.replace("-", "_")
        formats.add_argument(
            f"--{kind}", dest="format", action="store_const", const=name, help=what
        )
    add = parser.add_argument
    add(
        "--run",
        type=path,
        required=True,
        metavar="DIR",
        help="the run directory of the student",
    )
    add(
        "--output",
        type=path,
        required=True,
        metavar="PATH",
        help="the folder or .keras file to write",
    )
    bundle = parser.add_argument_group("with --tflite")
    add = bundle.add_argument
    add(
        "--profile",
        "--quantization",
        type=path,
        metavar="NAME",
        help=f"a name of export/profiles, or a YAML file of your own (default: {_PROFILE})",
    )
    add(
        "--sequence_length",
        type=int,
        metavar="TOKENS",
        help="static length (default: the run's export.sequence_length or data.max_tokens)",
    )
    add(
        "--lengths",
        type=positive_integers,
        help="lengths of model_multi.tflite, as in 16,32 (default: the run's export.lengths)",
    )
    add("--name", help="of the model (default: the run directory's)")
    add("--description", metavar="TEXT", help="one line about the model")
    add("--model_version", dest="version", metavar="VERSION", help="of the model")
    add("--author", help="who made the model")
    add("--license", help="of the weights")
    add(
        "--android",
        type=path,
        metavar="DIR",
        help="the folder of the Android demo, to put the bundle in",
    )


def execute(arguments) -> None:
    """Writes it and prints what it is."""
    if arguments.format != "tflite":
        _refuse_options_of_bundles(arguments)
    from tinybert_tf.reports import tables
    from tinybert_tf.runs import exporting
    from tinybert_tf.runs.directory import RunDirectory

    run = RunDirectory.open(arguments.run)
    if arguments.format == "tflite":
        _export_bundle(arguments, run)
    else:
        report = exporting.export_text_model(run, arguments.output, arguments.format)
        tables.print_export(arguments.output, report)


def _refuse_options_of_bundles(arguments) -> None:
    for name in (*_OPTIONS, "profile", "android"):
        if getattr(arguments, name) is not None:
            flag = "model_version" if name == "version" else name
            raise TinyBertError(f"--{flag} is for --tflite only.")


def _export_bundle(arguments, run) -> None:
    from tinybert_tf import export
    from tinybert_tf.reports import tables
    from tinybert_tf.runs import exporting

    if arguments.android:
        export.check_app(arguments.android)
    config = run.config()
    options = _options(arguments, config.export)
    profile = arguments.profile or _PROFILE
    report = exporting.export_student(config, run, arguments.output, profile, options)
    tables.print_export(arguments.output, report)
    if arguments.android:
        place = export.put_into_app(arguments.output, arguments.android)
        print(f"The app has it at {place}.")


def _options(arguments, configured):
    """Returns the `ExportConfig` of the run with what was given in place of its values."""
    import pydantic

    given = {name: getattr(arguments, name) for name in _OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return dataclasses.replace(configured, **given)
    except pydantic.ValidationError as error:
        problems = [f"--{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise TinyBertError("; ".join(problems)) from error
