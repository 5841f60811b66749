"""The export of a run: its student as bundles, SavedModel or Keras file."""

import dataclasses
import os
import pathlib
import shutil

import numpy as np

from tinybert_tf import export
from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.data import encode_examples
from tinybert_tf.runs.config import ExportConfig, RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.examples import read_split, take_random
from tinybert_tf.runs.steps import task_steps
from tinybert_tf.tokenization import BertPreprocessor

# Training examples that an export may measure on.
_CALIBRATION_EXAMPLES = 5000


def export_student(
    config: RunConfig,
    run: RunDirectory,
    output: str | os.PathLike,
    profile: str,
    options: ExportConfig | None = None,
) -> dict:
    """Exports the student of the run as a bundle, compared with it on the test split.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. With a student.
        output: str or path. The folder to write.
        profile: str. See `tinybert_tf.export.load_profile`.
        options: `ExportConfig` or `None`. In place of the config's; its profiles are not
            looked at.

    Returns:
        dict. See `tinybert_tf.export.export_bundle`.

    Raises:
        TinyBertError: if there is no student or a file differs from it too much.
    """
    steps, options = task_steps(config), options or config.export
    student = load_classifier(run.student)
    length = options.sequence_length or student.preprocessor.sequence_length
    preprocessor = BertPreprocessor(student.preprocessor.tokenizer, length)
    test = read_split(steps.task, config.data, "test")
    examples, score = steps.export_data(test, preprocessor)
    calibration = None
    if export.load_profile(profile).wants_calibration:
        train = read_split(steps.task, config.data, "train")
        train = take_random(train, _CALIBRATION_EXAMPLES, config.seed)
        calibration, _ = steps.export_data(train, preprocessor)
    split = "test" if config.data.test else "dev"
    return export.export_bundle(
        student,
        examples,
        output,
        profile,
        sequence_length=length,
        lengths=options.lengths,
        calibration=calibration,
        task=steps.task_card(split, score),
        card=export.ModelCard(
            options.name or run.path.resolve().name,
            options.description,
            options.version,
            options.author,
            options.license,
        ),
        made_by=_made_by(config),
    )


def _made_by(config: RunConfig) -> dict:
    """Returns what of a config may travel with its model: no paths, no names of files."""
    values = config.to_dict()
    made = {key: values[key] for key in ("student", "distillation", "seed", "precision")}
    made["student"] |= {"start": pathlib.Path(config.student.start).name}
    if config.augmentation is not None:
        made["augmentation"] = dataclasses.asdict(config.augmentation.options())
    return made


def export_text_model(run: RunDirectory, output: str | os.PathLike, kind: str) -> dict:
    """Exports the student of the run with its tokenizer, for servers and for Keras.

    Args:
        run: `RunDirectory`. With a student.
        output: str or path. The folder or file to write.
        kind: str. `"saved_model"` or `"keras"`.

    Returns:
        dict. See `tinybert_tf.export.export_saved_model`.

    Raises:
        TinyBertError: if there is no student or what was written differs from it.
    """
    config = run.config()
    steps = task_steps(config)
    write = {"saved_model": export.export_saved_model, "keras": export.export_keras}[kind]
    test = steps.texts(read_split(steps.task, config.data, "test"))
    return write(load_classifier(run.student), test, output)


def export_all(config: RunConfig, run: RunDirectory) -> None:
    """Exports every profile of the config to `export/`, and times the Keras models.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`. With teacher and student.

    Raises:
        TinyBertError: see `export_student`.
    """
    reports = run.read_results().get("export", {})
    for profile in config.export.profiles:
        settings = dataclasses.asdict(export.load_profile(profile))
        name = settings["name"]
        output = run.exports / name
        # A profile of one's own may have changed, where the config has its path alone.
        is_current = reports.get(name, {}).get("settings") == settings
        if not is_current or not output.exists():
            print(f"exporting {name} to {output}", flush=True)
            shutil.rmtree(output, ignore_errors=True)
            report = export_student(config, run, output, profile)
            reports[name] = {**report, "settings": settings}
            run.add_results(export=reports)
    if "latency" in run.read_results():
        return
    length = config.export.sequence_length or config.data.max_tokens
    steps = task_steps(config)
    test = read_split(steps.task, config.data, "test")
    sample = steps.texts(test.take(np.arange(min(len(test), 100))))
    latency = {}
    for name, directory in (("teacher", run.teacher), ("student", run.student)):
        model = load_classifier(directory)
        preprocessor = BertPreprocessor(model.preprocessor.tokenizer, length)
        encoded = encode_examples(sample, preprocessor)
        function = export.keras_function(model, length)
        latency[name] = {
            "milliseconds": export.median_milliseconds(
                function, encoded, lambda tokens: length
            ),
            "megabytes": model.count_params() * 4 / 1e6,
        }
    run.add_results(latency=latency)
