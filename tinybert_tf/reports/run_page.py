"""The figures of a run as one page that fetches nothing.

Not here: figures. Whatever the page shows, `results.json`, `metrics.jsonl`, `config.yaml`,
`predictions.jsonl` or `attention.json` of the run holds.
"""

import itertools
import pathlib
from collections.abc import Iterator

from tinybert_tf.distillation.stages import TERMS
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file
from tinybert_tf.reports import plots
from tinybert_tf.reports.example_sections import span_examples, text_examples
from tinybert_tf.reports.headline import find_facts
from tinybert_tf.reports.page import Drawing, write_page
from tinybert_tf.reports.tables import ResultsTable, general_table, results_table
from tinybert_tf.runs.config import GeneralConfig, MaskedLMConfig, RunConfig
from tinybert_tf.runs.directory import RunDirectory

_DEV = "dev_"
# What is shown of single examples, by kind of task, in `templates/KIND_examples.html.jinja`.
_EXAMPLES = {"text": text_examples, "span": span_examples}


def write_report(run: RunDirectory) -> pathlib.Path:
    """Writes `report.html` of a run, finished or not; the same figures make the same bytes.

    Args:
        run: `RunDirectory`.

    Returns:
        The path of the page.

    Raises:
        TinyBertError: if a file of the run cannot be read or the page not be written, or the
            run is that of a masked LM.
    """
    config, results = run.config(), run.read_results()
    if isinstance(config, MaskedLMConfig):
        raise TinyBertError(
            f"The run in {run.path} is that of {config.purpose}; a report is made of runs that "
            "distil. TensorBoard shows its curves."
        )
    name = run.path.resolve().name
    if isinstance(config, GeneralConfig):
        content = {
            "task": None,
            "subject": "General distillation",
            "facts": [],
            "summary": _losses(results),
        }
    else:
        content = _task_content(run, config, results)
    return write_page(
        run.path / "report.html",
        "run.html.jinja",
        title=f"{name}: report of a run",
        name=name,
        config=config,
        start=_scores(results.get("student_start", {}).get("dev", {})),
        stages=list(_stages(config, results, _series_of(run.read_metrics()))),
        config_file=read_text_file(run.config_file, "config"),
        commands=_commands(results),
        **content,
    )


def _task_content(run: RunDirectory, config: RunConfig, results: dict) -> dict:
    task = config.resolved_task()
    return {
        "task": task,
        "subject": task.name,
        "facts": find_facts(config, results),
        "summary": results_table(config, results) if "evaluation" in results else None,
        "exports": results.get("export"),
        "export_drawings": _draw_exports(config, results),
        **_EXAMPLES[task.kind](run, task),
    }


# === Sections ===


def _losses(results: dict) -> ResultsTable | None:
    is_scored = any("best_dev" in figures for figures in results.values() if figures)
    return general_table(results) if is_scored else None


def _draw_exports(config: RunConfig, results: dict) -> Iterator[Drawing]:
    exports = results["export"]
    for figure, title in (("megabytes", "Size in MB"), ("milliseconds", "Latency in ms")):
        series = {
            "model.tflite": _column(exports, figure),
            "model_multi.tflite": _column(exports, f"multi_{figure}"),
        }
        series = {name: values for name, values in series.items() if values}
        yield title, plots.bars(figure, title, series)
    student = results.get("evaluation", {}).get("student", {})
    metrics = config.resolved_task().metrics
    for metric in metrics:
        title, values = _to_title(metric), _column(exports, metric)
        yield title, plots.dots(metric, title, values, _reference(student, metric))
    metric = metrics[0]
    points = {name: (row["megabytes"], row[metric]) for name, row in exports.items()}
    title = f"{_to_title(metric)} against size of model.tflite"
    yield title, plots.scatter("scatter", title, "MB", points, _reference(student, metric))


def _stages(config: RunConfig | GeneralConfig, results: dict, series: dict) -> Iterator[dict]:
    stages = {"finetune": None} | {stage.name: stage for stage in config.distillation.stages}
    for i, (name, stage) in enumerate(stages.items()):
        if name in series:
            figures = results.get(name, {})
            teacher = results.get("teacher", {}).get("dev", {}) if stage else {}
            curves = _curves(f"stage{i}", stage, series[name], teacher, figures)
            yield {"name": name, "outcome": _describe_stage(figures), "curves": curves}


def _curves(key: str, stage, series: dict, teacher: dict, figures: dict) -> Iterator[Drawing]:
    for i, name in enumerate(_in_order(series)):
        title, reference, best_step = _to_title(name.replace("_", " ")), None, None
        if name.startswith(_DEV):
            reference = _reference(teacher, name.removeprefix(_DEV), "teacher")
            best_step = figures.get("best_step")
        elif stage and name in TERMS:
            title = f"{_to_title(name)}, weight {getattr(stage, name):g}"
        yield title, plots.curve(f"{key}-{i}", title, series[name], reference, best_step)


def _commands(results: dict) -> list[tuple[str, list[dict]]]:
    """Returns the commands of a run, one after the other, by what they ran on."""
    groups = itertools.groupby(results.get("commands", []), key=_environment_of)
    return [(environment, list(group)) for environment, group in groups]


def _environment_of(command: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in command["versions"].items())
    machine = command["machine"]
    return (
        f"Seed {command['seed']}; Python {command['python']}, {versions}; "
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}."
    )


# === Figures of a run ===


def _series_of(lines: list[dict]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Returns step and value by stage and name.

    What a killed process logged after its last checkpoint is logged again: the later line of
    a step holds.
    """
    stages = {}
    for line in lines:
        series = stages.setdefault(line["stage"], {})
        step = line["step"]
        for name, value in line.items():
            if name not in ("time", "stage", "step"):
                points = series.setdefault(name, [])
                while points and points[-1][0] >= step:
                    points.pop()
                points.append((step, value))
    return stages


def _in_order(series: dict) -> list[str]:
    """Returns the names of series: scores, the loss, its terms, others.

    The one term that a loss consists of is not said twice.
    """
    scores = sorted(name for name in series if name.startswith(_DEV))
    terms = [name for name in TERMS if name in series and series[name] != series.get("loss")]
    loss = [name for name in ("loss",) if name in series]
    others = sorted(series.keys() - {*scores, *TERMS, "loss"})
    return [*scores, *loss, *terms, *others]


def _describe_stage(figures: dict) -> str:
    if "dev" not in figures:
        return "Not scored yet."
    parts = [
        f"{_scores(figures['dev'])} at step {figures['step']}",
        f"best {_scores(figures['best_dev'])} at step {figures['best_step']}",
    ]
    if "seconds" in figures:
        parts.append(f"{figures['seconds'] / 60:.1f} min")
    return _to_title("; ".join(parts)) + "."


def _scores(figures: dict[str, float]) -> str:
    return " and ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _column(rows: dict[str, dict], figure: str) -> dict[str, float]:
    return {name: figures[figure] for name, figures in rows.items() if figure in figures}


def _reference(figures: dict, metric: str, name="Keras student") -> tuple[str, float] | None:
    return (name, figures[metric]) if metric in figures else None


def _to_title(name: str) -> str:
    return name[:1].upper() + name[1:]
