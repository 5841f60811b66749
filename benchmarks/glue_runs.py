"""Runs on GLUE as rows of a table, for `retention.py` and `deep_teacher.py`."""

import json
import pathlib
from collections.abc import Callable, Sequence

import keras
from rich.progress import track

from tinybert_tf.files import write_json
from tinybert_tf.runs import augmenting, exporting, recipes
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.environment import environment
from tinybert_tf.training import resolve_precision

RESULTS = pathlib.Path(__file__).parent.parent / "docs" / "results"


def run_chain(config: RunConfig, program: str, export: bool = False) -> dict:
    """Runs a config to its evaluation, or its export; returns what `results.json` has."""
    with RunDirectory.creating(config, resume=True) as run:
        run.record_command(config.seed, program)
        recipes.finetune(config, run)
        if config.augmentation is not None:
            augmenting.augment(config, run)
        recipes.distill(config, run)
        recipes.evaluate(config, run)
        if export:
            exporting.export_all(config, run)
    keras.backend.clear_session()
    return run.read_results()


def row_of(config: RunConfig, results: dict) -> dict:
    """Returns what a run came to: by GLUE's first metric of its task, and by all of them."""
    metric = config.resolved_task().metrics[0]
    scores = {name: results["evaluation"][name][metric] for name in ("teacher", "student")}
    stages = [stage.name for stage in config.distillation.stages]
    return {
        "metric": metric,
        "precision": resolve_precision(config.precision),
        **scores,
        "retention": results["evaluation"]["retention"],
        "copies": results.get("augmentation", {}).get("rows", 0),
        "start": results["student_start"]["dev"][metric],
        "stages": {stage: results[stage]["dev"][metric] for stage in stages},
        "scores": _scores(config, results),
        "minutes": sum(results[stage]["seconds"] for stage in stages) / 60,
    }


def _scores(config: RunConfig, results: dict) -> dict:
    """Returns all metrics of teacher, student and its files, by name."""
    evaluation, files = results["evaluation"], results.get("export", {})
    models = {name: evaluation[name] for name in ("teacher", "student")} | files
    return {
        name: {metric: figures[metric] for metric in config.resolved_task().metrics}
        for name, figures in models.items()
    }


def measure_missing(
    output: pathlib.Path, program: str, wanted: Sequence[dict], measure: Callable[..., dict]
) -> None:
    """Adds to a file of rows those that it lacks, each as soon as it is there.

    Args:
        output: path. The JSON file.
        program: str. For the recorded command.
        wanted: sequence of dict. The keys of the rows.
        measure: function from a key, as keyword arguments, to the rest of its row.
    """
    figures = {"environments": [], "rows": []}
    if output.exists():
        figures = json.loads(output.read_text("utf-8"))
    figures["environments"].append(environment(program))
    done = [{name: row[name] for name in wanted[0]} for row in figures["rows"]]
    for key in track([key for key in wanted if key not in done], output.stem):
        row = {**key, **measure(**key)}
        print(row, flush=True)
        figures["rows"].append(row)
        write_json(output, figures)
