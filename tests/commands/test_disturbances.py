"""Whole runs, to their bundle, that are killed or fill a disk, and end as undisturbed ones."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow

KILLS = 100
DISKS = 20


class Commands:
    """The process of `forking.py`, which starts commands without importing TensorFlow again."""

    def __init__(self):
        program = pathlib.Path(__file__).parent / "forking.py"
        self._process = subprocess.Popen(
            [sys.executable, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, output, *arguments):
        """Starts a command; returns the number of its process."""
        self._process.stdin.write(json.dumps([str(output), *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self):
        """Waits for the command; returns its exit code."""
        return int(self._process.stdout.readline())

    def close(self):
        self._process.communicate()


@dataclasses.dataclass
class Run:
    """A run in a folder of its own, with what its last command said."""

    commands: Commands
    config: pathlib.Path
    path: pathlib.Path
    output: pathlib.Path

    def start(self):
        directory = f"run_directory={self.path}"
        arguments = ("run", "--resume", "--config", self.config, "--set", directory)
        return self.commands.start(self.output, *arguments)

    def finish(self):
        """Runs it to its end, and returns its exit code."""
        self.start()
        return self.commands.wait()

    def said(self):
        return self.output.read_text("utf-8")

    def place(self):
        """The last thing that was begun, by what was said and the steps that are logged."""
        marks = {
            "dev examples": "training",
            "exporting": "export",
            "teacher's outputs are kept": "teacher's outputs",
        }
        found = [
            (at.start(), name)
            for mark, name in marks.items()
            for at in re.finditer(mark, self.said())
        ]
        stages = re.finditer(r"^(\w+), step", self.said(), re.MULTILINE)
        found += [(at.start(), at[1]) for at in stages]
        return max(found)[1] if found else "start"


@pytest.fixture(scope="module")
def make_run(make_tiny_values, tmp_path_factory):
    """A function that makes a run in a folder; its bundle has the run's name in it."""
    folder = tmp_path_factory.mktemp("disturbances")
    values = make_tiny_values("run")
    # A state after each step.
    values["checkpoint_minutes"] = 1e-9
    values["export"] = {"profiles": ["dynamic_int8"], "lengths": [16]}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(values), "utf-8")
    commands = Commands()
    yield lambda path: Run(commands, config, path / "run", folder / "output.txt")
    commands.close()


@pytest.fixture(scope="module")
def undisturbed(make_run, tmp_path_factory):
    """A run that nothing happens to, and the seconds that it takes."""
    run = make_run(tmp_path_factory.mktemp("undisturbed"))
    started = time.monotonic()
    assert run.finish() == 0, run.said()
    return run, time.monotonic() - started


@pytest.fixture
def assert_same(undisturbed, saved_weights):
    """A function that fails unless a run has models and bundle of the undisturbed one."""

    def check(run):
        whole = undisturbed[0].path
        for model in ("teacher", "student"):
            weights, expected = (saved_weights(path / model) for path in (run.path, whole))
            assert weights.keys() == expected.keys() and len(weights) > 10
            for name, value in expected.items():
                np.testing.assert_array_equal(weights[name], value, err_msg=name)
        paths = [path.relative_to(whole) for path in whole.glob("export/*/*")]
        assert len(paths) > 3
        for path in paths:
            assert (run.path / path).read_bytes() == (whole / path).read_bytes(), path

    return check


def test_kills_at_random_moments(make_run, undisturbed, assert_same, tmp_path):
    random, seconds = np.random.default_rng(19), undisturbed[1]
    places, killed, ended = collections.Counter(), 0, 0
    while killed < KILLS:
        run = make_run(tmp_path / str(ended))
        run.path.parent.mkdir()
        while killed < KILLS:
            process = run.start()
            time.sleep(random.uniform(0.0, 0.5 * seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            code = run.commands.wait()
            if code == 0:
                break
            assert code == -signal.SIGKILL, run.said()
            places[run.place()] += 1
            killed += 1
        if code != 0:
            assert run.finish() == 0, run.said()
        assert_same(run)
        ended += 1
    print(f"\n{killed} kills of {ended} runs: {dict(places)}")
    assert len(places) >= 5, places


# === Disks ===


def kilobytes_used_by(run):
    """Runs it to its end; returns the most that its disk held meanwhile."""
    process, most = run.start(), 0
    while os.path.exists(f"/proc/{process}"):
        status = os.statvfs(run.path.parent)
        most = max(most, (status.f_blocks - status.f_bfree) * status.f_frsize // 1024)
        time.sleep(0.002)
    assert run.commands.wait() == 0, run.said()
    return most


def test_disks_of_all_sizes(make_run, assert_same, disk, tmp_path):
    """From one that has no room for the config to one that the last file fills."""
    run = make_run(disk(64_000))
    most = kilobytes_used_by(run)
    places = collections.Counter()
    for kilobytes in np.linspace(4, most, DISKS, endpoint=False).astype(int):
        subprocess.run(["umount", run.path.parent], check=True)
        disk(kilobytes)
        code = run.finish()
        # What is the most may have been measured between two moments of more.
        if code == 0:
            assert kilobytes > 0.9 * most
            continue
        said = run.said()
        assert code == 2, said
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and "No space left on device" in errors[0], said
        assert "Traceback" not in said
        places[run.place()] += 1
        disk(64_000)
        assert run.finish() == 0, run.said()
        assert_same(run)
    print(f"\n{sum(places.values())} full disks up to {most} kB: {dict(places)}")
    assert len(places) >= 5, places
