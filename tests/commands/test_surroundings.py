"""Environment variables, versions, disks and terminals: one plain line each."""

import errno
import importlib.metadata
import io
import os
import subprocess
import sys

import pytest

from tinybert_tf import backend
from tinybert_tf.commands import _errors, command_line
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import expand_path, missing_hint
from tinybert_tf.runs.config_file import parse_config


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tinybert_tf", *arguments],
        capture_output=True,
        env={**os.environ, **environment},
    )


# === Keras ===


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "KERAS_BACKEND",
            "jax",
            b"error: Keras is to run on jax (KERAS_BACKEND); this library",
        ),
        (
            "TF_USE_LEGACY_KERAS",
            "1",
            b"error: TF_USE_LEGACY_KERAS is 1, which asks for Keras 2",
        ),
    ],
)
def test_another_keras_is_one_line(name, value, message, tmp_path):
    done = run("finetune", "--config", str(tmp_path / "none.yaml"), **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(message) and done.stderr.count(b"\n") == 1


def test_another_backend_in_python(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    backend.check_backend()
    monkeypatch.setattr("keras.config.backend", lambda: "torch")
    with pytest.raises(TinyBertError, match="Set KERAS_BACKEND=tensorflow"):
        backend.check_backend()


def test_versions(monkeypatch):
    backend.check_versions()
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "2.15.0" if name == "keras" else version(name),
    )
    with pytest.raises(
        TinyBertError, match=r"keras is 2\.15\.0, this library needs keras.*>=3"
    ):
        backend.check_versions()


# === Paths ===


def test_homes_and_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("DATA", "/data")
    assert expand_path("~/runs/one") == "/home/somebody/runs/one"
    assert expand_path("$DATA/${DATA}/a~b") == "/data//data/a~b"
    with pytest.raises(TinyBertError, match=r"\$NOT_THERE, which is not set"):
        expand_path("${NOT_THERE}/$NOT_THERE/a".removeprefix("${NOT_THERE}/"))
    with pytest.raises(TinyBertError, match="begins with a home that is not known"):
        expand_path("~nobody_of_that_name/a")


def test_every_path_of_a_config_is_expanded(tiny_values, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    tiny_values["run_directory"] = "~/run"
    tiny_values["data"] |= {"train": "~/a.csv", "dev": "~/b.csv", "test": "~/c.csv"}
    tiny_values["teacher"] |= {"weights": "~/bert", "vocabulary": "~/vocab.txt"}
    tiny_values["student"]["start"] = "~/student"
    tiny_values["augmentation"] = {"masked_lm": {"weights": "~/mlm"}, "word_vectors": "~/glove"}
    values = str(parse_config(tiny_values, "values").to_dict())
    assert "~" not in values and values.count("/home/somebody/") == 9


def test_paths_of_the_command_line(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    parsed = command_line.parse(["check", "--config=~/a.yaml"], command_line.MODULE)
    assert parsed.config == "/home/somebody/a.yaml"


def test_where_a_missing_file_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").touch()
    assert missing_hint("data/tain.csv") == (
        f" It was looked for at {tmp_path}/data/tain.csv. Did you mean 'train.csv'? Check the "
        "path."
    )
    assert f"There is no folder {tmp_path}/daat. Did you mean 'data'?" in missing_hint("daat/x")


# === Disks and terminals ===


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "", "run/a.h5"), "No space left on device: run/a.h5. Make room"),
        (
            OSError("Can't write (errno = 28, error message = '')"),
            "No space left on device. Mak",
        ),
        (OSError(errno.EROFS, "", "/ro/run"), "Read-only file system: /ro/run. Name a folder"),
        (PermissionError(errno.EACCES, "", "/root"), "Permission denied: /root. Name a folder"),
    ],
)
def test_a_disk_that_cannot_be_written(error, message, capsys):
    def fail(arguments):
        raise error

    with pytest.raises(SystemExit) as caught:
        _errors.reporting_errors(fail)([])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_what_is_no_matter_of_a_disk_is_unforeseen(capsys, monkeypatch, tmp_path):
    def fail(arguments):
        raise OSError("something else")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        _errors.reporting_errors(fail)([])
    assert caught.value.code == 1
    assert "unforeseen, OSError: something else. The file" in capsys.readouterr().err


def test_a_terminal_without_utf_8(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr("sys.stdout", stream)
    _errors.reporting_errors(lambda arguments: print("Zoë", flush=True))([])
    assert stream.buffer.getvalue() == b"Zo\\xeb\n"
