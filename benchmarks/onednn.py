"""Training with oneDNN, which TensorFlow leaves off on some processors, beside without.

    python benchmarks/onednn.py

Steps of the teacher's fine-tuning and of the student's intermediate stage in float32, as the
recipes run them: MiniLM (6 layers, 384 wide), TinyBERT-4 (312 wide), random tokens without
padding. TensorFlow decides about oneDNN when it is imported, so each round is a process of its
own, with and without in turn. `python -m tinybert_tf` has it on
(`tinybert_tf/commands/_chatter.py`); TF_ENABLE_ONEDNN_OPTS=0 turns it off.

Deliberately not here: bfloat16, exported models, and whether the results are the same (they
are not bit by bit).
"""

import json
import os
import statistics
import subprocess
import sys
import time

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

from absl import app, flags

from tinybert_tf.errors import TinyBertError

_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each side.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "Length of a step's round.", lower_bound=1.0)
_THREADS = flags.DEFINE_integer("threads", 2, "Threads of either side.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", "docs/results/onednn.json", "Where figures go.")
_MEASURES = flags.DEFINE_bool("measures", False, "Measure in this process. For the benchmark.")

_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
_SIDES = {"with": "1", "without": "0"}
_LENGTHS = (32, 128, 384)
_TOKENS_PER_BATCH = 6144


def measure_here() -> dict[str, float]:
    """Returns tokens per second of each step, in this process."""
    # Late: the process that compares does not need TensorFlow.
    import keras
    import numpy as np
    import tensorflow as tf

    from tinybert_tf.distillation import INTERMEDIATE, TinyBertDistiller
    from tinybert_tf.models import ARCHITECTURES, BertEncoder, BertTextClassifier
    from tinybert_tf.training.optimizers import OptimizerConfig, make_optimizer

    for set_threads in (
        tf.config.threading.set_intra_op_parallelism_threads,
        tf.config.threading.set_inter_op_parallelism_threads,
    ):
        set_threads(_THREADS.value)
    keras.utils.set_random_seed(0)
    shape = ARCHITECTURES["tinybert_4l_312d"]
    minilm = {"num_layers": 6, "num_heads": 12, "hidden_dim": 384, "intermediate_dim": 1536}
    teacher = BertTextClassifier(BertEncoder(**{**shape, **minilm}), 2)
    student = BertTextClassifier(BertEncoder(**shape, dropout=0.0), 2)
    distiller = TinyBertDistiller(student, teacher)
    options = OptimizerConfig(learning_rate=1e-5)
    optimizers = [make_optimizer(options, 1000, "float32") for _ in range(2)]
    teacher.compile(optimizers[0], jit_compile=False)
    distiller.compile(optimizers[1], stage=INTERMEDIATE)
    random = np.random.default_rng(0)
    speeds = {}
    for length in _LENGTHS:
        rows = _TOKENS_PER_BATCH // length
        ids = random.integers(0, shape["vocabulary_size"], (rows, length), "int32")
        zeros = np.zeros_like(ids)
        inputs = {"token_ids": ids, "segment_ids": zeros, "padding_mask": zeros + 1}
        labels = random.integers(0, 2, rows, "int32")
        for name, model in (("fine-tuning", teacher), ("distillation", distiller)):
            model.train_on_batch(inputs, labels)
            steps, started = 0, time.perf_counter()
            while time.perf_counter() - started < _SECONDS.value:
                model.train_on_batch(inputs, labels)
                steps += 1
            elapsed = time.perf_counter() - started
            speeds[f"{name}, {length} tokens"] = steps * rows * length / elapsed
    return speeds


def measure_apart(side: str) -> dict[str, float]:
    """Returns what `measure_here` does in a process with or without oneDNN.

    Raises:
        TinyBertError: if the process ended without figures.
    """
    command = [sys.executable, *sys.argv, "--measures"]
    environment = {**os.environ, _VARIABLE: _SIDES[side]}
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    try:
        return json.loads(process.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise TinyBertError(
            f"The process {side} oneDNN gave no figures:\n{process.stderr[-2000:]}"
        ) from error


def compare() -> dict[str, dict]:
    """Returns the medians of both sides, and their ratio, for each step."""
    rounds = {side: [] for side in _SIDES}
    for _ in range(_ROUNDS.value):
        for side, measured in rounds.items():
            measured.append(measure_apart(side))
            print(f"{side}: {measured[-1]}", flush=True)
    results = {}
    for name in rounds["with"][0]:
        speeds = {side: [r[name] for r in measured] for side, measured in rounds.items()}
        medians = {side: statistics.median(values) for side, values in speeds.items()}
        ratio = medians["with"] / medians["without"]
        results[name] = {"rounds": speeds, **medians, "faster_by": ratio}
    return results


@reporting_errors
def main(argv):
    """Measures, prints and writes the figures."""
    del argv
    if _MEASURES.value:
        print(json.dumps(measure_here()))
        return
    load = os.getloadavg()
    results = compare()

    from tinybert_tf.files import write_json
    from tinybert_tf.runs.environment import environment

    report = environment("python benchmarks/onednn.py")
    report["load_average"] = {"before": load, "after": os.getloadavg()}
    report["settings"] = {
        "rounds": _ROUNDS.value,
        "seconds": _SECONDS.value,
        "threads": _THREADS.value,
        "tokens_per_batch": _TOKENS_PER_BATCH,
    }
    report["tokens_per_second"] = results
    write_json(_OUTPUT.value, report)
    for name, figures in results.items():
        print(f"{name}: {figures['faster_by']:.2f} x")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
