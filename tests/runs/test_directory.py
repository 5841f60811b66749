"""A run directory that two processes want, and results that are damaged."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

# Another process that locks a file, says so, and stays.
_HOLDER = """import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
file.write('{"pid": 77, "host": "elsewhere", "since": "yesterday"}')
file.flush()
print("locked", flush=True)
time.sleep(60)
"""


def test_a_directory_in_use_says_by_whom_until_that_is_dead(tiny_values, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    config = parse_config(tiny_values, "values")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, run / "lock.json"], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"locked\n"
        expected = f"{run} is in use by process 77 on elsewhere, since yesterday. Wait"
        with pytest.raises(TinyBertError) as caught, RunDirectory.creating(config, True):
            pass
        assert expected in str(caught.value)
        assert not (run / "config.yaml").exists()
    finally:
        holder.kill()
        holder.communicate()
    # What it left of its lock is no run and holds nobody up.
    with RunDirectory.creating(config, resume=False):
        lock = json.loads((run / "lock.json").read_text("utf-8"))
        assert lock["pid"] == os.getpid() and lock["host"] == socket.gethostname()
    assert [path.name for path in run.iterdir()] == ["config.yaml"]


def test_a_lock_within_a_process_and_one_that_nobody_signed(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with run.locked():
        (run.path / "lock.json").write_text("[", "utf-8")
        with pytest.raises(TinyBertError, match="in use by another process"), run.locked():
            pass
    # It was made for the lock alone.
    assert not run.path.exists()


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "run").touch()
    with (
        pytest.raises(TinyBertError, match="run is a file"),
        RunDirectory(tmp_path / "run").locked(),
    ):
        pass


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path)
    run.add_results(first={"accuracy": 0.5})
    run.add_results(second=2)
    return run


@pytest.mark.parametrize("content", ["", "[]", '{"first": {"accuracy": 0.5'])
def test_damaged_results_are_those_of_the_copy(run, content, capsys):
    path = run.path / "results.json"
    path.write_text(content, "utf-8")
    assert run.add_results(third=3) == {"first": {"accuracy": 0.5}, "second": 2, "third": 3}
    assert f"Its copy {run.path / 'results.copy.json'} is taken." in capsys.readouterr().out
    assert json.loads(path.read_text("utf-8")) == run.read_results()


def test_damaged_results_and_a_damaged_copy(run):
    for path in run.path.glob("results*.json"):
        path.write_text("{", "utf-8")
    with pytest.raises(TinyBertError, match=r"results\.copy\.json, line 1, column 2: not JSON"):
        run.read_results()


def test_a_line_after_half_a_line(run):
    run.log("stage", 1, {"loss": 0.5})
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"stage": "sta')
    run.log("stage", 2, {"loss": 0.25})
    assert [line["step"] for line in run.read_metrics()] == [1, 2]


def test_what_is_no_number_has_no_place_in_the_metrics(run):
    run.log("stage", 3, {"loss": 0.5, "dev_pearson": float("nan"), "dev_loss": float("inf")})
    assert [{**line, "time": 0} for line in run.read_metrics()] == [
        {"time": 0, "stage": "stage", "step": 3, "loss": 0.5}
    ]
