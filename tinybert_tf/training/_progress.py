"""What a stage shows on the terminal while it trains."""

import datetime
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

# Between lines of a log file, beside those of the scores.
_LINE_SECONDS = 60.0


class StageProgress:
    """A bar for people who wait, gone when the stage is done; for log files a line a minute.

    Args:
        name: str. Of the stage.
        first_step: int. Done before.
        total_steps: int.
        tokens_per_step: float. On average, without padding.
    """

    def __init__(self, name: str, first_step: int, total_steps: int, tokens_per_step: float):
        self._name = name
        self._first_step = first_step
        self._total_steps = total_steps
        self._tokens_per_step = tokens_per_step
        console = Console()
        self._has_bar = console.is_interactive
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self._task = self._bar.add_task(name, total=total_steps, completed=first_step)
        self._started = self._shown = time.monotonic()

    def start(self) -> None:
        """Shows the bar."""
        if self._has_bar:
            self._bar.start()

    def update(self, step: int, loss: float) -> None:
        """Moves the bar, or prints a line if the last one is old.

        Args:
            step: int. Steps that are done.
            loss: float. The mean of this epoch.
        """
        description = f"{self._name} loss {loss:.4f}"
        self._bar.update(self._task, completed=step, description=description)
        now = time.monotonic()
        if self._has_bar or now - self._shown < _LINE_SECONDS:
            return
        self._shown = now
        seconds_per_step = (now - self._started) / (step - self._first_step)
        left = datetime.timedelta(seconds=round(seconds_per_step * (self._total_steps - step)))
        print(
            f"{self._name}, step {step} of {self._total_steps}: loss {loss:.4f}, "
            f"{self._tokens_per_step / seconds_per_step:,.0f} tokens/s, {left} left",
            flush=True,
        )

    def stop(self) -> None:
        """Takes the bar away."""
        if self._has_bar:
            self._bar.stop()
