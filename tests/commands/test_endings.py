"""How commands end: signals and what nobody has foreseen are one line and an exit code."""

import os
import pathlib
import re
import signal

import pytest
import tensorflow as tf

from tinybert_tf.commands import _errors, command_line
from tinybert_tf.errors import TinyBertError


@pytest.fixture
def ending(capsys):
    """A function that runs something as a command; returns its exit code and its message."""

    def ending(main, *given):
        parsed = command_line.parse(given, command_line.MODULE) if given else ["script.py"]
        with pytest.raises(SystemExit) as caught:
            _errors.reporting_errors(main)(parsed)
        errors = capsys.readouterr().err
        assert errors.startswith("error: ") and errors.count("\n") == 1
        return caught.value.code, errors.removeprefix("error: ").rstrip("\n")

    return ending


def interrupt(number):
    return lambda arguments: os.kill(os.getpid(), number)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_says_how_to_go_on(ending, name, code):
    number = signal.Signals[name]
    given = ("run", "--config", "it's.yaml", "--set", "seed=1")
    again = "python -m tinybert_tf run --resume --config 'it'\"'\"'s.yaml' --set seed=1"
    before = signal.getsignal(number)
    assert ending(interrupt(number), *given) == (code, f"stopped by {name}. To go on: {again}")
    assert signal.getsignal(number) is before


def test_what_a_command_is_given_again_as(ending):
    corpus = ("corpus", "--input", "a.txt", "--output", "b", "--", "--flink_master=x")
    _, message = ending(interrupt(signal.SIGINT), *corpus)
    assert message.endswith(f"To go on: python -m tinybert_tf {' '.join(corpus)}")
    resumed = ("distill", "--config", "a.yaml", "--resume")
    _, message = ending(interrupt(signal.SIGINT), *resumed)
    assert message.endswith(f"To go on: python -m tinybert_tf {' '.join(resumed)}")
    assert ending(interrupt(signal.SIGINT)) == (130, "stopped by SIGINT.")


def test_an_ignored_signal_stays_ignored(ending):
    def main(arguments):
        os.kill(os.getpid(), signal.SIGINT)
        raise KeyError("reached")

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert ending(main)[0] == 1
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_unforeseen_is_one_line_and_a_file(ending, monkeypatch, tmp_path):
    def main(arguments):
        raise KeyError("a\nname" + "x" * 9000)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, message = ending(main)
    assert code == 1 and message.startswith("unforeseen, KeyError: 'a")
    path = pathlib.Path(re.search(r"The file (\S+) has all of it", message)[1])
    content = path.read_text("utf-8")
    assert "Traceback (most recent call last)" in content and "in main" in content


def test_the_unforeseen_where_no_file_can_be_written(capsys, monkeypatch, tmp_path):
    def main(arguments):
        raise KeyError("name")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(SystemExit) as caught:
        _errors.reporting_errors(main)([])
    assert caught.value.code == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_mistake_within_a_data_set_of_tensorflow(ending, monkeypatch):
    def rows():
        yield 1
        raise TinyBertError("shard-3 is not the file that was written. Copy it again.")

    def main(arguments):
        list(tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec((), tf.int32)))

    assert ending(main) == (2, "shard-3 is not the file that was written. Copy it again.")
