"""A run of several workers: what the others write, and what all of them end in."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from tinybert_tf.commands import command_line
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.sharing import FollowedRun, sharing_run

# Several commands in a process, without the check: most of the time is the start of processes
# and the tracing of graphs.
PROGRAM = """
import sys
from tinybert_tf.commands import _checking, command_line
_checking.check = lambda *_: None
for command in sys.argv[1:]:
    command_line.main(command.split())
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
    with pytest.raises(TinyBertError, match="exists"), sharing_run(config, opening):
        pytest.fail("was opened")


# === Processes ===


def start(commands, **environment):
    # Without a search for GPUs: two workers would share one.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *commands],
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


def start_workers(*commands):
    """Starts two workers; commands may name their number, as `{}`."""
    cluster = {"worker": free_addresses(2)}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [
        start(
            [command.format(task["index"]) for command in commands],
            TF_CONFIG=json.dumps({"cluster": cluster, "task": task}),
        )
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


# Batches of 21, 21, 21 and 1 row: no two halves, and one in which a worker has nothing.
TOKENS_PER_BATCH = 168


def with_tokens_per_batch(value):
    """Returns values of a config in which every fit has those."""
    if isinstance(value, list):
        return [with_tokens_per_batch(item) for item in value]
    if not isinstance(value, dict):
        return value
    known = {"tokens_per_batch": TOKENS_PER_BATCH} if "tokens_per_batch" in value else {}
    return {key: with_tokens_per_batch(item) for key, item in value.items()} | known


def make_runs(tiny_values, teacher, corpora):
    """Values of a config by the command that they are for: all that train.

    Without dropout, whose masks differ with the number of workers. The distillation is that of
    one teacher: its start makes more of the rounding of a fine-tuning than there is.
    """
    values = with_tokens_per_batch(tiny_values)
    fine_tune = values["teacher"]["fine_tune"]
    values["teacher"]["dropout"] = values["student"]["dropout"] = 0.0
    general = {**values["distillation"]["stages"][0], "name": "general"}
    encoder = {"weights": values["teacher"]["weights"]}
    return {
        # With a head that is fitted before the first step.
        "finetune": {**values, "teacher": {**values["teacher"], "pooling": "mean"}},
        "distill": {**values, "teacher": {"weights": str(teacher), "fine_tune": None}},
        "general-distill": {
            "corpus": {"directory": str(corpora["plain"])},
            "teacher": encoder,
            "student": values["student"],
            "distillation": {"stages": [general]},
            "precision": "float32",
        },
        "pretrain-mlm": {
            "corpus": {"directory": str(corpora["masked"])},
            "encoder": encoder,
            "fit": {**fine_tune, "epochs": 1},
            "dropout": 0.0,
            "precision": "float32",
        },
    }


def write_runs(runs, folder, **changes):
    """Writes configs of runs in a folder; returns the commands that train them."""
    folder.mkdir()
    commands = []
    for name, values in runs.items():
        values = {**values, "run_directory": str(folder / name), **changes}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values), "utf-8")
        # The run of a distillation is made by the fine-tuning.
        made_by = "finetune" if name == "distill" else name
        commands.append(f"{made_by} --config {folder / name}.yaml --resume")
        if name == "distill":
            commands.append(f"distill --config {folder / name}.yaml")
    return commands


# Where the runs have what they made.
MODELS = {
    "finetune": "teacher",
    "distill": "student",
    "general-distill": "student",
    "pretrain-mlm": "masked_lm",
}


@pytest.fixture(scope="module")
def differences(saved_weights):
    """A function from two runs to the largest difference of each weight."""

    def compare(run, other):
        ours, theirs = (saved_weights(path / MODELS[path.name]) for path in (run, other))
        assert ours.keys() == theirs.keys() and len(ours) > 10
        return {name: np.abs(ours[name] - theirs[name]).max() for name in ours}

    return compare


@pytest.fixture(scope="module")
def runs(make_tiny_values, tiny_bert, finished_run, tmp_path_factory):
    """Values of configs by command."""
    folder = tmp_path_factory.mktemp("corpora")
    random = np.random.default_rng(3)
    texts = [" ".join(map(str, random.integers(0, 64, 13))) for _ in range(80)]
    (folder / "text.txt").write_text("\n\n".join(texts) + "\n", "utf-8")
    corpora = {}
    for name, probability in (("plain", 0.0), ("masked", 0.15)):
        corpora[name] = folder / name
        arguments = ["--input", str(folder / "text.txt"), "--output", str(corpora[name])]
        arguments += ["--vocabulary", str(tiny_bert / "vocab.txt"), "--held_out", "0.2"]
        arguments += ["--sequence_length", "16", "--runner", "in_process"]
        command_line.main(["corpus", *arguments, "--mask_probability", str(probability)])
    return make_runs(make_tiny_values(folder), finished_run.teacher, corpora)


