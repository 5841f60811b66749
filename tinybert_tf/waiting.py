"""How far something long is: a bar for people who wait, a line a minute for log files."""

import datetime
import time
from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_SECONDS = 60.0
# Parts of a corpus and pieces of a cache come minutes apart.
_SPEED_SECONDS = 600.0


class Waiting:
    """Shows how far something is while it is used as a context. What is a unit, subclasses say.

    Args:
        name: str. Of what is waited for.
        total: int. Units in all.
        done: int. Units that were done before.
        columns: columns of rich's, between the bar and the time left.
        transient: bool. Whether the bar goes away at the end.
    """

    def __init__(
        self,
        name: str,
        total: int,
        done: int = 0,
        columns: Sequence[ProgressColumn] = (),
        transient: bool = False,
    ):
        self.name, self.total, self.done = name, total, done
        self._before = done
        console = Console()
        self._has_bar = console.is_interactive
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            TimeRemainingColumn(),
            console=console,
            transient=transient,
            speed_estimate_period=_SPEED_SECONDS,
        )
        self._task = self._bar.add_task(name, total=total, completed=done)

    def __enter__(self) -> Self:
        self._started = self._shown = time.monotonic()
        if self._has_bar:
            self._bar.start()
        return self

    def __exit__(self, error, *_) -> None:
        if self._has_bar:
            self._bar.stop()
        elif error is None:
            self.end()

    def end(self) -> None:
        """What log files are told when all went well."""

    def line(self, speed: float) -> str:
        """Returns what log files are told, without the time left.

        Args:
            speed: float. Units a second.
        """
        raise NotImplementedError

    def move(self, done: int, description: str | None = None) -> None:
        """Moves the bar, or prints a line if the last one is old.

        Args:
            done: int. Units that are done.
            description: str or None. What the bar has in place of the name.
        """
        self.done = done
        self._bar.update(self._task, completed=done, description=description)
        now = time.monotonic()
        if self._has_bar or now - self._shown < _LINE_SECONDS:
            return
        self._shown = now
        speed = max(done - self._before, 1) / (now - self._started)
        left = datetime.timedelta(seconds=round((self.total - done) / speed))
        print(f"{self.line(speed)}, {left} left", flush=True)


class PassProgress(Waiting):
    """Shows a pass over many things.

    Args:
        name: str. Of the pass.
        total: int. How many there are.
        done: int. How many of them were done before.
        unit: str. What they are.
    """

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "examples"):
        super().__init__(name, total, done, (MofNCompleteColumn(), _Speed(unit)))
        self._unit = unit

    def advance(self, count: int) -> None:
        """Notes that so many more are done."""
        self.move(self.done + count)

    def line(self, speed: float) -> str:
        """How many are done, and how many a second."""
        return f"{self._done_of()}, {speed:,.1f} a second"

    def end(self) -> None:
        """Says so."""
        print(f"{self._done_of()}, done", flush=True)

    def _done_of(self) -> str:
        return f"{self.name}: {self.done:,} of {self.total:,} {self._unit}"


class _Speed(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task):
        """Shows the speed, once it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._unit}/s")
