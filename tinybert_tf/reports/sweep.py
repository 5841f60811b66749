"""Several runs as one table: what differs between them, and what came of it."""

import json
import os
import pathlib
from collections.abc import Sequence

from tinybert_tf.errors import TinyBertError
from tinybert_tf.reports.page import write_page
from tinybert_tf.reports.tables import ResultsTable
from tinybert_tf.runs.changes import flatten
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.directory import RunDirectory

# Each run has its own, or the exported files say it.
_NO_CAUSES = ("run_directory", "export.profiles.")


def write_sweep(runs: Sequence[RunDirectory], path: str | os.PathLike) -> pathlib.Path:
    """Writes a page that compares runs of tasks, finished or not.

    Args:
        runs: sequence of `RunDirectory`.
        path: str or path. The page; replaced only when the new one is whole.

    Returns:
        The path.

    Raises:
        TinyBertError: if a run is not that of a task, a file of one cannot be read or the
            page not be written.
    """
    tables = sweep_tables(runs)
    return write_page(path, "sweep.html.jinja", title=f"{len(runs)} runs", tables=tables)


def sweep_tables(runs: Sequence[RunDirectory]) -> list[ResultsTable]:
    """Makes tables of a row for each run: scores and what differs, then the exported files.

    Args:
        runs: sequence of `RunDirectory`.

    Returns:
        list of `ResultsTable`. The second one only if a run has exported files.

    Raises:
        TinyBertError: see `write_sweep`.
    """
    configs = [_task_config(run) for run in runs]
    results = [run.read_results() for run in runs]
    names = [run.path.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    pairs = list(zip(configs, results, strict=True))
    scores = [
        _scores(*pair) | causes for pair, causes in zip(pairs, _causes(configs), strict=True)
    ]
    tables = [
        _make_table(
            "Scores and what differs",
            "student dev: the best of its last stage. retained: the student's test score over "
            "the teacher's. On the right are the keys in which the configs differ.",
            names,
            scores,
        )
    ]
    exports = [_exports(*pair) for pair in pairs]
    if any(exports):
        caption = "model.tflite, by profile; ms: one text on one thread."
        tables.append(_make_table("Exported files", caption, names, exports))
    return tables


def _make_table(
    title: str, caption: str, names: Sequence[str], rows: Sequence[dict[str, str]]
) -> ResultsTable:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return ResultsTable(
        title=title,
        caption=caption,
        columns=("run", *columns),
        rows=tuple(
            (name, *(row.get(column, "") for column in columns))
            for name, row in zip(names, rows, strict=True)
        ),
    )


def _task_config(run: RunDirectory) -> RunConfig:
    config = run.config()
    if not isinstance(config, RunConfig):
        raise TinyBertError(
            f"A sweep compares runs of tasks; the one in {run.path} is that of "
            f"{config.purpose}. Leave it out."
        )
    return config


def _causes(configs: Sequence[RunConfig]) -> list[dict[str, str]]:
    """Returns the values of each config by those keys that are not the same in all."""
    leaves = [flatten(config.to_dict()) for config in configs]
    keys = dict.fromkeys(key for values in leaves for key in values)
    spelled = [{key: _spell(values, key) for key in keys} for values in leaves]
    differing = [
        key
        for key in keys
        if not key.startswith(_NO_CAUSES) and len({values[key] for values in spelled}) > 1
    ]
    return [{key: values[key] for key in differing} for values in spelled]


def _spell(values: dict, key: str) -> str:
    value = values.get(key, "")
    return value if isinstance(value, str) else json.dumps(value)


def _scores(config: RunConfig, results: dict) -> dict[str, str]:
    """Returns what teacher and student have come to, by column."""
    metric = config.resolved_task().metrics[0]
    evaluation, last = results.get("evaluation", {}), config.distillation.stages[-1].name
    scores = {
        "teacher dev": results.get("teacher", {}).get("dev"),
        "student dev": results.get(last, {}).get("best_dev"),
        "teacher test": evaluation.get("teacher"),
        "student test": evaluation.get("student"),
    }
    row = {"metric": metric}
    row |= {name: f"{score[metric]:.4f}" if score else "" for name, score in scores.items()}
    retention = evaluation.get("retention")
    row["retained"] = "" if retention is None else f"{retention:.1%}"
    parameters = evaluation.get("student", {}).get("parameters")
    row["student params"] = f"{parameters / 1e6:.2f} M" if parameters else ""
    return row


def _exports(config: RunConfig, results: dict) -> dict[str, str]:
    """Returns the figures of the exported files, by column."""
    metric, row = config.resolved_task().metrics[0], {}
    for profile, figures in results.get("export", {}).items():
        row[profile] = f"{figures[metric]:.4f}"
        row[f"{profile} MB"] = f"{figures['megabytes']:.1f}"
        row[f"{profile} ms"] = f"{figures['milliseconds']:.1f}"
    return row
