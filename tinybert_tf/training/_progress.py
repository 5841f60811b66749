"""What a stage shows on the terminal while it trains."""

from rich.progress import MofNCompleteColumn

from tinybert_tf.waiting import Waiting


class StageProgress(Waiting):
    """A bar that is gone when the stage is done; log files have lines of its scores, too.

    Args:
        name: str. Of the stage.
        first_step: int. Done before.
        total_steps: int.
        tokens_per_step: float. On average, without padding.
    """

    def __init__(self, name: str, first_step: int, total_steps: int, tokens_per_step: float):
        super().__init__(name, total_steps, first_step, (MofNCompleteColumn(),), transient=True)
        self._tokens_per_step = tokens_per_step
        self._loss = float("nan")

    def update(self, step: int, loss: float) -> None:
        """Shows so many steps as done.

        Args:
            step: int.
            loss: float. The mean of this epoch.
        """
        self._loss = loss
        self.move(step, f"{self.name} loss {loss:.4f}")

    def line(self, speed: float) -> str:
        """The step, the loss and how many tokens a second."""
        return (
            f"{self.name}, step {self.done} of {self.total}: loss {self._loss:.4f}, "
            f"{self._tokens_per_step * speed:,.0f} tokens/s"
        )
