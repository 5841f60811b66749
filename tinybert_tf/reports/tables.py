"""What a run prints."""

import dataclasses

import numpy as np
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from tinybert_tf.files import describe_size
from tinybert_tf.runs.checking import Findings, SplitFacts
from tinybert_tf.runs.config import RunConfig

# Columns of the widest thing that is printed to a file.
_WIDEST = 400


def _print(content) -> None:
    """Prints what rich can, without an end cut off."""
    console = Console()
    if not console.is_terminal:
        # A file has no width, and rich takes 80 columns for it.
        wide = console.options.update(max_width=_WIDEST)
        console = Console(width=Measurement.get(console, wide, content).maximum)
    console.print(content)


@dataclasses.dataclass(frozen=True)
class ResultsTable:
    """Teacher, student and the exported files of a run, as text.

    Args:
        title: str.
        caption: str. How to read it.
        columns: tuple of str. The first is the model.
        rows: tuple of tuples of str, as long as `columns`.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def results_table(config: RunConfig, results: dict) -> ResultsTable:
    """Makes the table of a run.

    Args:
        config: `RunConfig`.
        results: dict. What the run's `results.json` holds, an evaluation among it.
    """
    evaluation = results["evaluation"]
    task = config.resolved_task()
    length = config.export.sequence_length or config.data.max_tokens
    first = task.metrics[0]
    same = task.agreement
    rows = [
        (
            name,
            *(f"{figures[metric]:.4f}" for metric in task.metrics),
            f"{figures[first] / figures['best']:.1%}" if figures["best"] else "",
            _maybe(figures.get("agreement"), "{:.1%}"),
            f"{figures['parameters'] / 1e6:.2f} M",
            _maybe(figures.get("megabytes"), "{:.1f} MB"),
            _maybe(figures.get("milliseconds"), "{:.1f}"),
        )
        for name, figures in _result_rows(results, first).items()
    ]
    return ResultsTable(
        title=f"{task.name}: {evaluation['examples']} test examples",
        caption=f"teacher, student: Keras; others: TFLite, by profile. {same}: as the "
        "teacher; a TFLite file's: as the student. "
        f"ms: one text of {length} tokens; TFLite on one thread.",
        columns=("model", *task.metrics, "retained", same, "params", "size", "ms"),
        rows=tuple(rows),
    )


def _result_rows(results: dict, metric: str) -> dict[str, dict]:
    """Returns the figures of each row; `best` is the teacher's metric on the same examples."""
    evaluation = results["evaluation"]
    rows = {
        "teacher": dict(evaluation["teacher"]),
        "student": {**evaluation["student"], "agreement": evaluation.get("agreement")},
    }
    for name, figures in results.get("latency", {}).items():
        rows[name].update(figures)
    for name, figures in results.get("export", {}).items():
        rows[name] = {
            **figures,
            "parameters": evaluation["student"]["parameters"],
        }
    for figures in rows.values():
        figures["best"] = evaluation["teacher"][metric]
    for split, scores in evaluation.get("further", {}).items():
        for name in ("teacher", "student"):
            rows[f"{name}, {split}"] = {
                **scores[name],
                "parameters": evaluation[name]["parameters"],
                "best": scores["teacher"][metric],
            }
    return rows


def check_tables(findings: Findings, max_tokens: int) -> list[ResultsTable]:
    """Makes the tables of a check: splits, models, and stages with time and disk.

    Args:
        findings: `Findings`.
        max_tokens: int. `data.max_tokens`.
    """
    splits = tuple(
        (name, f"{facts.examples:,}", *_lengths(facts), facts.labels)
        for name, facts in findings.splits.items()
    )
    columns = ("split", "examples", "tokens", "99 %", "longest", f"cut at {max_tokens}")
    tables = [ResultsTable("", "", (*columns, "labels"), splits)]
    if findings.models:
        tables.append(ResultsTable("", "", ("model", "is"), tuple(findings.models.items())))
    if findings.stages:
        stages = tuple(
            (
                plan.name,
                str(plan.epochs),
                f"{plan.steps:,}" if plan.steps else "",
                _about(plan.seconds),
            )
            for plan in findings.stages
        )
        caption = f"About {describe_size(findings.disk_bytes)} of disk"
        if findings.seconds is not None:
            caption += f" and, with evaluation and export, {_about(findings.seconds)}"
        caption += "; augmentation is not counted."
        tables.append(ResultsTable("", caption, ("stage", "epochs", "steps", "time"), stages))
    return tables


