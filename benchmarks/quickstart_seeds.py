"""The quickstart on several seeds: how much its figures are worth.

    make setup
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/quickstart_seeds.py

With the variable, matrix products are those of a processor without AVX-512. Each seed is
configs/quickstart.yaml, from teacher to file. Scores are on
the 360 test sentences, of which one is 0.3 points; minutes are of the whole run without
imports, on a machine on which nothing else should run. Results go to
docs/results/quickstart_seeds.json as they come; what is there already is not run again.
"""

import os
import pathlib
import time

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import keras
from absl import app, flags
from glue_runs import RESULTS, measure_missing

from tinybert_tf.runs import exporting, recipes
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.directory import RunDirectory

_PROGRAM = "python benchmarks/quickstart_seeds.py"
_CONFIG = "configs/quickstart.yaml"
_RUNS = pathlib.Path("runs/quickstart_seeds")

_SEEDS = flags.DEFINE_list("seeds", ["42", "1", "2"], "Seeds.")


def measure(seed: int) -> dict:
    """Returns the row of a seed."""
    directory = f"run_directory={_RUNS / str(seed)}"
    config = load_config(_CONFIG, [directory, f"seed={seed}"])
    started = time.monotonic()
    with RunDirectory.creating(config, resume=True) as run:
        run.record_command(config.seed, _PROGRAM)
        recipes.finetune(config, run)
        recipes.distill(config, run)
        recipes.evaluate(config, run)
        exporting.export_all(config, run)
        results = run.read_results()
    minutes = (time.monotonic() - started) / 60
    keras.backend.clear_session()
    (profile,) = config.export.profiles
    return {
        "teacher": results["evaluation"]["teacher"]["accuracy"],
        "student": results["evaluation"]["student"]["accuracy"],
        "file": results["export"][profile]["accuracy"],
        "profile": profile,
        "instructions": os.environ.get("ONEDNN_MAX_CPU_ISA", "all"),
        "minutes": minutes,
    }


@reporting_errors
def main(argv):
    """Measures what is missing."""
    del argv
    keys = [{"seed": int(seed)} for seed in _SEEDS.value]
    measure_missing(RESULTS / "quickstart_seeds.json", _PROGRAM, keys, measure)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
