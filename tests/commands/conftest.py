"""Commands in the process of the test, and a vocabulary."""

import string

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
