"""What a second worker is worth: steps of one process and of two, on cores of their own.

    python benchmarks/workers.py

Fine-tuning and the intermediate stage of configs/quickstart.yaml (MiniLM, TinyBERT-4, real
sentences, 2,048 tokens a batch), from YAML as users run them:

| row | processes |
|---|---|
| one core | one process that may use one core |
| two workers | `strategy: multi_worker`, two processes with a core each, over 127.0.0.1 |
| two cores | one process that may use both |

All compute the same update from the same batches. Speed is that between the first and the last
line of a stage in `metrics.jsonl`, so the start of processes and tracing are not in it; a score
on 120 sentences after each epoch is. It takes 12 minutes on two cores, and nothing else may run
meanwhile. Linux alone: it sets which cores a process has.
"""

import functools
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

from absl import app, flags

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.runs.environment import environment

_PROGRAM = "python benchmarks/workers.py"
_OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "workers.json"
_RUNS = pathlib.Path("runs/workers")
_STAGES = {"finetune": "finetune", "intermediate": "distill"}
_CORES = {"one core": [{0}], "two workers": [{0}, {1}], "two cores": [{0, 1}]}
_TOKENS_PER_BATCH = 2048
# Without dropout, of which every worker draws masks of its own.
_SETTINGS = (
    "teacher.dropout=0.0",
    "student.start=random",
    "distillation.teacher_cache=none",
)

_ROUNDS = flags.DEFINE_integer("rounds", 1, "Rounds of each row.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Of either stage, 9 steps each.", lower_bound=2)


def _settings(directory: pathlib.Path, strategy: str) -> list[str]:
    optimizer = "optimizer: {learning_rate: 1e-4}"
    fit = f"{{epochs: {_EPOCHS.value}, tokens_per_batch: {_TOKENS_PER_BATCH}, {optimizer}}}"
    stage = f"{{name: intermediate, attention: 1.0, hidden: 1.0, embedding: 1.0, fit: {fit}}}"
    settings = (
        *_SETTINGS,
        f"run_directory={directory}",
        f"strategy={strategy}",
        f"teacher.fine_tune={fit}",
        f"distillation.stages=[{stage}]",
    )
    return [part for setting in settings for part in ("--set", setting)]


def _free_address() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def _run(command: str, directory: pathlib.Path, cores: list[set[int]]) -> None:
    """Runs a command in as many processes as there are sets of cores."""
    strategy = "multi_worker" if len(cores) > 1 else "none"
    program = [sys.executable, "-m", "tinybert_tf", command, "--resume"]
    program += ["--config", "configs/quickstart.yaml", *_settings(directory, strategy)]
    cluster = {"worker": [_free_address() for _ in cores]}
    processes = []
    for index, own in enumerate(cores):
        task = {"type": "worker", "index": index}
        joined = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
        processes.append(
            subprocess.Popen(
                program,
                env={**os.environ, **(joined if len(cores) > 1 else {})},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=functools.partial(os.sched_setaffinity, 0, own),
            )
        )
    said = [process.communicate()[1] for process in processes]
    if any(process.returncode for process in processes):
        raise TinyBertError(f"{command} ended with: {said[0][-2000:]}")


def _speed(directory: pathlib.Path, stage: str) -> float:
    """Returns the steps a second between the first and the last line of a stage."""
    lines = (directory / "metrics.jsonl").read_text("utf-8").splitlines()
    of_stage = [line for line in map(json.loads, lines) if line["stage"] == stage]
    first, *_, last = [line for line in of_stage if "loss" in line]
    return (last["step"] - first["step"]) / (last["time"] - first["time"])


@reporting_errors
def main(argv):
    """Measures all rows in turn."""
    del argv
    report = environment(_PROGRAM) | {"load_before": os.getloadavg()[0]}
    speeds = {stage: {row: [] for row in _CORES} for stage in _STAGES}
    for _ in range(_ROUNDS.value):
        for row, cores in _CORES.items():
            directory = _RUNS / row.replace(" ", "_")
            shutil.rmtree(directory, ignore_errors=True)
            for stage, command in _STAGES.items():
                _run(command, directory, cores)
                speeds[stage][row].append(_speed(directory, stage))
                print(f"{stage}, {row}: {speeds[stage][row][-1]:.3f} steps/s", flush=True)
    medians = {
        stage: {row: statistics.median(values) for row, values in rows.items()}
        for stage, rows in speeds.items()
    }
    report |= {
        "rounds": speeds,
        "steps_per_second": medians,
        "tokens_per_batch": _TOKENS_PER_BATCH,
    }
    write_json(_OUTPUT, report)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
