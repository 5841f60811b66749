"""`python -m tinybert_tf.export --tflite --run RUN_DIR --output DIR`."""

from absl import app, flags

from tinybert_tf.cli import parse_flags, reporting_errors
from tinybert_tf.errors import TinyBertError

_TFLITE = flags.DEFINE_bool("tflite", None, "Export to TFLite.", required=True)
_RUN = flags.DEFINE_string("run", None, "The run directory of the student.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The folder to write.", required=True)
_QUANTIZATION = flags.DEFINE_enum(
    "quantization", "dynamic_int8", ["none", "float16", "dynamic_int8"], "Of the weights."
)
_LENGTH = flags.DEFINE_integer(
    "sequence_length", None, "Static length in tokens; default: the run's data.max_tokens."
)


@reporting_errors
def main(argv):
    """Exports the student of a run; a mistake in what it was given ends with exit code 2."""
    if len(argv) > 1:
        raise TinyBertError(f"unexpected argument '{argv[1]}'; everything is a --flag.")
    # Late, so that a mistake on the command line does not wait for TensorFlow.
    from tinybert_tf.training import recipes, reporting
    from tinybert_tf.training.run_directory import RunDirectory

    run = RunDirectory.open(_RUN.value)
    report = recipes.export_student(
        run.config(), run, _OUTPUT.value, _QUANTIZATION.value, _LENGTH.value
    )
    reporting.print_export(_OUTPUT.value, report)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
