"""The figures of a run as one page that fetches nothing.

Not here: figures. Whatever the page shows, `results.json`, `metrics.jsonl`, `config.yaml`,
`predictions.jsonl` or `attention.json` of the run holds.
"""

import itertools
import pathlib
from xml.etree.ElementTree import Element, SubElement

from tinybert_tf.distillation.stages import TERMS
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file
from tinybert_tf.reports import plots
from tinybert_tf.reports.example_sections import add_answers, add_attention, add_predictions
from tinybert_tf.reports.page import (
    add,
    add_figure,
    add_grid,
    add_section,
    add_table,
    make_page,
    write_page,
)
from tinybert_tf.reports.tables import general_table, results_table
from tinybert_tf.runs.config import GeneralConfig, MaskedLMConfig, RunConfig
from tinybert_tf.runs.directory import RunDirectory

_DEV = "dev_"
# What is shown of single examples, by kind of task.
_EXAMPLE_SECTIONS = {"text": (add_predictions, add_attention), "span": (add_answers,)}


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
    return write_page(_make_report(run), run.path / "report.html")


def _make_report(run: RunDirectory) -> Element:
    config, results = run.config(), run.read_results()
    if isinstance(config, MaskedLMConfig):
        raise TinyBertError(
            f"The run in {run.path} is that of {config.purpose}; a report is made of runs that "
            "distil. TensorBoard shows its curves."
        )
    is_general = isinstance(config, GeneralConfig)
    name = run.path.resolve().name
    subject = "General distillation" if is_general else config.resolved_task().name
    html = make_page(f"{name}: report of a run")
    body = html.find("body")
    header = SubElement(body, "header")
    add(header, "h1", name)
    add(header, "p", f"{subject}: {config.student.architecture} from {config.teacher.weights}")
    main = SubElement(body, "main")
    if is_general:
        _add_losses(main, results)
    else:
        _add_summary(main, config, results)
        task = config.resolved_task()
        for add_examples in _EXAMPLE_SECTIONS[task.kind]:
            add_examples(main, run, task)
        _add_exports(main, config, results)
    _add_training(main, config, results, _series_of(run.read_metrics()))
    _add_config(main, run)
    _add_commands(main, results)
    return html


# === Sections ===


def _add_summary(main: Element, config: RunConfig, results: dict) -> None:
    section = add_section(main, "Summary")
    if "evaluation" not in results:
        add(section, "p", "Teacher and student are not evaluated yet.")
        return
    content = results_table(config, results)
    add_table(section, content)
    add(section, "p", content.caption)


def _add_losses(main: Element, results: dict) -> None:
    section = add_section(main, "Summary")
    if not any("best_dev" in figures for figures in results.values() if figures):
        add(section, "p", "The student is not scored yet.")
        return
    content = general_table(results)
    add_table(section, content)
    add(section, "p", content.caption)


def _add_exports(main: Element, config: RunConfig, results: dict) -> None:
    section = add_section(main, "Exported files")
    exports = results.get("export")
    if not exports:
        add(section, "p", "No file is exported yet.")
        return
    lengths = sorted({figures["sequence_length"] for figures in exports.values()})
    add(
        section,
        "p",
        "One text at a time on one thread, padded to "
        f"{' or '.join(map(str, lengths))} tokens in model.tflite and to the shortest length "
        "that holds it in model_multi.tflite.",
    )
    grid = add_grid(section)
    for figure, title in (("megabytes", "Size in MB"), ("milliseconds", "Latency in ms")):
        series = {
            "model.tflite": _column(exports, figure),
            "model_multi.tflite": _column(exports, f"multi_{figure}"),
        }
        series = {name: values for name, values in series.items() if values}
        add_figure(grid, title, plots.bars(figure, title, series))
    student = results.get("evaluation", {}).get("student", {})
    metrics = config.resolved_task().metrics
    for metric in metrics:
        title, values = _to_title(metric), _column(exports, metric)
        svg = plots.dots(metric, title, values, _reference(student, metric))
        add_figure(grid, title, svg)
    metric = metrics[0]
    points = {name: (row["megabytes"], row[metric]) for name, row in exports.items()}
    title = f"{_to_title(metric)} against size of model.tflite"
    svg = plots.scatter("scatter", title, "MB", points, _reference(student, metric))
    add_figure(grid, title, svg)


def _add_training(main: Element, config: RunConfig, results: dict, series: dict) -> None:
    section = add_section(main, "Training")
    if not series:
        add(section, "p", "Nothing is logged yet.")
        return
    add(
        section,
        "p",
        "Losses are means since the epoch began or the run was resumed, each term before its "
        "weight. Scores are of the dev set. Minutes leave out processes that were killed.",
    )
    start = results.get("student_start", {}).get("dev", {})
    if start:
        add(section, "p", f"The student began with {_scores(start)}.")
    stages = {"finetune": None} | {stage.name: stage for stage in config.distillation.stages}
    for i, (name, stage) in enumerate(stages.items()):
        if name in series:
            figures = results.get(name, {})
            add(section, "h3", name)
            add(section, "p", _describe_stage(figures))
            teacher = results.get("teacher", {}).get("dev", {}) if stage else {}
            grid = add_grid(section)
            _add_curves(grid, f"stage{i}", stage, series[name], teacher, figures)


def _add_curves(grid, key: str, stage, series: dict, teacher: dict, figures: dict) -> None:
    for i, name in enumerate(_in_order(series)):
        title, reference, best_step = _to_title(name.replace("_", " ")), None, None
        if name.startswith(_DEV):
            reference = _reference(teacher, name.removeprefix(_DEV), "teacher")
            best_step = figures.get("best_step")
        elif stage and name in TERMS:
            title = f"{_to_title(name)}, weight {getattr(stage, name):g}"
        svg = plots.curve(f"{key}-{i}", title, series[name], reference, best_step)
        add_figure(grid, title, svg)


def _add_config(main: Element, run: RunDirectory) -> None:
    section = add_section(main, "Config")
    details = SubElement(section, "details")
    add(details, "summary", "config.yaml")
    add(SubElement(details, "pre"), "code", read_text_file(run.config_file, "config"))


def _add_commands(main: Element, results: dict) -> None:
    section = add_section(main, "Commands")
    commands = results.get("commands", [])
    if not commands:
        add(section, "p", "No command is recorded.")
    for environment, group in itertools.groupby(commands, key=_environment_of):
        steps = SubElement(section, "ol")
        for command in group:
            item = SubElement(steps, "li")
            add(item, "code", command["command"])
            add(item, "time", command["started"])
        add(section, "p", environment)


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
