"""Writes `docs/results.md`, its plot and the figures of other pages from `docs/results/*.json`.

    python docs/make_results.py          # write
    python docs/make_results.py --check  # fail if a page is not what the figures say

The JSON files are written by the commands that measured; nothing here computes a figure that
is not a plain ratio or unit of theirs.
"""

import io
import json
import pathlib
import statistics
import sys

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

DOCS = pathlib.Path(__file__).resolve().parent
FIGURES = DOCS / "results"
README = DOCS.parent / "README.md"
AUGMENT = DOCS / "augment.md"
CARD = DOCS.parent / "tinybert_tf" / "presets" / "tinybert_4l_312d_en" / "README.md"
BEGIN, END = "<!-- results: made by docs/make_results.py -->", "<!-- end of results -->"


def load(name: str) -> dict | None:
    """Returns the figures of a run, or `None` where there are none."""
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def table(header: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table, first column left, others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def model_table(results: dict) -> str:
    """Teacher, student and files of a run."""
    evaluation, latency = results["evaluation"], results.get("latency", {})
    teacher = evaluation["teacher"]["accuracy"]
    rows = []
    for name in ("teacher", "student"):
        figures = {**evaluation[name], **latency.get(name, {})}
        same = f"{evaluation['agreement']:.1%}" if name == "student" else ""
        rows.append([name, *_cells(figures, teacher, same)])
    for profile, figures in results.get("export", {}).items():
        figures = {**figures, "parameters": evaluation["student"]["parameters"]}
        same = f"{figures['agreement']:.1%}"
        rows.append([f"TFLite {profile}", *_cells(figures, teacher, same)])
    header = ["model", "accuracy", "of teacher", "same label", "parameters", "size", "latency"]
    return table(header, rows)


def _cells(figures: dict, teacher: float, same: str) -> list[str]:
    return [
        f"{figures['accuracy']:.4f}",
        f"{figures['accuracy'] / teacher:.1%}",
        same,
        f"{figures['parameters'] / 1e6:.2f} M",
        f"{figures['megabytes']:.1f} MB" if "megabytes" in figures else "",
        f"{figures['milliseconds']:.1f} ms" if "milliseconds" in figures else "",
    ]


def profile_table(results: dict) -> str:
    """What each exported profile differs by, and what its two files are like."""
    rows = []
    for profile, figures in results["export"].items():
        rows.append(
            [
                profile,
                f"{figures['megabytes']:.2f} MB",
                f"{figures['multi_megabytes']:.2f} MB",
                f"{figures['milliseconds']:.2f} ms",
                f"{figures['multi_milliseconds']:.2f} ms",
                f"{figures['max_difference']:.1e}",
                f"{figures['mean_difference']:.1e}",
                figures["minimum_runtime"],
            ]
        )
    header = ["profile", "model.tflite", "model_multi.tflite", "latency", "latency, multi"]
    return table([*header, "largest difference", "mean", "runtime"], rows)


def stage_table(results: dict) -> str:
    """The dev accuracy of a run's student from its start to its end."""
    rows = [["start", f"{results['student_start']['dev']['accuracy']:.4f}", "", ""]]
    for stage in ("intermediate", "prediction"):
        figures = results[stage]
        if stage == "prediction" and "student_head" in results:
            dev = results["student_head"]["dev"]
            rows.append(["pooler and head fitted again", f"{dev['accuracy']:.4f}", "", ""])
        rows.append(
            [
                f"after {stage}",
                f"{figures['dev']['accuracy']:.4f}",
                f"{figures['best_dev']['accuracy']:.4f}",
                f"{figures['seconds'] / 60:.1f} min",
            ]
        )
    return table(["student", "dev accuracy, last", "best", "wall time"], rows)


def commands(results: dict) -> str:
    """The commands that a run's figures are from, and on what."""
    # A run that was interrupted has the same command again.
    lines = "\n".join(dict.fromkeys(f"    {c['command']}" for c in results["commands"]))
    entry = results["commands"][-1]
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    machine = entry["machine"]
    return (
        f"{lines}\n\nSeed {entry['seed']}; {machine['processor']}, {machine['cores']} cores; "
        f"Python {entry['python']}, {versions}."
    )


READING = (
    "*Same label*: share of examples to which the student gives the teacher's label, and a "
    "file the student's. *Latency*: one text at a time, padded to {length} tokens; Keras on "
    "all cores, TFLite (LiteRT, XNNPACK) on one thread."
)


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
TITLES = {"sst2": "SST-2", "cola": "CoLA", "mrpc": "MRPC", "rte": "RTE", "stsb": "STS-B"}
# TinyBERT-4 over BERT-base on GLUE's test sets: arXiv 1909.10351, table 1.
PAPER_RETENTION = 0.968
# Means over MNLI-m, MNLI-mm, MRPC and CoLA dev, TinyBERT-4: arXiv 1909.10351, tables 2 and 3.
PAPER_ABLATION = {
    "nothing": 75.6,
    "augmentation": 68.4,
    "any start": 72.5,
    "attention": 71.0,
    "hidden": 72.9,
    "embedding": 74.1,
    "prediction": 73.5,
}
GENERAL_STUDENT = (
    "The same shape, examples, steps and learning rates; *random* weights, *teacher*: fitted "
    "to the teacher in closed form, *general*: the preset `tinybert_4l_312d_en`. Mean and "
    "standard deviation where there is more than one seed."
)


def run_section(title: str, name: str, about: str) -> list[str]:
    """A run's part of the page."""
    results = load(name)
    if results is None:
        return []
    length = next(iter(results["export"].values()))["sequence_length"]
    minutes = results["finetune"]["seconds"] / 60
    return [
        f"## {title}",
        about,
        commands(results),
        model_table(results),
        READING.format(length=length),
        "The exported files. *Difference*: of a probability to the Keras student's. *Latency*: "
        "the median of texts of the test set; the multi-length file runs each in its "
        "shortest length. *Runtime*: the oldest TensorFlow Lite.",
        profile_table(results),
        f"Fine-tuning the teacher took {minutes:.1f} minutes. The student on the way:",
        stage_table(results),
    ]


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
        commands(results),
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
    return file.getvalue()


def general_student_section() -> list[str]:
    """What a student's start is worth to tasks."""
    figures = load("general_student")
    if figures is None:
        return []
    parts = ["## What a student's start is worth", GENERAL_STUDENT, _commands_of(figures)]
    scores = figures["fine_tuned"]
    if scores:
        rows = [
            [
                f"{title} ({metric})",
                *(_spread(scores, metric, task=task, start=s) for s in STARTS),
            ]
            for task, title, metric in SMALL_TASKS
            if any(row["task"] == task for row in scores)
        ]
        parts += [
            "Fine-tuned with plain labels, "
            f"{scores[0]['examples']:,} examples at most, {scores[0]['epochs']} epochs, up to "
            f"{_seeds(scores)}; *teacher* is fitted to MiniLM, which knows no task. Nothing "
            "was learned where CoLA's correlation is near 0 and RTE's accuracy near 0.527, the "
            "share of its larger class:",
            table(["dev", *STARTS], rows),
        ]
    scores = figures["distilled"]
    if scores:
        parts += [
            f"SST-2 distilled from its teacher with {scores[0]['examples']:,} sentences "
            f"(`configs/glue/sst2_few.yaml`), dev accuracy, {_seeds(scores)}. The teacher was "
            "fine-tuned with all 67,349, and *teacher* is fitted to that one: it knows what "
            "the others have to learn.",
            _distilled_table(scores),
        ]
    scores = figures.get("distilled_selected")
    if scores:
        parts += [
            "The same with a teacher of one epoch (dev accuracy "
            f"{scores[0]['teacher']:.4f}), {_seeds(scores)}. *Selected*: dimensions, units and "
            "heads of that teacher, and nothing fitted. Measured when a head that was fitted "
            "again was taken even where it scores worse:",
            _distilled_table(scores),
        ]
    scores = figures.get("distilled_full")
    if scores:
        parts += [
            "SST-2 in full distilled (`configs/glue/sst2_minilm.yaml`) from the same teacher, "
            f"{_seeds(scores)}:",
            _distilled_table(scores),
        ]
    return parts


def _distilled_table(rows: list[dict]) -> str:
    starts = ("random", "selected", "teacher", "general")
    starts = [start for start in starts if any(row["start"] == start for row in rows)]
    moments = [moment for moment in DISTILLED if all(moment in row for row in rows)]
    return table(
        ["dev", *starts],
        [[moment, *(_spread(rows, moment, start=s) for s in starts)] for moment in moments],
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
            _spread(of_both, "accuracy"),
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
        _commands_of(figures),
        table(
            ["start", "steps", "seeds", "attention", "hidden", "embedding", "accuracy"], rows
        ),
    ]


def augmentation_section() -> list[str]:
    """Speed of data augmentation beside one word at a time."""
    figures = load("augment")
    if figures is None:
        return []
    settings = figures["settings"]
    rows = [
        [name, f"{row['examples_per_second']:.2f}", f"{row['ours_times_as_fast']:.1f}"]
        for name, row in figures["results"].items()
    ]
    return [
        "## Data augmentation",
        "Sentences of SST-2, 20 copies of each, MiniLM's encoder in "
        f"{settings['precision']} as the masked LM, medians of {settings['rounds']} "
        "interleaved rounds. *Eager*: a forward pass for each word, as Huawei's released code "
        "works; *graph*: the same compiled, with logits at the mask alone. "
        f"{figures['same_candidates']:.1%} of the words get the same candidates in batches as "
        "alone.",
        f"    {figures['command']}\n\n{figures['machine']['processor']}, "
        f"{figures['machine']['cores']} cores.",
        table(["", "examples/s", "ours is faster by"], rows),
    ]


def masked_lm_section() -> list[str]:
    """How well the masked LM of augmentation knows what is masked."""
    results = load("masked_lm")
    if results is None:
        return []
    start, figures = results["masked_lm_start"]["dev"], results["masked_lm"]
    best = figures["best_dev"]
    tokens = results["corpus"]["totals"]["train"]["tokens"]
    rows = [
        ["frequencies of tokens", f"{start['loss']:.3f}", f"{start['accuracy']:.3f}"],
        [f"step {figures['best_step']:,}", f"{best['loss']:.3f}", f"{best['accuracy']:.3f}"],
    ]
    return [
        "## Masked LM",
        "`configs/general/masked_lm_minilm.yaml`: MiniLM's encoder with a new head, on "
        f"{tokens / 1e6:.1f} M tokens of the English Wikipedia, {figures['seconds'] / 60:.0f} "
        "minutes beside other work. Cross entropy and share of right tokens at "
        f"{best['masks']:,} masks of held-out articles.",
        commands(results),
        table(["", "loss", "accuracy"], rows),
    ]


def squad_table(results: dict) -> str:
    """Teacher, student and files on questions."""
    evaluation = results["evaluation"]
    models = {
        "teacher": {**evaluation["teacher"], "agreement": None},
        "student": {**evaluation["student"], "agreement": evaluation["agreement"]},
    }
    for profile, figures in results.get("export", {}).items():
        models[f"TFLite {profile}"] = figures
    rows = [
        [
            name,
            f"{figures['exact_match']:.2f}",
            f"{figures['f1']:.2f}",
            f"{figures['f1'] / evaluation['teacher']['f1']:.1%}",
            "" if figures["agreement"] is None else f"{figures['agreement']:.1%}",
        ]
        for name, figures in models.items()
    ]
    return table(["model", "exact match", "F1", "F1 of teacher's", "same answer"], rows)


def squad_section() -> list[str]:
    """What a student keeps of its teacher on questions."""
    results = load("squad_v1_minilm")
    if results is None:
        return []
    intermediate, prediction = results["intermediate"], results["prediction"]
    steps = {
        "start": results["student_start"]["dev"],
        "after intermediate": intermediate["dev"],
        "head fitted again": results["student_head"]["dev"],
        "after prediction, best": prediction["best_dev"],
    }
    rows = [[name, f"{d['exact_match']:.2f}", f"{d['f1']:.2f}"] for name, d in steps.items()]
    minutes = [f"{figures['seconds'] / 60:.0f}" for figures in (intermediate, prediction)]
    return [
        "## SQuAD",
        "`configs/squad/squad_v1_minilm.yaml`: SQuAD v1.1, 11,877 training questions of 44 "
        "articles and the complete dev set of 10,570; MiniLM teacher, a student that starts "
        "from it, no augmentation. Percent, as `evaluate-v1.1.py` computes them. *Same "
        "answer*: as the teacher's, a file's as the student's. Checkpoints were chosen on "
        "2,000 of the dev questions.",
        commands(results),
        squad_table(results),
        f"The student on the way, on those 2,000. The stages took {' and '.join(minutes)} "
        "minutes beside other work.",
        table(["student", "exact match", "F1"], rows),
    ]


def onednn_section() -> list[str]:
    """What oneDNN is worth where TensorFlow leaves it off."""
    figures = load("onednn")
    if figures is None:
        return []
    rows = [
        [name, f"{row['without']:,.0f}", f"{row['with']:,.0f}", f"{row['faster_by']:.2f} x"]
        for name, row in figures["tokens_per_second"].items()
    ]
    settings, machine = figures["settings"], figures["machine"]
    return [
        "## oneDNN",
        "Training in float32, tokens a second, batches of "
        f"{settings['tokens_per_batch']:,} tokens: fine-tuning MiniLM, and the intermediate "
        "stage of its student. On processors with AVX2 but no AVX512, such as this one, "
        "TensorFlow leaves oneDNN off; `python -m tinybert_tf` turns it on "
        "(TF_ENABLE_ONEDNN_OPTS=0 leaves it off).",
        f"    {figures['command']}",
        f"{machine['processor']}, {settings['threads']} threads.",
        table(["", "without", "with", "faster by"], rows),
    ]


def retention_rows() -> list[dict]:
    """What the students of each task keep of their teachers, means over seeds."""
    measured = (load("retention") or {"rows": []})["rows"]
    sst2 = load("sst2_minilm")
    if sst2 is not None and not any(row["task"] == "sst2" for row in measured):
        measured = [_sst2_row(sst2), *measured]
    rows = []
    for task in dict.fromkeys(row["task"] for row in measured):
        of_task = [row for row in measured if row["task"] == task]
        rows.append(
            {
                "dev": f"{TITLES[task]} ({of_task[0]['metric']})",
                **{name: _spread(of_task, name) for name in ("teacher", "start", "student")},
                "retention": statistics.mean(row["retention"] for row in of_task),
                "copies": " or ".join(
                    f"{n:,}" for n in dict.fromkeys(r["copies"] for r in of_task)
                ),
                "minutes": f"{statistics.mean(row['minutes'] for row in of_task):.0f}",
                "seeds": str(len(of_task)),
            }
        )
    return rows


def retention_table(columns: list[str]) -> str:
    """Some columns of `retention_rows`, and the mean."""
    rows = retention_rows()
    mean = statistics.mean(row["retention"] for row in rows)
    rows = [{**row, "retention": f"{row['retention']:.1%}"} for row in rows]
    rows.append({"dev": "mean", "retention": f"{mean:.1%}"})
    return table(columns, [[row.get(name, "") for name in columns] for row in rows])


def retention_section() -> list[str]:
    """What students keep of their teachers."""
    figures = load("retention")
    if figures is None:
        return []
    columns = ["dev", "teacher", "start", "student", "retention", "copies", "minutes", "seeds"]
    return [
        "## Retention",
        "`configs/glue/*_minilm.yaml`: MiniLM teacher, a student that starts from it, two "
        "stages, augmentation where there are *copies*. *Start*: the student before training. "
        "*Minutes*: both stages, beside other work. Checkpoints were chosen on the same dev "
        "sets; what is above 100% is chance. SST-2 is the run above. "
        f"The paper's TinyBERT-4 keeps {PAPER_RETENTION:.1%} of BERT-base on "
        "GLUE's nine test sets (arXiv 1909.10351, table 1), from a general student of 2,500 M "
        "words and with ten times the copies.",
        _commands_of(figures),
        retention_table(columns),
    ]


def _sst2_row(results: dict) -> dict:
    """The run that has a part of its own on the page, as `benchmarks/retention.py` has it."""
    evaluation = results["evaluation"]
    return {
        "task": "sst2",
        "metric": "accuracy",
        "teacher": evaluation["teacher"]["accuracy"],
        "start": results["student_start"]["dev"]["accuracy"],
        "student": evaluation["student"]["accuracy"],
        "retention": evaluation["retention"],
        "copies": 0,
        "minutes": (results["intermediate"]["seconds"] + results["prediction"]["seconds"]) / 60,
    }


def ablation_section() -> list[str]:
    """What each part of the method is worth."""
    figures = load("ablation")
    if figures is None:
        return []
    tasks, parts = (
        list(dict.fromkeys(row[key] for row in figures["rows"])) for key in ("task", "part")
    )
    first = ["nothing", "augmentation"]
    rows = [
        [
            part,
            *(_spread(figures["rows"], "student", task=task, part=part) for task in tasks),
            f"{PAPER_ABLATION[part]:.1f}" if part in PAPER_ABLATION else "",
        ]
        for part in sorted(parts, key=lambda p: first.index(p) if p in first else len(first))
    ]
    return [
        "## Ablation",
        "The runs above with one part left out. *Paper*: mean over MNLI-m, MNLI-mm, MRPC and "
        "CoLA dev (arXiv 1909.10351, tables 2 and 3), in percent." + _about_copies(figures),
        _commands_of(figures),
        table(["without", *(TITLES[task] for task in tasks), "paper"], rows),
    ]


def _about_copies(figures: dict) -> str:
    """Says which rows of the ablation were trained without augmented copies."""
    rows = figures["rows"]
    first = ("nothing", "augmentation")
    with_copies = {row["task"] for row in rows if row["copies"] and row["part"] not in first}
    titles = [
        TITLES[t] for t in dict.fromkeys(row["task"] for row in rows) if t not in with_copies
    ]
    if not titles:
        return ""
    return (
        f" Of {' and '.join(titles)}, the rows below *augmentation* are without copies, too: "
        "compare them with that one."
    )


def _seeds(rows: list[dict]) -> str:
    count = len({row["seed"] for row in rows})
    return f"{count} seed{'s' if count > 1 else ''}"


def _spread(rows: list[dict], name: str, **key) -> str:
    """Mean and standard deviation over the seeds."""
    values = [row[name] for row in rows if key.items() <= row.items()]
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else ""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def _commands_of(figures: dict) -> str:
    """The commands that wrote figures bit by bit, and on what."""
    entry = figures["environments"][-1]
    lines = dict.fromkeys(f"    {other['command']}" for other in figures["environments"])
    machine = entry["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    cores = f"{machine['processor']}, {machine['cores']} cores"
    return "\n".join(lines) + f"\n\n{cores}; {versions}."


def corpus_section() -> list[str]:
    """Memory and speed of making a corpus."""
    figures = load("corpus")
    if figures is None:
        return []
    names = {
        "in_process": "`--runner in_process`",
        "direct": "`--runner direct` (Apache Beam)",
        "import tensorflow": "`import tensorflow` alone",
    }
    rows = [
        [
            names[name],
            f"{row['peak_megabytes']:.0f} MB",
            f"{row['private_megabytes']:.0f} MB",
            f"{row['megabytes_per_second']:.1f} MB/s" if "megabytes_per_second" in row else "",
        ]
        for name, row in figures["rows"].items()
    ]
    same = "the same bytes" if figures["identical_shards"] else "**not** the same bytes"
    return [
        "## Corpus",
        f"`python -m tinybert_tf corpus` on {figures['text_megabytes'] / 1000:.2f} GB of "
        f"made-up text, one process beside other work. Both ways write {same} in "
        f"{figures['shards']} shards. *Resident* has the files of libraries that are mapped "
        "into memory in it, *private* is the process's own.",
        f"    {figures['environment']['command']}",
        table(["", "peak, resident", "peak, private", "speed"], rows),
    ]


def speed_section() -> list[str]:
    """Our step beside PyTorch's."""
    figures = load("distill_step")
    if figures is None:
        return []
    rows = [
        [
            name,
            f"{row['median_examples_per_second']:.1f}",
            f"{row['padded_tokens_per_example']:.1f}",
            f"{row['ours_over_this']:.2f}",
        ]
        for name, row in figures["results"].items()
    ]
    return [
        "## Speed of distillation",
        "Examples of SST-2 a second in the intermediate stage, medians of alternating rounds "
        "in one run, float32 on two cores. What is compared, and what not, is described in "
        "`benchmarks/distill_step.py`; both sides compute the same loss and gradient, which "
        "the command checks first.",
        f"    {figures['command']}",
        table(["step", "examples/s", "tokens an example", "ours over this"], rows),
    ]


def latency_section() -> list[str]:
    """The exported files beside their peers."""
    figures = load("export_latency")
    if figures is None:
        return []
    others = list(
        dict.fromkeys(o for row in figures["results"] for o in row["times_as_fast_as"])
    )
    rows = []
    for row in figures["results"]:
        ratios = row["times_as_fast_as"]
        rows.append(
            [
                row["model"],
                str(row["length"] or "texts"),
                *(f"{row['milliseconds'][name]:.2f}" for name in ("p50", "p90", "p99")),
                f"{row['start_milliseconds']:.0f}",
                f"{row['peak_megabytes']:.0f}",
                *(f"{ratios[other]:.2f}" if other in ratios else "" for other in others),
            ]
        )
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    settings, machine = figures["settings"], figures["machine"]
    return [
        "## Latency of exported files",
        "The files of an earlier SST-2 student of the same shape on one thread, one text at a "
        "time, beside the same student "
        "in ONNX Runtime (dynamic int8) and PyTorch (eager, float32), its teacher and "
        "BERT-base (random weights) as float32 TFLite; "
        f"{settings['rounds']} interleaved rounds, each row in a process of its own. "
        "Milliseconds of a run (percentiles) and from the file to the "
        "first result (start); megabytes of the process (peak); then how many times as fast as "
        "each peer. *texts*: the dev sentences, static files padded to their length, "
        "multi-length files to the shortest of theirs, ONNX Runtime and PyTorch not padded; "
        "*static*: the same bundle's model.tflite.",
        f"    {figures['command']}",
        f"{machine['processor']}, {machine['cores']} cores; {versions}.",
        table(["model", "tokens", "p50", "p90", "p99", "start", "peak", *others], rows),
    ]


def results_page() -> str:
    """Returns `docs/results.md`."""
    parts = [
        "# Results",
        "Made by `docs/make_results.py` from the JSON files in `docs/results/`, which the "
        "commands shown here wrote. Dev and test figures are on data that no model was trained "
        "on; checkpoints were chosen on dev.",
        *run_section(
            "SST-2",
            "sst2_minilm",
            "GLUE's SST-2, 67,349 training and 872 dev sentences; the dev set is also the test "
            "set, as usual for GLUE, whose test labels are not public. MiniLM teacher (6 "
            "layers, 384 wide), TinyBERT student (4 layers, 312 wide) that starts from it; no "
            "data augmentation. The run was resumed between its steps and shared the machine "
            "with others: its wall times say little.",
        ),
        *latency_section(),
        *corpus_section(),
        *general_section(),
        *student_start_section(),
        *general_student_section(),
        *augmentation_section(),
        *masked_lm_section(),
        *retention_section(),
        *ablation_section(),
        *squad_section(),
        *speed_section(),
        *onednn_section(),
        *run_section(
            "Quickstart",
            "quickstart",
            "The embedded sample: 1,200 training sentences, checkpoints chosen on 80, figures "
            "on 320 others. A demonstration, no benchmark: one sentence is 0.3 points.",
        ),
    ]
    return "\n\n".join(parts) + "\n"


def readme_block() -> str:
    """Returns the results part of README.md."""
    parts = []
    for name, text in (
        (
            "quickstart",
            "`make quickstart`, the embedded sample (320 test sentences; in bfloat16, so some "
            "points higher or lower on a processor without):",
        ),
        ("sst2_minilm", "SST-2 dev (872 sentences), `configs/glue/sst2_minilm.yaml`:"),
    ):
        results = load(name)
        if results is not None:
            parts += [text, model_table(results)]
    if load("retention") is not None:
        columns = ["dev", "teacher", "student", "retention", "copies"]
        parts += [
            "What students keep on GLUE's dev sets, `configs/glue/*_minilm.yaml` (without "
            "copies: `--set augmentation=null`), of one seed or few: what is above 100% is "
            "chance. *Copies*: of training examples, made by data augmentation.",
            retention_table(columns),
        ]
    squad = load("squad_v1_minilm")
    if squad is not None:
        parts += [
            "SQuAD v1.1 dev, percent, `configs/squad/squad_v1_minilm.yaml`, trained on 11,877 "
            "questions:",
            squad_table(squad),
        ]
    return "\n\n".join([BEGIN, *parts, END])


def card_block() -> str:
    """Returns the figures of the general student's model card."""
    parts = [part for part in general_section()[1:] if not part.startswith("![")]
    return "\n\n".join([BEGIN, *parts, *general_student_section()[1:], END])


def examples_block() -> str:
    """Returns the augmented sentences of docs/augment.md."""
    figures = load("augmented_examples")
    if figures is None:
        return "\n\n".join([BEGIN, END])
    rows = [[pair["sentence"], pair["copy"]] for pair in figures["examples"]]
    body = table(["sentence", "its first copy"], rows).replace("---:", "---")
    about = (
        "Sentences of the embedded sample and the first copy of each, good or bad, from the "
        "masked LM of `configs/general/masked_lm_minilm.yaml`, which has read little text:"
    )
    return "\n\n".join([BEGIN, about, f"    {figures['command']}", body, END])


def with_block(page: str, block: str) -> str:
    """Returns a page with another block of figures."""
    before, rest = page.split(BEGIN)
    return before + block + rest.split(END)[1]


def main() -> None:
    """Writes the pages, or with `--check` compares them."""
    readme = README.read_text("utf-8")
    card = CARD.read_text("utf-8")
    pages = {
        DOCS / "results.md": results_page(),
        README: with_block(readme, readme_block()),
        CARD: with_block(card, card_block()),
        AUGMENT: with_block(AUGMENT.read_text("utf-8"), examples_block()),
    }
    plot = losses_plot()
    if plot is not None:
        pages[DOCS / "general_losses.svg"] = plot
    stale = [p for p, text in pages.items() if not p.exists() or p.read_text("utf-8") != text]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"not what docs/results/*.json say: {', '.join(map(str, stale))}")
        return
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