@pytest.fixture(scope="module")
def folder(runs, tmp_path_factory):
    """The runs of one process and of two workers, and what those printed."""
    folder = tmp_path_factory.mktemp("workers")
    alone = write_runs(runs, folder / "alone")
    two = write_runs(runs, folder / "two", strategy="multi_worker")
    _, chief, other = finish_well([start(alone), *start_workers(*two)])
    (folder / "chief.txt").write_text(chief)
    (folder / "other.txt").write_text(other)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_two_workers_end_in_the_weights_of_one_process(folder, differences, name):
    found = differences(folder / "two" / name, folder / "alone" / name)
    # A key's bias does not matter (softmax): its gradient is noise, of which Adam makes steps.
    noise = {key: found.pop(key) for key in list(found) if key.endswith("key/vars/1")}
    assert noise and max(noise.values()) < 1e-5
    # The pooler is fitted between the stages: rounding of 1e-7 in hidden states is 4e-6 in it.
    limits = {
        key: 1e-5 if "/layers/dense/" in key and name == "distill" else 1e-6 for key in found
    }
    assert not {key: value for key, value in found.items() if value >= limits[key]}


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
    files = [[path for path in some if "tfevents" not in path.name] for some in paths]
    assert files[0] == files[1]
    commands = json.loads((folder / "two/distill/results.json").read_text())["commands"]
    assert len(commands) == 2


def wait_for_state(folder, stage, processes):
    """Waits until a stage has left a state, of whatever step."""
    deadline = time.monotonic() + 900
    while not list(folder.glob(f"{stage}.[0-9]*.weights.h5")):
        is_well = time.monotonic() < deadline and all(p.poll() is None for p in processes)
        if not is_well:
            for process in processes:
                process.kill()
            pytest.fail(f"no state of {stage} came: {finish(processes)}")
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_workers_end_the_others_and_all_go_on(folder, runs, differences, tmp_path):
    """The second in the fine-tuning, then the chief in the last stage of the distillation."""
    # A state after each step.
    changes = {"strategy": "multi_worker", "checkpoint_minutes": 1e-9}
    killed = {name: runs[name] for name in ("finetune", "distill")}
    commands = write_runs(killed, tmp_path / "killed", **changes)
    for lost, run, stage in ((1, "finetune", "finetune"), (0, "distill", "prediction")):
        processes = start_workers(*commands)
        wait_for_state(tmp_path / "killed" / run / "checkpoints", stage, processes)
        processes[lost].kill()
        code, _, errors = finish(processes)[1 - lost]
        assert code == 75, errors
        assert errors.splitlines()[-1].startswith("error: A worker was lost")
        assert "Traceback" not in errors
    assert not (tmp_path / "killed/distill/student").exists()

    finish_well(start_workers(*commands))
    for name in killed:
        found = differences(tmp_path / "killed" / name, folder / "two" / name)
        assert max(found.values()) == 0.0, found


def states_in(folder):
    return {path.name for path in folder.glob("*/checkpoints/*.[0-9]*.weights.h5")}


@pytest.mark.slow
def test_ten_killed_workers(folder, runs, differences, tmp_path):
    """Either of them, at any moment after a step; runs that end before are compared, too."""
    random, killed = np.random.default_rng(10), 0
    for attempt in range(20):
        run = tmp_path / str(attempt)
        changes = {"strategy": "multi_worker", "checkpoint_minutes": 1e-9}
        some = {name: runs[name] for name in ("finetune", "distill")}
        commands, codes = write_runs(some, run, **changes), [75]
        while killed < 10 and codes == [75]:
            processes, before = start_workers(*commands), states_in(run)
            while states_in(run) == before and all(p.poll() is None for p in processes):
                time.sleep(0.005)
            time.sleep(random.uniform(0.0, 2.0))
            lost = random.integers(2)
            was_alive = processes[lost].poll() is None
            processes[lost].kill()
            code, _, errors = finish(processes)[1 - lost]
            # 0 if the last step was done.
            assert code in (0, 75) and "Traceback" not in errors, errors
            killed += was_alive
            codes = [code]
        finish_well(start_workers(*commands))
        for name in some:
            found = differences(run / name, folder / "two" / name)
            assert max(found.values()) == 0.0, found
        if killed == 10:
            return
    pytest.fail(f"{killed} were killed in 20 runs")


@pytest.mark.slow
def test_a_signal_to_all_workers(folder, runs, differences, tmp_path):
    """As schedulers send it: the chief saves, and the other finds it gone."""
    changes = {"strategy": "multi_worker", "checkpoint_minutes": 1e-9}
    commands = write_runs({"finetune": runs["finetune"]}, tmp_path / "stopped", **changes)
    processes = start_workers(*commands)
    wait_for_state(tmp_path / "stopped/finetune/checkpoints", "finetune", processes)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    results = finish(processes)
    assert [code for code, _, _ in results] == [143, 75], results
    assert "Traceback" not in "".join(errors for _, _, errors in results)
    # With the command that goes on.
    assert results[0][2].splitlines()[-1].endswith("finetune.yaml --resume")
    assert not (tmp_path / "stopped/finetune/teacher").exists()

    finish_well(start_workers(*commands))
    found = differences(tmp_path / "stopped/finetune", folder / "two/finetune")
    assert max(found.values()) == 0.0, found


@pytest.mark.slow
def test_workers_of_different_configs(runs, tmp_path):
    for index in range(2):
        values = {"finetune": {**runs["finetune"], "seed": index}}
        write_runs(values, tmp_path / str(index), strategy="multi_worker")
    processes = start_workers(f"finetune --config {tmp_path}/{{}}/finetune.yaml")
    for code, _, errors in finish(processes):
        assert code == 2
        assert "What was started must be the same on all workers; worker 1 had" in errors
    assert not list(tmp_path.glob("*/finetune/"))
