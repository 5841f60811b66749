"""Sections of what a student starts from: general distillation, and other ways."""

import io
import re
import statistics

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from results_pages.parts import benchmark_commands, load, run_commands, seeds, spread, table

STARTS = ("random", "teacher", "general")
DISTILLED = (
    "before training",
    "after stage one",
    "with its head fitted again",
    "after stage two",
    "best of stage two",
)
SMALL_TASKS = (
    ("cola", "CoLA", "matthews"),
    ("mrpc", "MRPC", "f1"),
    ("rte", "RTE", "accuracy"),
    ("stsb", "STS-B", "spearman"),
)
GENERAL_STUDENT = (
    "The same shape, examples, steps and learning rates; *random* weights, *teacher*: fitted "
    "to the teacher in closed form, *general*: the preset `tinybert_4l_312d_en`. Mean and "
    "standard deviation where there is more than one seed."
)


def general_section() -> list[str]:
    """The general distillation of the student in the package."""
    results = load("general_minilm_en")
    if results is None:
        return []
    totals = results["corpus"]["totals"]
    best, packed = results["general"], results["packed"]
    rows = [
        [
            term,
            f"{results['student_start']['dev'][term]:.4f}",
            f"{best['best_dev'][term]:.4f}",
            f"{packed['int8'][term]:.4f}",
        ]
        for term in best["best_dev"]
        if not term.startswith("probe")
    ]
    header = ["term", "start", f"step {best['best_step']}", "in 8 bits"]
    return [
        "## General distillation",
        "MiniLM into `tinybert_4l_312d_en`: "
        f"{totals['train']['tokens'] / 1e6:.2f} M tokens of the English Wikipedia, "
        f"{best['seconds'] / 60:.0f} minutes beside other work. Losses on held-out articles, "
        "from a student that was fitted to its teacher in closed form (*start*).",
        run_commands(results),
        table(header, rows),
        "![Held-out losses of each layer over training](general_losses.svg)",
    ]


def losses_plot() -> str | None:
    """Draws held-out attention and hidden losses of each layer over a general distillation."""
    results = load("general_minilm_en")
    if results is None:
        return None
    points = [{"step": 0, **results["student_start"]["dev"]}]
    points += [
        {"step": line["step"], **{k.removeprefix("dev_"): v for k, v in line.items()}}
        for line in results["history"]
    ]
    with matplotlib.rc_context({"svg.hashsalt": "tinybert-tf", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(9, 3.4), layout="constrained", facecolor="white")
        for axes, term in zip(figure.subplots(1, 2), ("attention", "hidden"), strict=True):
            layers = [k for k in points[0] if k.startswith(f"{term}_")]
            for layer in layers:
                steps, values = zip(*((p["step"], p[layer]) for p in points), strict=True)
                axes.plot(steps, values, marker="o", markersize=3, label=layer[-1])
            axes.set(title=f"{term} loss, held-out text", xlabel="step", yscale="log")
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_minor_formatter(ScalarFormatter())
            axes.grid(alpha=0.3)
            axes.legend(title="student block", ncols=2, fontsize="small")
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    # Matplotlib names clip paths after numbers as text, which numpy 1 and 2 write differently.
    drawing = file.getvalue()
    for i, name in enumerate(dict.fromkeys(re.findall(r"\bp[0-9a-f]{10}\b", drawing))):
        drawing = drawing.replace(name, f"clip{i}")
    return drawing


def general_student_section() -> list[str]:
    """What a student's start is worth to tasks."""
    figures = load("general_student")
    if figures is None:
        return []
    parts = ["## What a student's start is worth", GENERAL_STUDENT, benchmark_commands(figures)]
    scores = figures["fine_tuned"]
    if scores:
        rows = [
            [
                f"{title} ({metric})",
                *(spread(scores, metric, task=task, start=s) for s in STARTS),
            ]
            for task, title, metric in SMALL_TASKS
            if any(row["task"] == task for row in scores)
        ]
        parts += [
            "Fine-tuned with plain labels, "
            f"{scores[0]['examples']:,} examples at most, {scores[0]['epochs']} epochs, up to "
            f"{seeds(scores)}; *teacher* is fitted to MiniLM, which knows no task. Nothing "
            "was learned where CoLA's correlation is near 0 and RTE's accuracy near 0.527, the "
            "share of its larger class:",
            table(["dev", *STARTS], rows),
        ]
    scores = figures["distilled"]
    if scores:
        parts += [
            f"SST-2 distilled from its teacher with {scores[0]['examples']:,} sentences "
            f"(`configs/glue/sst2_few.yaml`), dev accuracy, {seeds(scores)}. The teacher was "
            "fine-tuned with all 67,349, and *teacher* is fitted to that one: it knows what "
            "the others have to learn.",
            _distilled_table(scores),
        ]
    scores = figures.get("distilled_selected")
    if scores:
        parts += [
            "The same with a teacher of one epoch (dev accuracy "
            f"{scores[0]['teacher']:.4f}), {seeds(scores)}. *Selected*: dimensions, units and "
            "heads of that teacher, and nothing fitted. Measured when a head that was fitted "
            "again was taken even where it scores worse:",
            _distilled_table(scores),
        ]
    scores = figures.get("distilled_full")
    if scores:
        parts += [
            "SST-2 in full distilled (`configs/glue/sst2_minilm.yaml`) from the same teacher, "
            f"{seeds(scores)}:",
            _distilled_table(scores),
        ]
    return parts


def _distilled_table(rows: list[dict]) -> str:
    starts = ("random", "selected", "teacher", "general")
    starts = [start for start in starts if any(row["start"] == start for row in rows)]
    moments = [moment for moment in DISTILLED if all(moment in row for row in rows)]
    return table(
        ["dev", *starts],
        [[moment, *(spread(rows, moment, start=s) for s in starts)] for moment in moments],
    )


def student_start_section() -> list[str]:
    """Ways to start a student, side by side."""
    figures = load("student_start")
    if figures is None:
        return []
    measured = figures["rows"]
    rows = [
        [
            start,
            f"{step:,}",
            str(len(of_both)),
            *(
                f"{statistics.mean(row[term] for row in of_both):.3f}"
                for term in ("attention", "hidden", "embedding")
            ),
            spread(of_both, "accuracy"),
        ]
        for start, step in dict.fromkeys((row["start"], row["step"]) for row in measured)
        for of_both in [[r for r in measured if (r["start"], r["step"]) == (start, step)]]
    ]
    return [
        "## Ways to start from a teacher",
        "TinyBERT-4 from a MiniLM that was fine-tuned on SST-2 for an epoch (accuracy "
        f"{figures['teacher']['accuracy']:.4f}), before and in the "
        "intermediate stage: losses on the dev sentences, and accuracy with a head "
        "that is fitted to the teacher's logits in closed form. *General*: the package's "
        "`tinybert_4l_312d_en`, which never saw this teacher. *Selected*: dimensions by "
        "energy, units and heads by norms (after arXiv 2312.09299). *Rotated*: the same in "
        "principal components (after arXiv 2401.15024). *Fitted*: least squares, block by "
        "block, as the library does it; *fitted, selected*: in selected dimensions. Every "
        "start has the same fitted projections.",
        benchmark_commands(figures),
        table(
            ["start", "steps", "seeds", "attention", "hidden", "embedding", "accuracy"], rows
        ),
    ]
