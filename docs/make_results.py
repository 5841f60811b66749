"""Writes `docs/results.md`, its plot and the figures of other pages from `docs/results/*.json`.

    python docs/make_results.py          # write
    python docs/make_results.py --check  # fail if a page is not what the figures say

The JSON files are written by the commands that measured; nothing here computes a figure that
is not a plain ratio or unit of theirs. The sections are in `docs/results_pages/`.
"""

import pathlib
import sys

from results_pages.capacity import capacity_plan
from results_pages.commands import contributing_times, readme_times
from results_pages.data import augmentation_section, corpus_section, masked_lm_section
from results_pages.glue import (
    ablation_section,
    deep_teacher_section,
    large_teacher_tasks_section,
    retention_section,
)
from results_pages.parts import load, table
from results_pages.performance import outside_steps, teacher_cache, two_workers
from results_pages.runs import (
    large_teacher_section,
    model_table,
    run_section,
    seeds_section,
    seeds_sentence,
    squad_section,
)
from results_pages.runtimes import runtimes_section
from results_pages.speed import latency_section, onednn_section, speed_section
from results_pages.starts import (
    general_section,
    general_student_section,
    losses_plot,
    student_start_section,
)

DOCS = pathlib.Path(__file__).resolve().parent
README = DOCS.parent / "README.md"
AUGMENT = DOCS / "augment.md"
DISTRIBUTED = DOCS / "distributed.md"
PERFORMANCE = DOCS / "performance.md"
PRESETS = DOCS.parent / "tinybert_tf" / "presets"
CARD = PRESETS / "tinybert_4l_312d_en" / "README.md"
CLASSIFIER_CARD = PRESETS / "tinybert_4l_312d_en_sst2" / "README.md"
CONTRIBUTING = DOCS.parent / "CONTRIBUTING.md"
BEGIN, END = "<!-- results: made by docs/make_results.py -->", "<!-- end of results -->"
TIMES = "<!-- times: made by docs/make_results.py -->", "<!-- end of times -->"
WORKERS = "<!-- workers: made by docs/make_results.py -->", "<!-- end of workers -->"
CACHE = "<!-- cache: made by docs/make_results.py -->", "<!-- end of cache -->"


def results_page() -> str:
    """Returns `docs/results.md`."""
    parts = [
        "# Results",
        "Made by `docs/make_results.py` from the JSON files in `docs/results/`, which the "
        "commands shown here wrote. Results on dev and test are on data that no model was "
        "trained on; checkpoints were chosen on dev.",
        "All students on this page but that of 12 intents and those of a teacher of "
        "BERT-base's size were distilled with `distillation.attention_scores: raw`, the only "
        "choice there was; the default now is `centred`.",
        *run_section(
            "SST-2",
            "sst2_minilm",
            "GLUE's SST-2, 67,349 training and 872 dev sentences; the dev set is also the test "
            "set, as usual for GLUE, whose test labels are not public. MiniLM teacher (6 "
            "layers, 384 wide), TinyBERT student (4 layers, 312 wide) that starts from it; no "
            "data augmentation. The run was resumed between its steps and shared the machine "
            "with others: its wall times say little.",
        ),
        *large_teacher_section(),
        *large_teacher_tasks_section(),
        *latency_section(),
        *runtimes_section(),
        *corpus_section(),
        *general_section(),
        *student_start_section(),
        *general_student_section(),
        *augmentation_section(),
        *masked_lm_section(),
        *retention_section(),
        *ablation_section(),
        *deep_teacher_section(),
        *squad_section(),
        *speed_section(),
        *onednn_section(),
        *run_section(
            "Quickstart",
            "quickstart",
            "The embedded sample, 12 intents: 1,200 training sentences, checkpoints chosen on "
            "120, results on 360 others. A demonstration, no benchmark: one sentence is 0.3 "
            "points.",
        ),
        *seeds_section(),
    ]
    return "\n\n".join(parts) + "\n"


def readme_block() -> str:
    """Returns the results part of README.md."""
    results = load("quickstart")
    parts = []
    if results is not None:
        parts = [
            "`make quickstart`, on the 360 test sentences (size: of the weights as float32 in "
            "Keras, of the file in TFLite; latency: one sentence, one thread in TFLite):",
            model_table(results),
            f"{seeds_sentence()}SST-2, other GLUE tasks, SQuAD, speed, with commands, machine "
            "and versions: [docs/results.md](docs/results.md).",
        ]
    return "\n\n".join([BEGIN, *parts, END])


def card_block() -> str:
    """Returns the figures of the general student's model card."""
    parts = [part for part in general_section()[1:] if not part.startswith("![")]
    return "\n\n".join([BEGIN, *parts, *general_student_section()[1:], END])


def classifier_card_block() -> str:
    """Returns the figures of the classifier's model card."""
    return "\n\n".join([BEGIN, *large_teacher_section()[1:], END])


def examples_block() -> str:
    """Returns the augmented sentences of docs/augment.md."""
    figures = load("augmented_examples")
    if figures is None:
        return "\n\n".join([BEGIN, END])
    rows = [[pair["sentence"], pair["copy"]] for pair in figures["examples"]]
    body = table(["sentence", "its first copy"], rows).replace("---:", "---")
    about = (
        "Sentences of the reviews in the package and the first copy of each, good or bad, from "
        "the masked LM of `configs/general/masked_lm_minilm.yaml`, which has read little text:"
    )
    return "\n\n".join([BEGIN, about, f"    {figures['command']}", body, END])


def capacity_block() -> str:
    """Returns the figures of docs/distributed.md."""
    return "\n\n".join([BEGIN, capacity_plan(), END])


def profile_block() -> str:
    """Returns the profile in docs/performance.md."""
    return "\n\n".join([BEGIN, outside_steps(), END])


def with_block(page: str, block: str) -> str:
    """Returns a page with another block of figures."""
    before, rest = page.split(BEGIN)
    return before + block + rest.split(END)[1]


def with_part(page: str, marks: tuple[str, str], text: str) -> str:
    """Returns a page with another text between marks of its own."""
    begin, end = marks
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Writes the pages, or with `--check` compares them."""
    readme = README.read_text("utf-8")
    card = CARD.read_text("utf-8")
    pages = {
        DOCS / "results.md": results_page(),
        README: with_part(with_block(readme, readme_block()), TIMES, readme_times()),
        CONTRIBUTING: with_part(CONTRIBUTING.read_text("utf-8"), TIMES, contributing_times()),
        CARD: with_block(card, card_block()),
        CLASSIFIER_CARD: with_block(
            CLASSIFIER_CARD.read_text("utf-8"), classifier_card_block()
        ),
        AUGMENT: with_block(AUGMENT.read_text("utf-8"), examples_block()),
        DISTRIBUTED: with_part(
            with_block(DISTRIBUTED.read_text("utf-8"), capacity_block()), WORKERS, two_workers()
        ),
        PERFORMANCE: with_part(
            with_block(PERFORMANCE.read_text("utf-8"), profile_block()), CACHE, teacher_cache()
        ),
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
