"""What docs/performance.md has of the measurements."""

from results_pages.parts import load, table


def outside_steps() -> str:
    """Returns the profile of the quickstart."""
    figures = load("outside_steps")
    if figures is None:
        return ""
    rows = [
        [part["part"], str(part["calls"]), f"{part['seconds']:.1f}"]
        for part in figures["parts"]
    ]
    machine = figures["machine"]
    return "\n\n".join(
        [
            f"`{figures['command']}`, on {machine['processor']}, {machine['cores']} cores: "
            f"{figures['seconds']:.0f} seconds. A part is without the parts within it.",
            table(["part", "times", "seconds"], rows),
        ]
    )


def two_workers() -> str:
    """Returns what a second worker is worth."""
    figures, quickstart = load("workers"), load("quickstart")
    if figures is None or quickstart is None:
        return ""
    megabytes = {name: m["megabytes"] for name, m in quickstart["latency"].items()}
    names = {"finetune": "fine-tuning MiniLM", "intermediate": "distillation from MiniLM"}
    rows = []
    for stage, speeds in figures["steps_per_second"].items():
        one = speeds["one core"]
        rows += [
            [names[stage], row, f"{speed:.3f}", f"{speed / one:.2f} x"]
            for row, speed in speeds.items()
        ]
    machine, rounds = figures["machine"], len(figures["rounds"]["finetune"]["one core"])
    return "\n\n".join(
        [
            f"`{figures['command']}`, on {machine['processor']}, {machine['cores']} cores: "
            f"steps a second of batches of {figures['tokens_per_batch']:,} tokens"
            f"{f', medians of {rounds} rounds' if rounds > 1 else ''}. *Two workers* are two "
            "processes with a core each, over 127.0.0.1; *two cores* is one process. Each step "
            f"exchanges the gradients of all weights, {megabytes['teacher']:.0f} MB of MiniLM "
            f"and {megabytes['student']:.0f} MB of the student, however small the batch. "
            "A second worker pays off where its share of a batch takes longer than that.",
            table(["", "", "steps a second", "over one core"], rows),
        ]
    )


def teacher_cache() -> str:
    """Returns what the cache of the teacher is worth."""
    figures = load("teacher_cache")
    if figures is None:
        return ""
    rows = []
    for key, name in (("minilm", "MiniLM, 6 x 384"), ("bert_base", "BERT-base, 12 x 768")):
        speeds = figures[key]["examples_per_second"]
        for stage, ratio in figures[key]["ratio"].items():
            pair = (speeds[f"{stage}, {how}"] for how in ("teacher", "cached"))
            rows.append([name, stage, *(f"{speed:,.1f}" for speed in pair), f"{ratio:.2f} x"])
    machine = figures["machine"]
    return "\n\n".join(
        [
            f"`{figures['command']}`, on {machine['processor']}, {machine['cores']} cores: "
            "examples of SST-2 a second, medians of alternating rounds, student TinyBERT-4, "
            "batches of 2,048 tokens. Writing the cache is not in it: MiniLM "
            f"{figures['minilm']['writing_examples_per_second']:.0f} examples a second, "
            f"BERT-base {figures['bert_base']['writing_examples_per_second']:.0f}, once.",
            table(["teacher", "stage", "without", "cached", "faster"], rows),
        ]
    )
