"""What a long pass says to log files and to terminals."""

import io

import pytest
from rich.console import Console

from tinybert_tf import waiting
from tinybert_tf.waiting import PassProgress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when they are told to."""
    now = [100.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_a_minute(clock, capsys):
    with PassProgress("teacher's outputs", 1000, done=400) as progress:
        for seconds in (30.0, 31.0, 5.0):
            clock[0] += seconds
            progress.advance(61)
    # After 61 seconds 122 are done, 2 a second, and 478 are left.
    assert capsys.readouterr().out.splitlines() == [
        "teacher's outputs: 522 of 1,000 examples, 2.0 a second, 0:03:59 left",
        "teacher's outputs: 583 of 1,000 examples, done",
    ]


def test_a_pass_that_fails_is_not_done(clock, capsys):
    with pytest.raises(OSError), PassProgress("copies", 10):
        raise OSError
    assert capsys.readouterr().out == ""


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, force_interactive=True, width=120)
    monkeypatch.setattr(waiting, "Console", lambda: console)
    with PassProgress("copies", 10, unit="texts") as progress:
        progress.advance(10)
    assert "10/10" in screen.getvalue() and "copies" in screen.getvalue()
    assert capsys.readouterr().out == ""
