"""What a long pass says to log files and to terminals."""

import io
import types

import pytest
from rich.console import Console

from tinybert_tf import waiting
from tinybert_tf.corpus import _reporting
from tinybert_tf.training._progress import StageProgress
from tinybert_tf.waiting import PassProgress


@pytest.fixture
def screen(monkeypatch):
    """What a terminal would show."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, force_interactive=True, width=120)
    monkeypatch.setattr(waiting, "Console", lambda: console)
    return screen


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


def test_a_terminal_has_a_bar(screen, capsys):
    with PassProgress("copies", 10, unit="texts") as progress:
        progress.advance(10)
    assert "10/10" in screen.getvalue() and "copies" in screen.getvalue()
    assert capsys.readouterr().out == ""


def test_a_stage_says_its_loss(clock, capsys):
    with StageProgress("prediction", 100, 400, tokens_per_step=50.0) as progress:
        progress.update(110, 2.0)
        clock[0] += 60.0
        progress.update(130, 0.25)
    # 30 steps in a minute, 270 are left.
    assert capsys.readouterr().out.splitlines() == [
        "prediction, step 130 of 400: loss 0.2500, 25 tokens/s, 0:09:00 left"
    ]


def test_a_stage_on_a_terminal(screen, capsys):
    with StageProgress("prediction", 0, 4, tokens_per_step=50.0) as progress:
        progress.update(3, 0.25)
    assert "prediction loss 0.2500" in screen.getvalue() and "3/4" in screen.getvalue()
    assert capsys.readouterr().out == ""


def test_a_corpus_says_how_much_text_is_done(clock, capsys):
    finished = [1_000_000]
    corpus = types.SimpleNamespace(
        total_bytes=lambda: 10_000_000, finished_bytes=lambda: finished[0]
    )
    with _reporting.progress_bar(corpus):
        finished[0] = 4_000_000
        clock[0] += 60.0
    # It may have looked once more before the end.
    assert capsys.readouterr().out.splitlines() == [
        "corpus: 4.0 of 10.0 MB, 0.05 MB/s, 0:02:00 left"
    ]
