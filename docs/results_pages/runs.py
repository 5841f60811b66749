"""Sections of single runs: teacher, student and exported files."""

from results_pages.parts import benchmark_commands, load, run_commands, seeds, table

READING = (
    "*Same label*: share of examples to which the student gives the teacher's label, and a "
    "file the student's. *Latency*: one text at a time, padded to {length} tokens; Keras on "
    "all cores, TFLite (LiteRT, XNNPACK) on one thread."
)


def run_section(title: str, name: str, about: str) -> list[str]:
    """A run's part of the page."""
    results = load(name)
    if results is None:
        return []
    minutes = results["finetune"]["seconds"] / 60
    return [
        f"## {title}",
        about,
        run_commands(results),
        model_table(results),
        READING.format(length=_length_of(results)),
        "The exported files. *Difference*: of a probability to the Keras student's. *Latency*: "
        "the median of texts of the test set; the multi-length file runs each in its "
        "shortest length. *Runtime*: the oldest TensorFlow Lite.",
        profile_table(results),
        f"Fine-tuning the teacher took {minutes:.1f} minutes. The student on the way:",
        stage_table(results),
    ]


def large_teacher_section() -> list[str]:
    """SST-2 with a teacher of BERT-base's size: the classifier that is in the package."""
    results = load("sst2_mpnet")
    if results is None:
        return []
    teacher, assistant = load("sst2_mpnet_teacher"), load("sst2_assistant")
    packed = {name: scores["accuracy"] for name, scores in results["packed"].items()}
    known = {name: assistant["evaluation"][name]["accuracy"] for name in ("teacher", "student")}
    return [
        "## SST-2, a teacher of BERT-base's size",
        "`configs/glue/sst2_mpnet.yaml`: all-mpnet-base-v2 (12 layers, 768 wide), fine-tuned "
        "on 20,000 of the 67,349 training sentences; a student that was distilled from a "
        f"MiniLM (the assistant, {known['teacher']:.4f}; student {known['student']:.4f}) and "
        "then learns, of all sentences, what the large teacher says and what is right, half "
        "and half; no data augmentation. Checkpoints were chosen on the dev sentences that the "
        "table is of. Both cores were not always free: wall times say little.",
        run_commands(teacher),
        run_commands(assistant),
        run_commands(results),
        model_table(results),
        READING.format(length=_length_of(results)),
        "In the package (`tinybert_4l_312d_en_sst2`) the student's encoder is in 8 bits: "
        f"accuracy {packed['int8']:.4f}, before that {packed['float32']:.4f}.",
        f"The teacher learned in {teacher['finetune']['seconds'] / 60:.0f} minutes; its "
        f"predictions for all sentences took {results['teacher_cache']['seconds'] / 60:.0f}. "
        "The student on the way, scored in the precision of its training, where the table "
        "above has float32:",
        stage_table(results),
        *_without_assistant(),
        *_beside_teacher(),
    ]


def _without_assistant() -> list[str]:
    """The same where the student starts from the package's general one."""
    results = load("sst2_mpnet_general")
    if results is None:
        return []
    scores = {name: results["evaluation"][name]["accuracy"] for name in ("teacher", "student")}
    return [
        "Without an assistant, from the package's general student (`--set student.start="
        "tinybert_4l_312d_en --set distillation.stages.0.fit.optimizer.learning_rate=2e-4`), "
        f"the student came to {scores['student']:.4f}. Its teacher was fine-tuned by the same "
        f"command on another machine and had {scores['teacher']:.4f}:",
        stage_table(results),
    ]


def _length_of(results: dict) -> int:
    return next(iter(results["export"].values()))["sequence_length"]