def _lengths(facts: SplitFacts) -> tuple[str, ...]:
    if not len(facts.lengths):
        return ("", "", "", "")
    middle, most = np.quantile(facts.lengths, (0.5, 0.99))
    return (f"{middle:.0f}", f"{most:.0f}", f"{facts.lengths.max()}", f"{facts.cut:.1%}")


def _about(seconds: float | None) -> str:
    """Returns a time of an estimate, in two digits."""
    if seconds is None:
        return ""
    units = {"h": 3600, "min": 60, "s": 1}
    unit = next((unit for unit, size in units.items() if seconds >= size), "s")
    value = seconds / units[unit]
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def smallest_export(results: dict) -> str | None:
    """Returns the profile with the smallest file, `None` if nothing was exported.

    Args:
        results: dict. What the run's `results.json` holds.
    """
    exports = results.get("export") or {}
    return min(exports, key=lambda name: exports[name]["megabytes"], default=None)


def print_export(output: str, report: dict) -> None:
    """Prints what was exported.

    Args:
        output: str. The folder.
        report: dict. What `export_bundle`, `export_saved_model` or `export_keras` returns.
    """
    table = Table("figure", "value", title=f"{output}")
    for name, value in report.items():
        if isinstance(value, float):
            value = f"{value:.4f}"
        if isinstance(value, dict):
            value = ", ".join(f"{key} {count}" for key, count in value.items())
        table.add_row(name, str(value))
    _print(table)


def _maybe(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def general_table(results: dict) -> ResultsTable:
    """Makes the table of a general distillation: held-out text at its start and at its best.

    Args:
        results: dict. What the run's `results.json` holds, a scored stage among it.
    """
    caption = (
        "attention, hidden, embedding: losses, of all layers and of each. probe: a copy that "
        "was fine-tuned on a small task."
    )
    return _held_out_table(results, "student_start", caption)


def masked_lm_table(results: dict) -> ResultsTable:
    """Makes the table of a masked LM: held-out text at its start and at its best.

    Args:
        results: dict. What the run's `results.json` holds.
    """
    caption = "loss: cross entropy; accuracy: share of right tokens; both at the masks alone."
    return _held_out_table(results, "masked_lm_start", caption)


def _held_out_table(results: dict, start: str, caption: str) -> ResultsTable:
    starts = {"start": results[start]["dev"]} if start in results else {}
    columns = starts | {
        f"{name}, step {figures['best_step']}": figures["best_dev"]
        for name, figures in results.items()
        if isinstance(figures, dict) and "best_dev" in figures
    }
    return ResultsTable(
        title="held-out text",
        caption=caption,
        columns=("figure", *columns),
        rows=tuple(
            (name, *(_maybe(column.get(name), _format(last)) for column in columns.values()))
            for name, last in list(columns.values())[-1].items()
        ),
    )


def _format(value: float) -> str:
    return "{:,}" if isinstance(value, int) else "{:.4f}"


def packed_table(output: str, scores: dict) -> ResultsTable:
    """Makes the table of a student whose encoder was rounded to 8 bits.

    Args:
        output: str. The folder.
        scores: dict. What `pack_student` returns.
    """
    return ResultsTable(
        title=output,
        caption="Before and after the encoder's weights were rounded to 8 bits.",
        columns=("term", *scores),
        rows=tuple(
            (term, *(f"{column[term]:.4f}" for column in scores.values()))
            for term in scores["float32"]
        ),
    )


def print_table(content: ResultsTable) -> None:
    """Prints a table."""
    table = Table(title=content.title or None)
    for i, column in enumerate(content.columns):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    for row in content.rows:
        table.add_row(*row)
    _print(table)
    if content.caption:
        _print(content.caption)
