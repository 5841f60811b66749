"""Latency of exported bundles beside BERT-base, teacher, ONNX Runtime and PyTorch, in one run.

What is measured, one text at a time on a CPU, as by `python -m tinybert_tf.export benchmark`,
which knows no ONNX Runtime and no PyTorch:

| row | model |
|---|---|
| profile | `model.tflite` of one static length, by LiteRT |
| profile multi | `model_multi.tflite`, a signature for each length |
| teacher, bert_base | TFLite, float32, of the run's teacher and of BERT-base (random weights) |
| onnx_int8 | the same student, ONNX Runtime's dynamic int8, the fastest way found to make it |
| pytorch | the same student, transformers, eager, float32 |

Tokens are random at a fixed length; `texts` are the run's test sentences, static files padding
each to their length, multi-length files to the shortest of theirs that holds it, ONNX Runtime
and PyTorch not at all. Before that each model's outputs are compared with Keras's.

    pip install -e '.[export,benchmark]'
    for profile in float32 float16 dynamic_int8 static_int8 small; do
        python -m tinybert_tf.export --tflite --run runs/sst2_minilm --profile $profile \
            --sequence_length 128 --output runs/sst2_minilm/export/$profile
    done
    python benchmarks/export_latency.py

`--length 32 --length 128 --rounds 3 --seconds 1` took 9 minutes on two cores, a third of them
for converting and comparing. Nothing else may run.

Deliberately not here: accuracy, which the bundles know of themselves, and phones.
"""

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import export_latency_peers
from absl import app, flags
from rich.console import Console
from rich.table import Table

from tinybert_tf.commands.benchmark import run_command
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import PEERS, STATIC_FILE

_PEER_NAMES = [*PEERS, *export_latency_peers.PEERS]

_RUN = flags.DEFINE_string("run", "runs/sst2_minilm", "The run that the bundles are from.")
_PROFILES = flags.DEFINE_multi_string(
    "profile",
    ["float32", "float16", "dynamic_int8", "static_int8", "small"],
    "A folder of RUN/export; may be given several times.",
)
_AGAINST = flags.DEFINE_multi_enum(
    "against", _PEER_NAMES, _PEER_NAMES, "A peer; may be given several times."
)
_LENGTHS = flags.DEFINE_multi_integer(
    "length", [16, 32, 64, 128], "Tokens of the random texts; may be given several times."
)
_THREADS = flags.DEFINE_multi_integer(
    "threads", [1], "Number of threads; may be given several times."
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each row.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "Least length of a row's round.", lower_bound=0.0)
_OUTPUT = flags.DEFINE_string("output", "docs/results/export_latency.json", "Where numbers go.")

# Of the profile that a phone gets by default: (model, tokens, compared with, at least).
_GOALS = [
    ("dynamic_int8", 128, "bert_base", 40.0),
    ("dynamic_int8", 128, "onnx_int8", 1.0),
    ("dynamic_int8 multi", None, STATIC_FILE, 2.5),
]


def _print_goals(report: dict) -> None:
    ratios = {
        (row["model"], row["length"], name): ratio
        for row in report["results"]
        if row["threads"] == 1
        for name, ratio in row["times_as_fast_as"].items()
    }
    table = Table(
        "model", "tokens", "as fast as", "goal", "measured", title="Goals, one thread"
    )
    for model, length, name, goal in _GOALS:
        if (model, length, name) in ratios:
            measured = f"{ratios[model, length, name]:.2f}"
            table.add_row(model, str(length or "texts"), name, f"{goal:g}", measured)
    Console().print(table)


@reporting_errors
def main(argv):
    """Measures the bundles of a run; a mistake in what it was given ends with exit code 2."""
    if len(argv) > 1:
        raise TinyBertError(f"expected flags only; got {' '.join(argv[1:])}.")
    report = run_command(
        [f"{_RUN.value}/export/{profile}" for profile in _PROFILES.value],
        against=_AGAINST.value,
        run=_RUN.value,
        threads=_THREADS.value,
        lengths=_LENGTHS.value,
        output=_OUTPUT.value,
        rounds=_ROUNDS.value,
        seconds=_SECONDS.value,
        program="python benchmarks/export_latency.py",
        more_peers=export_latency_peers.PEERS,
    )
    _print_goals(report)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
