"""What a student's start is worth to tasks: random, fitted to its teacher, general.

    python benchmarks/general_student.py --glue data/glue

- few: 2,000 sentences of SST-2 are distilled from a fine-tuned teacher
  (configs/glue/sst2_few.yaml).
- selected: the same from `--teacher`, that of `benchmarks/student_start.py`; a start of
  selected dimensions, units and heads (`cutting.py`) beside the general one.
- full: SST-2 in full is distilled (configs/glue/sst2_minilm.yaml) from `--teacher`; one seed.
- tasks: CoLA, MRPC, RTE and STS-B are fine-tuned with plain labels, without a teacher.

The same examples, steps and learning rates for every start, dev sets; of all but full three
seeds (of the head, the order and the examples taken). Figures go to
docs/results/general_student.json as they come; what is there already is not run again.
"""

import functools
import itertools
import json
import pathlib

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import cutting
import keras
import numpy as np
from absl import app, flags
from rich.progress import track

from tinybert_tf.checkpoints.locations import load_classifier, load_plain_encoder
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.data import GLUE_TASKS, BucketedBatches, encode_examples, read_glue
from tinybert_tf.distillation import initialize_from_teacher
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs import recipes
from tinybert_tf.runs.config import DataConfig, ProbeConfig
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.environment import environment
from tinybert_tf.runs.general import FineTuneProbe
from tinybert_tf.runs.models import make_student_encoder
from tinybert_tf.training.fitting import FitConfig
from tinybert_tf.training.optimizers import OptimizerConfig
from tinybert_tf.training.strategies import resolve_precision

STARTS = ("random", "teacher", "general")
PARTS = ("few", "selected", "full", "tasks")
TASKS = {"cola": "CoLA", "mrpc": "MRPC", "rte": "RTE", "stsb": "STS-B"}
# As many batches as a general distillation starts from.
_START_BATCHES = 16
# Sentences that a start of selected dimensions is made with.
_SAMPLE = 2048
_FEW, _FULL = "configs/glue/sst2_few.yaml", "configs/glue/sst2_minilm.yaml"
_PROGRAM = "python benchmarks/general_student.py"
_OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "general_student.json"

_GLUE = flags.DEFINE_string("glue", "data/glue", "The folder of GLUE's folders.")
_GENERAL = flags.DEFINE_string(
    "general", "tinybert_4l_312d_en", "The general student's preset."
)
_CONFIG = flags.DEFINE_string(
    "config", "configs/general/minilm_en.yaml", "Of the general distillation: teacher, corpus."
)
_PARTS = flags.DEFINE_multi_enum("parts", list(PARTS), PARTS, "What to measure.")
_STARTS = flags.DEFINE_multi_enum("starts", list(STARTS), STARTS, "Of full: which starts.")
_TEACHER = flags.DEFINE_string(
    "teacher", "runs/sst2_one_epoch/teacher", "A classifier's preset, of selected and full."
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "How many seeds.", lower_bound=1)
_EXAMPLES = flags.DEFINE_integer("examples", 1000, "Training examples of a task, at most.")
_EPOCHS = flags.DEFINE_integer("epochs", 5, "Over them.", lower_bound=1)
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
            # Few examples: small batches, so that there are steps enough.
            tokens_per_batch=256,
            optimizer=OptimizerConfig(learning_rate=_LEARNING_RATE.value),
        ),
    )


class _Starts:
    """The encoders that are compared, of one shape and vocabulary."""

    def __init__(self):
        config = load_config(_CONFIG.value)
        teacher, self.tokenizer = load_plain_encoder(
            config.teacher, resolve_precision(config.precision)
        )
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
    keys = ("environments", "distilled", "distilled_selected", "distilled_full", "fine_tuned")
    figures = {key: [] for key in keys}
    return figures | (json.loads(_OUTPUT.read_text("utf-8")) if _OUTPUT.exists() else {})


