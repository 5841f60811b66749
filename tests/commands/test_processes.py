"""Processes that are stopped or whose disk is full, and the runs that go on from there."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow


def start(config, *flags):
    command = [sys.executable, "-m", "tinybert_tf", "finetune", "--config", config, *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    """Returns exit code and standard error of a process."""
    _, errors = process.communicate(timeout=600)
    assert "Traceback" not in errors
    return process.returncode, errors


@pytest.fixture(scope="module")
def assert_same_teacher(saved_weights):
    """A function that fails unless the teachers of two runs are the same to the bit."""

    def check(run, other):
        values, others = (saved_weights(path / "teacher") for path in (run, other))
        assert values.keys() == others.keys() and len(values) > 20
        for name, value in values.items():
            np.testing.assert_array_equal(value, others[name], err_msg=name)

    return check


@pytest.fixture(scope="module")
def configure(make_tiny_values, tmp_path_factory):
    """A function that writes the config of a run directory."""

    def configure(run):
        values = make_tiny_values(run)
        values["teacher"]["fine_tune"]["epochs"] = 20
        # A state after each step.
        values["checkpoint_minutes"] = 1e-9
        path = tmp_path_factory.mktemp("config") / "config.yaml"
        path.write_text(yaml.safe_dump(values), "utf-8")
        return str(path)

    return configure


@pytest.fixture(scope="module")
def undisturbed(configure, tmp_path_factory):
    """The directory of a run that nothing happens to."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert end(start(configure(run)))[0] == 0
    return run


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal(configure, undisturbed, assert_same_teacher, tmp_path, number, code):
    config = configure(tmp_path / "run")
    process = start(config)
    for line in process.stdout:
        if "step 8 of 80" in line:
            process.send_signal(number)
            break
    returned, errors = end(process)
    assert returned == code, errors
    assert errors.endswith(f"finetune --resume --config {config}\n")
    assert "the state is saved after this step" in errors and errors.count("\n") == 2
    assert end(start(config, "--resume")) == (0, "")
    assert_same_teacher(tmp_path / "run", undisturbed)


# === Disks ===


# From the config to the third state; all of the run takes some 1,600.
@pytest.mark.parametrize("kilobytes", [8, 200, 500, 900, 1200])
def test_a_full_disk(configure, undisturbed, assert_same_teacher, disk, kilobytes):
    folder = disk(kilobytes)
    config = configure(folder / "run")
    returned, errors = end(start(config))
    assert returned == 2, errors
    assert errors.startswith("error: No space left on device") and errors.count("\n") == 1
    disk(64_000)
    assert end(start(config, "--resume")) == (0, "")
    assert_same_teacher(folder / "run", undisturbed)


def test_a_read_only_disk(configure, disk):
    folder = disk(64_000)
    config = configure(folder / "run")
    disk(64_000, "ro")
    for flags in ((), ("--resume",)):
        returned, errors = end(start(config, *flags))
        assert returned == 2
        assert errors.startswith("error: Read-only file system: ") and errors.count("\n") == 1
