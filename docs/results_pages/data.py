"""Sections of what is made before training: the corpus, the masked LM, augmented copies."""

from results_pages.parts import load, run_commands, table


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
        run_commands(results),
        table(["", "loss", "accuracy"], rows),
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