def _beside_teacher() -> list[str]:
    """Size and speed of the files beside the teacher's."""
    figures = load("sst2_mpnet_latency")
    if figures is None:
        return []
    sizes = {name: model["megabytes"] for name, model in figures["models"].items()}
    rows = [
        [
            row["model"],
            str(row["length"]),
            f"{row['milliseconds']['p50']:.2f}",
            f"{row['times_as_fast_as'].get('teacher', 1.0):.1f}",
            f"{sizes[row['model']]:.1f}",
            f"{sizes['teacher'] / sizes[row['model']]:.1f}",
        ]
        for row in figures["results"]
        if row["length"]
    ]
    header = ["file", "tokens", "median (ms)", "times as fast", "MB", "times smaller"]
    return [
        "As TFLite files (LiteRT), beside their teacher's in float32, in one run: one thread, "
        f"one text at a time, {figures['machine']['processor']}.",
        f"    {figures['command']}",
        table(header, rows),
        *_on_avx2(),
    ]


def _on_avx2() -> list[str]:
    """The same without the instructions that multiply 8-bit numbers."""
    figures = load("sst2_mpnet_latency_avx2")
    if figures is None:
        return []
    times = {
        row["model"]: row["times_as_fast_as"].get("teacher")
        for row in figures["results"]
        if row["length"] == 128
    }
    return [
        f"An earlier student of the same shape on an {figures['machine']['processor']} with "
        "AVX2 alone, which has no instructions for products of 8-bit numbers: dynamic_int8 "
        f"{times['dynamic_int8']:.1f} times as fast as the teacher at 128 tokens, float32 "
        f"{times['float32']:.1f} times."
    ]


def seeds_section() -> list[str]:
    """The quickstart on several seeds."""
    figures = load("quickstart_seeds")
    if figures is None:
        return []
    rows = [
        [
            str(row["seed"]),
            *(f"{row[name]:.4f}" for name in ("teacher", "student", "file")),
            f"{row['minutes']:.1f} min",
        ]
        for row in figures["rows"]
    ]
    return [
        "### Other seeds",
        "The same in float32, with another order of the sentences and other random weights; "
        "wall time without imports. Matrix products by instructions of the processor: "
        f"{figures['rows'][0]['instructions']} (`ONEDNN_MAX_CPU_ISA`).",
        benchmark_commands(figures),
        table(["seed", "teacher", "student", "TFLite dynamic_int8", "wall time"], rows),
    ]


def seeds_sentence() -> str:
    """The range of the quickstart's figures."""
    figures = load("quickstart_seeds")
    if figures is None:
        return ""
    ranges = []
    for name, words in (
        ("teacher", "the teacher"),
        ("student", "the student"),
        ("file", "the file"),
    ):
        values = [row[name] for row in figures["rows"]]
        ranges.append(f"{words} has {min(values):.3f} to {max(values):.3f}")
    return f"On {seeds(figures['rows'])} {', '.join(ranges)}. "


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
                _maybe(figures.get("multi_megabytes"), "MB"),
                f"{figures['milliseconds']:.2f} ms",
                _maybe(figures.get("multi_milliseconds"), "ms"),
                f"{figures['max_difference']:.1e}",
                f"{figures['mean_difference']:.1e}",
                figures["minimum_runtime"],
            ]
        )
    header = ["profile", "model.tflite", "model_multi.tflite", "latency", "latency, multi"]
    return table([*header, "largest difference", "mean", "runtime"], rows)


def _maybe(value: float | None, unit: str) -> str:
    # A bundle of one length has one file.
    return "" if value is None else f"{value:.2f} {unit}"


def stage_table(results: dict) -> str:
    """The dev accuracy of a run's student from its start to its end."""
    rows = [["start", f"{results['student_start']['dev']['accuracy']:.4f}", "", ""]]
    for stage in ("intermediate", "prediction"):
        if stage not in results:
            continue
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
        run_commands(results),
        squad_table(results),
        f"The student on the way, on those 2,000. The stages took {' and '.join(minutes)} "
        "minutes beside other work.",
        table(["student", "exact match", "F1"], rows),
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
