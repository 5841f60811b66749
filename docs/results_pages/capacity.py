"""How long general distillation takes on many accelerators, as docs/distributed.md says."""

from results_pages.parts import load, table

# Assumed, and said so on the page.
_WORDS, _TOKENS_PER_WORD, _EPOCHS = 3.3e9, 1.3, 3
_TOKENS = _WORDS * _TOKENS_PER_WORD * _EPOCHS
_PEAK, _USED = 312e12, 0.3
_WITHIN, _BETWEEN = 300e9, 12.5e9
_BATCH = 256 * 128
_STUDENTS = {"tinybert_4l_312d": "TinyBERT-4", "tinybert_6l_768d": "TinyBERT-6"}
# Accelerators, and how many of the paper's batches are one.
_SETTINGS = ((1, 1), (8, 1), (64, 1), (64, 8))


def capacity_plan() -> str:
    """Returns what was counted, what is assumed, and the plan that follows."""
    figures = load("capacity")
    if figures is None:
        return ""
    students = figures["students"]
    return "\n\n".join(
        [
            f"Counted by `{figures['command']}`: millions of operations (matrix products; a "
            "multiplication and an addition are two) for a token of a sequence of 128, teacher "
            "of BERT-base's shape. Of the models alone it counts what the paper's table 1 has.",
            _counts(students),
            "The rest is arithmetic on assumptions, to be replaced by your own:",
            _assumptions(students["tinybert_4l_312d"]),
            _plans(students),
            "One machine of eight is what this work wants. Eight such machines are no faster "
            "at the paper's batch, since a step is then shorter than its exchange; with larger "
            "batches they are, and the learning rate of those is to be found.",
        ]
    )


def _counts(students: dict) -> str:
    header = ["student", "teacher forward", "student forward", "step of both", "weights (M)"]
    rows = []
    for key, name in _STUDENTS.items():
        values = (students[key][of] / 1e6 for of in ("teacher", "student", "step", "weights"))
        rows.append([name, *(f"{value:.1f}" for value in values)])
    return table(header, rows)


def _assumptions(figures: dict) -> str:
    lines = [
        f"Text: Wikipedia and BookCorpus, {_WORDS / 1e9:.1f} billion words (arXiv 1810.04805), "
        f"{_TOKENS_PER_WORD} tokens a word, {_EPOCHS} epochs: {_TOKENS / 1e9:.1f} billion "
        f"tokens. For TinyBERT-4 that is {_TOKENS:.2e} x {figures['step'] / 1e6:.0f}e6 = "
        f"{_TOKENS * figures['step']:.1e} operations.",
        f"An accelerator of {_PEAK / 1e12:.0f} TFLOP/s (an A100 in bfloat16, by its data "
        f"sheet), of which {_USED:.0%} is used; matrices 312 wide may use less.",
        "Gradients are float32; each worker sends all of them about twice a step, at "
        f"{_WITHIN / 1e9:.0f} GB/s within a machine of eight, at {_BETWEEN / 1e9:.1f} GB/s "
        "(100 Gbit/s) between machines, and computes nothing meanwhile.",
        f"A batch is the paper's, 256 sequences of 128 tokens: {_BATCH:,} tokens; or eight of "
        "them.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _plans(students: dict) -> str:
    header = [
        *("student", "accelerators", "tokens a batch"),
        *("computing a step (ms)", "exchanging (ms)", "hours"),
    ]
    rows = [
        [name, *_plan(students[key], *setting)]
        for key, name in _STUDENTS.items()
        for setting in _SETTINGS
    ]
    return table(header, rows)


def _plan(figures: dict, accelerators: int, batches: int) -> list[str]:
    batch = _BATCH * batches
    computing = batch * figures["step"] / (accelerators * _PEAK * _USED)
    # A ring: each sends its share twice to all others.
    sent = 2 * 4 * figures["weights"] * (accelerators - 1) / accelerators
    exchanging = sent / (_WITHIN if accelerators <= 8 else _BETWEEN)
    hours = _TOKENS / batch * (computing + exchanging) / 3600
    return [
        *(str(accelerators), f"{batch:,}"),
        *(f"{1e3 * computing:.1f}", f"{1e3 * exchanging:.1f}", f"{hours:.1f}"),
    ]
