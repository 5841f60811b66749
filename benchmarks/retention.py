"""What students keep of their teachers on GLUE, and what each part of the method is worth.

    python benchmarks/retention.py --tasks sst2,cola,mrpc,rte,stsb
    python benchmarks/retention.py --tasks mrpc --ablation
    python benchmarks/retention.py --teacher mpnet --tasks mrpc,rte,stsb

Without `--ablation`: the whole of configs/glue/TASK_minilm.yaml for each task, in its own run
directory; further seeds in runs/TASK_minilm_SEED. With it: the same student with one part left
out at a time, from the teacher and the copies of the task's whole run, which must be there.
`--teacher mpnet` takes configs/glue/TASK_mpnet.yaml, which say what to run first.

Scores are GLUE's first metric of the task on its dev set, on which checkpoints are chosen,
too. Figures go to docs/results/retention.json, retention_mpnet.json and ablation.json as they
come; what is there already is not run again.

Deliberately not here: tuning for a task; the test sets, whose labels are not public.
"""

import itertools
import pathlib
import shutil

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

from absl import app, flags
from glue_runs import RESULTS, measure_missing, row_of, run_chain

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_directory
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.directory import RunDirectory

_PROGRAM = "python benchmarks/retention.py"

# The seed of every config.
_FIRST_SEED = 42

# What is set in the config of a task to leave a part out.
_FIRST, _SECOND = "distillation.stages.0", "distillation.stages.1"
PARTS = {
    "nothing": (),
    "augmentation": ("augmentation=null",),
    "start from the teacher (general instead)": ("student.start=tinybert_4l_312d_en",),
    "any start": ("student.start=random",),
    "attention": (f"{_FIRST}.attention=0",),
    "hidden": (f"{_FIRST}.hidden=0",),
    "embedding": (f"{_FIRST}.embedding=0",),
    # Pooler and head are fitted in closed form where the stage begins; it then stands still.
    "prediction": (f"{_SECOND}.fit.epochs=1", f"{_SECOND}.fit.optimizer.learning_rate=1e-12"),
    "uniform mapping (top instead)": ("distillation.mapping=top",),
    "uniform mapping (bottom instead)": ("distillation.mapping=bottom",),
}

_TEACHER = flags.DEFINE_enum("teacher", "minilm", ["minilm", "mpnet"], "Whose configs.")
_TASKS = flags.DEFINE_list("tasks", ["sst2", "cola", "mrpc", "rte", "stsb"], "Which tasks.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "How many seeds, from 42.", lower_bound=1)
_ABLATION = flags.DEFINE_bool("ablation", False, "Leave parts out.")
_PARTS = flags.DEFINE_list("parts", list(PARTS), "Which parts to leave out.")
_SET = flags.DEFINE_multi_string("set", [], "key=value, in the config of every run.")


def _config(task: str, seed: int, *overrides: str):
    name = f"{task}_{_TEACHER.value}"
    own = [f"seed={seed}"]
    if seed != _FIRST_SEED:
        own += [f"run_directory=runs/{name}_{seed}"]
    return load_config(f"configs/glue/{name}.yaml", [*own, *_SET.value, *overrides])


def measure_whole(task: str, seed: int) -> dict:
    """Returns the figures of a task's whole run."""
    config = _config(task, seed)
    return row_of(config, run_chain(config, _PROGRAM, export=True))


def measure_without(part: str, task: str, seed: int) -> dict:
    """Returns the figures of a task's student without a part."""
    if not PARTS[part]:
        return measure_whole(task, seed)
    whole = RunDirectory(_config(task, seed).run_directory)
    if not whole.teacher.exists():
        raise TinyBertError(
            f"{whole.path} has no teacher yet. Run this without --ablation first."
        )
    teacher = (f"teacher.weights={whole.teacher}", "teacher.fine_tune=null")
    directory = pathlib.Path(f"runs/ablation/{task}_{part.replace(' ', '_')}_{seed}")
    overrides = (f"run_directory={directory}", *teacher, *PARTS[part])
    config = _config(task, seed, *overrides)
    copies = directory / "augmented"
    if config.augmentation is not None and not copies.exists():
        # Made once: they hold for each of these runs.
        with RunDirectory.creating(config, resume=True), atomic_directory(copies) as path:
            shutil.copytree(whole.augmented, path, dirs_exist_ok=True)
    return row_of(config, run_chain(config, _PROGRAM))


@reporting_errors
def main(argv):
    """Measures what is missing."""
    del argv
    unknown = [part for part in _PARTS.value if part not in PARTS]
    if unknown:
        raise TinyBertError(f"--parts: {unknown[0]!r} is none of {', '.join(PARTS)}.")
    runs = itertools.product(range(_FIRST_SEED, _FIRST_SEED + _SEEDS.value), _TASKS.value)
    keys = [{"task": task, "seed": seed} for seed, task in runs]
    if _ABLATION.value and _TEACHER.value != "minilm":
        raise TinyBertError("--ablation is of MiniLM's students alone. Leave --teacher out.")
    if _ABLATION.value:
        keys = [{"part": part, **key} for key in keys for part in _PARTS.value]
        measure_missing(RESULTS / "ablation.json", _PROGRAM, keys, measure_without)
    else:
        name = "retention" if _TEACHER.value == "minilm" else f"retention_{_TEACHER.value}"
        measure_missing(RESULTS / f"{name}.json", _PROGRAM, keys, measure_whole)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
