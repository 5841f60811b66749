"""A run of several workers: what the others write, and what all of them end in."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import yaml

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs import workers
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.workers import FollowedRun

# Both steps in one process: most of the time is the start of processes and tracing.
PROGRAM = """
import sys
from tinybert_tf.commands import command_line
for command in ("finetune", "distill"):
    resume = ["--resume"] if command == "finetune" else []
    command_line.main([command, "--config", sys.argv[1], *resume])
"""


# === Without other processes ===


def test_a_follower_writes_nothing(tmp_path):
    run = FollowedRun(tmp_path / "run", {"finetune": {"dev": {"accuracy": 0.5}}})
    figures = run.read_results()["finetune"]
    figures["step"] = 3
    assert run.add_results(teacher={"dev": figures}) == run.read_results()
    assert run.read_results() == {
        "finetune": {"dev": {"accuracy": 0.5}},
        "teacher": {"dev": {"dev": {"accuracy": 0.5}, "step": 3}},
    }
    run.log("finetune", 3, {"loss": 1.0})
    run.record_command(42)
    assert "commands" not in run.read_results()
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_opened(tiny_values):
    def opening():
        raise TinyBertError("exists")

    config = parse_config(tiny_values, "values")
    with pytest.raises(TinyBertError, match="exists"), workers.sharing_run(config, opening):
        pytest.fail("was opened")


# === Processes ===


def start(config, **environment):
    # Without a search for GPUs: two workers would share one.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(config)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    finally:
        for one in sockets:
            one.close()


def start_workers(config):
    cluster = {"worker": free_addresses(2)}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [
        start(config, TF_CONFIG=json.dumps({"cluster": cluster, "task": task}))
        for task in tasks
    ]


def finish(processes):
    """Waits for all; returns their exit codes, what they printed, and what was wrong."""
    try:
        said = [process.communicate(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *texts) for p, texts in zip(processes, said, strict=True)]


def finish_well(processes):
    results = finish(processes)
    for code, printed, errors in results:
        assert code == 0, printed[-2000:] + errors[-3000:]
    return [printed for _, printed, _ in results]


def write_config(values, path, **changes):
    """Of a run without dropout, whose masks differ with the number of workers.

    Its batches have 21, 21, 21 and 1 row: no two halves, and one that there is nothing in.
    """
    values = {**values, "run_directory": str(path.with_suffix("")), **changes}
    stages = values["distillation"]["stages"]
    for fit in (values["teacher"]["fine_tune"], *(stage["fit"] for stage in stages)):
        fit["tokens_per_batch"] = 168
    values["teacher"]["dropout"] = values["student"]["dropout"] = 0.0
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path


def saved_weights(preset):
    weights = {}
    for path in sorted(preset.glob("*.h5")):
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item, path=path: (
                    weights.update({f"{path.name}/{name}": item[()]})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    assert len(weights) > 20
    return weights


def largest_difference(preset, other):
    ours, theirs = saved_weights(preset), saved_weights(other)
    assert ours.keys() == theirs.keys()
    # A constant that softmax does not see: its gradient is noise, of which Adam makes steps.
    names = [name for name in ours if "key/vars/1" not in name]
    return max(np.abs(ours[name] - theirs[name]).max() for name in names)


@pytest.fixture(scope="module")
def folder(make_tiny_values, tmp_path_factory):
    """The runs of one process and of two workers, and what those printed."""
    folder = tmp_path_factory.mktemp("workers")
    values = make_tiny_values(folder)
    alone = write_config(values, folder / "alone.yaml")
    two = write_config(values, folder / "two.yaml", strategy="multi_worker")
    _, chief, other = finish_well([start(alone), *start_workers(two)])
    (folder / "chief.txt").write_text(chief)
    (folder / "other.txt").write_text(other)
    return folder


@pytest.mark.slow
def test_two_workers_end_in_the_weights_of_one_process(folder):
    for model in ("teacher", "student"):
        assert largest_difference(folder / "two" / model, folder / "alone" / model) < 1e-6
    results = [
        json.loads((folder / name / "results.json").read_text()) for name in ("alone", "two")
    ]
    for stage in ("finetune", "intermediate", "prediction"):
        alone, two = (result[stage] for result in results)
        assert two["step"] == alone["step"] and two["best_step"] == alone["best_step"]
        assert two["best_dev"] == pytest.approx(alone["best_dev"])


@pytest.mark.slow
def test_the_chief_alone_prints_and_writes(folder):
    assert "prediction, step 8 of 8" in (folder / "chief.txt").read_text()
    other = (folder / "other.txt").read_text().splitlines()
    assert other[0] == "worker 1 of 2: waiting for all of them"
    assert not [line for line in other if "step" in line or "settings" in line]
    paths = [
        sorted(path.relative_to(folder / name) for path in (folder / name).rglob("*"))
        for name in ("alone", "two")
    ]
    names = [[p.name for p in some if "tfevents" not in p.name] for some in paths]
    assert names[0] == names[1]
    commands = json.loads((folder / "two" / "results.json").read_text())["commands"]
    assert len(commands) == 2


def wait_for(path, processes, seconds=300):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        assert all(process.poll() is None for process in processes), finish(processes)
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "stage"), [(0, "prediction"), (1, "finetune")])
def test_a_killed_worker_ends_the_other_and_both_go_on(
    folder, make_tiny_values, tmp_path, lost, stage
):
    # A state after each step.
    changes = {"strategy": "multi_worker", "checkpoint_minutes": 1e-9}
    config = write_config(make_tiny_values(tmp_path), tmp_path / "killed.yaml", **changes)
    run = tmp_path / "killed"
    processes = start_workers(config)
    wait_for(run / "checkpoints" / f"{stage}.2.weights.h5", processes)
    processes[lost].kill()
    code, _, errors = finish(processes)[1 - lost]
    assert code == 75, errors
    assert errors.splitlines()[-1].startswith("error: A worker was lost")
    assert "Traceback" not in errors
    assert not (run / "student").exists()

    finish_well(start_workers(config))
    for model in ("teacher", "student"):
        assert largest_difference(run / model, folder / "two" / model) == 0.0


@pytest.mark.slow
def test_workers_of_different_configs(make_tiny_values, tmp_path):
    changes = {"strategy": "multi_worker"}
    first, second = (
        write_config({**make_tiny_values(tmp_path), "seed": seed}, tmp_path / name, **changes)
        for seed, name in ((1, "one.yaml"), (2, "other.yaml"))
    )
    cluster = {"worker": free_addresses(2)}
    processes = [
        start(
            config,
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}),
        )
        for i, config in enumerate((first, second))
    ]
    for code, _, errors in finish(processes):
        assert code == 2
        assert "What was started must be the same on all workers; worker 1 had" in errors
    shutil.rmtree(tmp_path / "one", ignore_errors=True)
    assert not (tmp_path / "other").exists()
