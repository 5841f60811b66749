"""Commands in the process of the test, and a vocabulary."""

import contextlib
import os
import pathlib
import string
import subprocess

import pytest

from tinybert_tf.commands import command_line


@pytest.fixture
def mistake(capsys):
    """A function that gives a command; returns the one message with which it was refused."""

    def mistake(*arguments, program=command_line.MODULE):
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            command_line.main(list(map(str, arguments)), program)
        errors = capsys.readouterr().err
        assert caught.value.code == 2, errors
        assert errors.startswith("error: ") and errors.count("error: ") == 1
        assert "Traceback" not in errors
        return errors.removeprefix("error: ")

    return mistake


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory):
    """The special tokens and the letters."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase]
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n", "utf-8")
    return path


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a disk of so many kilobytes, or changes the one that is there."""
    if os.getuid() or not pathlib.Path("/proc/mounts").exists():
        pytest.skip("mounts a file system")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kilobytes, access="rw"):
        again = "remount," if os.path.ismount(folder) else ""
        options = f"{again}{access},size={kilobytes}k"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        return folder

    yield mount
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run(["umount", folder], check=True)
