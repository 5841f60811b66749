"""Sections of speed: the distillation step, exported files, oneDNN."""

import statistics

from results_pages.parts import load, table


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
        *_recipe(),
    ]


def _recipe() -> list[str]:
    """A whole stage with a large teacher, whose outputs are kept, beside PyTorch's."""
    figures = load("distill_recipe")
    if figures is None:
        return []
    rounds = figures["rounds"]["ours_seconds"]
    writing, epochs = (
        statistics.median(one[name] for one in rounds) for name in ("writing", "epochs")
    )
    rows = [
        ["ours: the teacher's pass", f"{writing:.0f}"],
        [f"ours: {figures['epochs']} epochs from what it said", f"{epochs:.0f}"],
        ["ours", f"{figures['ours_seconds']:.0f}"],
        [f"peer, {figures['epochs']} epochs", f"{figures['peer_seconds']:.0f}"],
        ["peer over ours", f"{figures['times_as_fast']:.1f}"],
    ]
    return [
        f"The whole stage, {figures['epochs']} epochs of {figures['examples']:,} sentences "
        "with a teacher of BERT-base's shape (12 layers, 768 wide) in float32. Ours keeps what "
        "the teacher says; the peer, as released, asks it in every epoch, in batches padded to "
        "64 tokens. Its time is that of its steps, measured at "
        f"{figures['peer_examples_per_second']:.1f} examples a second.",
        f"    {figures['command']}",
        table(["", "seconds"], rows),
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
