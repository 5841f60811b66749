"""Sections of what students keep on GLUE's tasks, and what each part of the method is worth."""

import statistics

from results_pages.parts import benchmark_commands, load, spread, table

TITLES = {"sst2": "SST-2", "cola": "CoLA", "mrpc": "MRPC", "rte": "RTE", "stsb": "STS-B"}
# TinyBERT-4 over BERT-base on GLUE's test sets: arXiv 1909.10351, table 1.
PAPER_RETENTION = 0.968
# The same table's TinyBERT-4, in percent, by the metric that it gives.
PAPER_STUDENT = {
    "sst2": ("accuracy", 92.6),
    "cola": ("matthews", 44.1),
    "mrpc": ("f1", 86.4),
    "rte": ("accuracy", 66.6),
    "stsb": ("spearman", 80.4),
}
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
        "sets; values above 100% are noise. SST-2 is the run above. "
        f"The paper's TinyBERT-4 keeps {PAPER_RETENTION:.1%} of BERT-base on "
        "GLUE's nine test sets (arXiv 1909.10351, table 1), from a general student of 2,500 M "
        "words and with ten times the copies.",
        benchmark_commands(figures),
        retention_table(columns),
    ]


def retention_table(columns: list[str]) -> str:
    """Some columns of `retention_rows`, and the mean."""
    rows = retention_rows()
    mean = statistics.mean(row["retention"] for row in rows)
    rows = [{**row, "retention": f"{row['retention']:.1%}"} for row in rows]
    rows.append({"dev": "mean", "retention": f"{mean:.1%}"})
    return table(columns, [[row.get(name, "") for name in columns] for row in rows])


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
                **{name: spread(of_task, name) for name in ("teacher", "start", "student")},
                "retention": statistics.mean(row["retention"] for row in of_task),
                "copies": " or ".join(
                    f"{n:,}" for n in dict.fromkeys(r["copies"] for r in of_task)
                ),
                "minutes": f"{statistics.mean(row['minutes'] for row in of_task):.0f}",
                "seeds": str(len(of_task)),
            }
        )
    return rows


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
            *(spread(figures["rows"], "student", task=task, part=part) for task in tasks),
            f"{PAPER_ABLATION[part]:.1f}" if part in PAPER_ABLATION else "",
        ]
        for part in sorted(parts, key=lambda p: first.index(p) if p in first else len(first))
    ]
    return [
        "## Ablation",
        "The runs above with one part left out. *Paper*: mean over MNLI-m, MNLI-mm, MRPC and "
        "CoLA dev (arXiv 1909.10351, tables 2 and 3), in percent." + _about_copies(figures),
        benchmark_commands(figures),
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


def large_teacher_tasks_section() -> list[str]:
    """What a teacher of BERT-base's size and its students come to on the smaller tasks."""
    figures = load("retention_mpnet")
    if figures is None:
        return []
    columns = [
        "dev",
        "teacher",
        "student",
        "in 8 bits",
        "retention",
        "minutes",
        "seeds",
        "paper",
    ]
    rows = [
        _large_teacher_row(task, [row for row in figures["rows"] if row["task"] == task])
        for task in dict.fromkeys(row["task"] for row in figures["rows"])
    ]
    return [
        "## Smaller tasks, a teacher of BERT-base's size",
        "`configs/glue/*_mpnet.yaml`: all-mpnet-base-v2 (12 layers, 768 wide), fine-tuned; a "
        "student that was distilled from a MiniLM that knows STS-B, the assistant, and then "
        "learns what the large teacher says of the task. *In 8 bits*: the student's "
        "dynamic_int8 file. *Minutes*: of that last stage. *Paper*: TinyBERT-4 on GLUE's test "
        "sets, in percent (arXiv 1909.10351, table 1); ours are dev sets, on which checkpoints "
        "were chosen.",
        benchmark_commands(figures),
        table(columns, [[row[name] for name in columns] for row in rows]),
    ]


def _large_teacher_row(task: str, rows: list[dict]) -> dict:
    metric, paper = PAPER_STUDENT[task]
    flat = [{name: s[metric] for name, s in row["scores"].items()} for row in rows]
    return {
        "dev": f"{TITLES[task]} ({metric})",
        "teacher": spread(flat, "teacher"),
        "student": spread(flat, "student"),
        "in 8 bits": spread(flat, "dynamic_int8"),
        "retention": f"{statistics.mean(f['student'] / f['teacher'] for f in flat):.1%}",
        "minutes": f"{statistics.mean(row['minutes'] for row in rows):.0f}",
        "seeds": str(len(rows)),
        "paper": f"{paper:.1f}",
    }


def deep_teacher_section() -> list[str]:
    """Ways from a teacher of twelve blocks to a student of four."""
    figures = load("deep_teacher")
    if figures is None:
        return []
    rows = figures["rows"]
    return [
        "## A deep teacher",
        "CoLA's dev set, Matthews correlation: all-mpnet-base-v2 (12 layers, 768 wide), "
        "fine-tuned, into TinyBERT-4. All ways are `configs/glue/cola_mpnet.yaml` with a part "
        "of it set otherwise. *From MiniLM*: the student is fitted to a MiniLM that was "
        "fine-tuned on the task, and learns from MPNet. *Start*: before training; *stage one* "
        "and *two*: behind them; *best*: the checkpoint that is kept, chosen on the same dev "
        "set. *Pooled*: what the heads of teacher and student get (`teacher.pooling`). "
        "*Minutes*: of the stages. The teacher was fine-tuned again where it is another.",
        benchmark_commands(figures),
        table(
            [
                "way",
                "pooled",
                "precision",
                "teacher",
                "start",
                "stage one",
                "stage two",
                "best",
                "minutes",
                "seeds",
            ],
            [
                _way_row(*way, rows)
                for way in dict.fromkeys((row["way"], row["pooling"]) for row in rows)
            ],
        ),
    ]


def _way_row(way: str, pooling: str, rows: list[dict]) -> list[str]:
    of_way = [row for row in rows if (row["way"], row["pooling"]) == (way, pooling)]
    flat = [{**row, **row["stages"]} for row in of_way]
    stages = [
        spread(flat, name) if name in flat[0] else "" for name in ("intermediate", "prediction")
    ]
    minutes = statistics.mean(row["minutes"] for row in of_way)
    return [
        way,
        pooling,
        of_way[0]["precision"],
        spread(of_way, "teacher"),
        spread(of_way, "start"),
        *stages,
        spread(of_way, "student"),
        f"{minutes:.0f}",
        str(len(of_way)),
    ]
