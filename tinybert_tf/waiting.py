"""How far a long pass is: a bar for people who wait, a line a minute for log files."""

import datetime
import time

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
from rich.text import Text

_LINE_SECONDS = 60.0


class PassProgress:
    """Shows a pass over many things while it is used as a context.

    Args:
        name: str. Of the pass.
        total: int. How many there are.
        done: int. How many of them were done before.
        unit: str. What they are.
    """

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "examples"):
        self._name, self._total, self._done, self._unit = name, total, done, unit
        self._before = done
        console = Console()
        self._has_bar = console.is_interactive
        columns = (MofNCompleteColumn(), _Speed(unit), TimeRemainingColumn())
        self._bar = Progress(*Progress.get_default_columns()[:2], *columns, console=console)
        self._task = self._bar.add_task(name, total=total, completed=done)

    def __enter__(self) -> "PassProgress":
        self._started = self._shown = time.monotonic()
        if self._has_bar:
            self._bar.start()
        return self

    def __exit__(self, error, *_) -> None:
        if self._has_bar:
            self._bar.stop()
        elif error is None:
            self._print("done")

    def advance(self, count: int) -> None:
        """Notes that so many more are done."""
        self._done += count
        self._bar.advance(self._task, count)
        now = time.monotonic()
        if self._has_bar or now - self._shown < _LINE_SECONDS:
            return
        self._shown = now
        seconds = (now - self._started) / max(self._done - self._before, 1)
        left = datetime.timedelta(seconds=round(seconds * (self._total - self._done)))
        self._print(f"{1 / seconds:,.1f} a second, {left} left")

    def _print(self, how: str) -> None:
        print(
            f"{self._name}: {self._done:,} of {self._total:,} {self._unit}, {how}", flush=True
        )


class _Speed(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task):
        """Shows the speed, once it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._unit}/s")
