"""What a student's start is worth to other tasks: random, cut out of its teacher, general.

    python benchmarks/general_student.py --glue data/glue

Each start is fine-tuned with plain labels, without a teacher, on CoLA, MRPC, RTE and STS-B:
the same examples, steps and learning rate for all, three seeds (of the head, the order and the
examples taken). Dev sets. Figures go to docs/results/general_student.json as they come; what is
there already is not run again.

Not here: distillation for the task, which configs/glue/sst2_start.yaml compares.
"""

import functools
import json
import pathlib

import keras
import numpy as np
from absl import app, flags
from rich.progress import track

from tinybert_tf.cli import parse_flags, reporting_errors
from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.distillation import initialize_from_teacher
from tinybert_tf.files import atomic_file
from tinybert_tf.models import BertEncoder
from tinybert_tf.training.config import (
    DataConfig,
    FitConfig,
    OptimizerConfig,
    ProbeConfig,
    load_config,
)
from tinybert_tf.training.general import FineTuneProbe
from tinybert_tf.training.run_directory import environment
from tinybert_tf.training.sources import load_plain_teacher, make_student_encoder

STARTS = ("random", "teacher", "general")
TASKS = {"cola": "CoLA", "mrpc": "MRPC", "rte": "RTE", "stsb": "STS-B"}
# As many batches as a general distillation starts from.
_START_BATCHES = 16
_OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "general_student.json"

_GLUE = flags.DEFINE_string("glue", "data/glue", "The folder of GLUE's folders.")
_GENERAL = flags.DEFINE_string(
    "general", "tinybert_4l_312d_en", "The general student's preset."
)
_CONFIG = flags.DEFINE_string(
    "config", "configs/general/minilm_en.yaml", "Of the general distillation: teacher, corpus."
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "How many seeds.", lower_bound=1)
_EXAMPLES = flags.DEFINE_integer("examples", 2500, "Training examples of a task, at most.")
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Over them.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 2e-4, "At the end of the warm-up.")


def _probe_config(task: str) -> ProbeConfig:
    return ProbeConfig(
        task=task,
        data=DataConfig(
            format="glue",
            source=str(pathlib.Path(_GLUE.value) / TASKS[task]),
            train="train",
            dev="dev",
            max_train_examples=_EXAMPLES.value,
        ),
        fit=FitConfig(
            epochs=_EPOCHS.value,
            tokens_per_batch=1024,
            optimizer=OptimizerConfig(learning_rate=_LEARNING_RATE.value),
        ),
    )


class _Starts:
    """The encoders that are compared, of one shape and vocabulary."""

    def __init__(self):
        config = load_config(_CONFIG.value)
        teacher, self.tokenizer = load_plain_teacher(config)
        self._make = functools.partial(make_student_encoder, config, teacher)
        cut = self._make()
        batches = CorpusBatches(config.corpus.directory, seed=config.seed).dataset()
        initialize_from_teacher(cut, teacher, batches.take(_START_BATCHES).as_numpy_iterator())
        general = BertEncoder.from_preset(_GENERAL.value)
        self._weights = {"teacher": cut.get_weights(), "general": general.get_weights()}

    def __call__(self, start: str, seed: int) -> BertEncoder:
        keras.utils.set_random_seed(seed)
        encoder = self._make()
        if start in self._weights:
            encoder.set_weights(self._weights[start])
        return encoder


def _measured() -> dict:
    if not _OUTPUT.exists():
        return {"environments": [], "scores": []}
    return json.loads(_OUTPUT.read_text("utf-8"))


@reporting_errors
def main(argv):
    """Measures what is missing, and prints the means."""
    del argv
    figures = _measured()
    key = {
        "examples": _EXAMPLES.value,
        "epochs": _EPOCHS.value,
        "learning_rate": _LEARNING_RATE.value,
    }
    figures["environments"].append({**environment(), **key})
    done = {(row["task"], row["seed"], row["start"]) for row in figures["scores"]}
    wanted = [
        (task, seed, start)
        for seed in range(_SEEDS.value)
        for task in TASKS
        for start in STARTS
        if (task, seed, start) not in done
    ]
    starts = _Starts()
    for task, seed, start in track(wanted, "fine-tuning"):
        probe = FineTuneProbe(_probe_config(task), starts.tokenizer, seed)
        scores = probe.score(starts(start, seed))
        figures["scores"].append({"task": task, "seed": seed, "start": start, **scores, **key})
        print(task, seed, start, scores, flush=True)
        with atomic_file(_OUTPUT) as path:
            path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
        keras.backend.clear_session()
    for task in TASKS:
        for start in STARTS:
            rows = [r for r in figures["scores"] if (r["task"], r["start"]) == (task, start)]
            metrics = [k for k in rows[0] if k not in ("task", "seed", "start", *key)]
            means = {k: round(float(np.mean([r[k] for r in rows])), 4) for k in metrics}
            print(f"{task:5} {start:8} {means}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