def _save_selected(seed: int, path: pathlib.Path) -> str:
    """Saves a student of selected dimensions, units and heads, if it is not there."""
    if not path.exists():
        keras.utils.set_random_seed(seed)
        teacher = load_classifier(_TEACHER.value, "float32")
        sst2 = read_glue(GLUE_TASKS["sst2"], pathlib.Path(_GLUE.value) / "SST-2", "train")
        rows = np.random.default_rng(seed).permutation(len(sst2))[:_SAMPLE]
        batches = BucketedBatches(encode_examples(sst2.take(rows), teacher.preprocessor))
        sample = [inputs for inputs, _ in batches.dataset().as_numpy_iterator()]
        encoder = BertEncoder.from_preset("tinybert_4l_312d", load_weights=False)
        cutting.cut(cutting.energy_basis, BertTextClassifier(encoder, 2), teacher, sample)
        save_preset(encoder, teacher.preprocessor, path)
    return str(path)


def _distil(figures: dict, part: str) -> None:
    """Distils SST-2 from each start, with each seed."""
    teacher = [f"teacher.weights={_TEACHER.value}", "teacher.fine_tune=null"]
    key, path, starts, seeds, given = {
        "few": ("distilled", _FEW, STARTS, _SEEDS.value, []),
        "selected": (
            "distilled_selected", _FEW, ("selected", "general"), _SEEDS.value, teacher,
        ),
        "full": ("distilled_full", _FULL, _STARTS.value, 1, teacher),
    }[part]  # fmt: skip
    rows = figures[key]
    done = {(row["seed"], row["start"]) for row in rows}
    wanted = [run for run in itertools.product(range(seeds), starts) if run not in done]
    for seed, start in track(wanted, f"distilling SST-2, {part}"):
        value = _GENERAL.value if start == "general" else start
        if start == "selected":
            value = _save_selected(seed, pathlib.Path(f"runs/sst2_{part}/start_{seed}"))
        overrides = [*given, f"seed={seed}", f"student.start={value}"]
        overrides += [f"run_directory=runs/sst2_{part}/{start}_{seed}"]
        config = load_config(path, overrides)
        with RunDirectory.creating(config, resume=True) as run:
            run.record_command(seed, _PROGRAM)
            recipes.finetune(config, run)
            recipes.distill(config, run)
        results = run.read_results()
        row = {
            "seed": seed,
            "start": start,
            "examples": config.data.max_train_examples,
            "teacher": results["teacher"]["dev"]["accuracy"],
            "before training": results["student_start"]["dev"]["accuracy"],
            "after stage one": results["intermediate"]["dev"]["accuracy"],
            "with its head fitted again": results["student_head"]["dev"]["accuracy"],
            "after stage two": results["prediction"]["dev"]["accuracy"],
            # What a run keeps.
            "best of stage two": results["prediction"]["best_dev"]["accuracy"],
        }
        print(row, flush=True)
        rows.append(row)
        write_json(_OUTPUT, figures)
        keras.backend.clear_session()


def _fine_tune(figures: dict) -> None:
    """Fine-tunes each start on each of the other tasks, with each seed."""
    budget = {
        "examples": _EXAMPLES.value,
        "epochs": _EPOCHS.value,
        "learning_rate": _LEARNING_RATE.value,
    }
    if any(not budget.items() <= row.items() for row in figures["fine_tuned"]):
        raise TinyBertError(f"{_OUTPUT} was measured with another budget. Move it away.")
    done = {(row["seed"], row["task"], row["start"]) for row in figures["fine_tuned"]}
    wanted = [
        key for key in itertools.product(range(_SEEDS.value), TASKS, STARTS) if key not in done
    ]
    starts = _Starts()
    for seed, task, start in track(wanted, "fine-tuning"):
        probe = FineTuneProbe(_probe_config(task), starts.tokenizer, seed)
        scores = probe.score(starts(start, seed))
        row = {"seed": seed, "task": task, "start": start, **scores, **budget}
        print(row, flush=True)
        figures["fine_tuned"].append(row)
        write_json(_OUTPUT, figures)
        keras.backend.clear_session()


@reporting_errors
def main(argv):
    """Measures what is missing."""
    del argv
    figures = _measured()
    figures["environments"].append(environment(_PROGRAM))
    for part in _PARTS.value:
        if part == "tasks":
            _fine_tune(figures)
        else:
            _distil(figures, part)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
