"""What `distill_step.py` prints."""

from rich.console import Console
from rich.table import Table


def print_check(figures: dict, examples: str) -> None:
    """Prints whether both sides do the same step."""
    table = Table(title=f"The same step? {examples}")
    table.add_column("")
    for column in ("ours", "peer", "relative difference"):
        table.add_column(column, justify="right")
    for name, figure in figures.items():
        table.add_row(
            name,
            f"{figure['ours']:.6g}",
            f"{figure['peer']:.6g}",
            f"{figure['relative_difference']:.1e}",
        )
    Console().print(table)


def print_results(results: dict, title: str, ours: str) -> None:
    """Prints the speeds; rows whose names begin with `ours` have no ratio."""
    table = Table(
        title=title,
        caption="tokens: of an example, padding included; cores: CPU seconds a second",
    )
    table.add_column("")
    for column in ("examples/s", "range", "tokens", "cores", "ours is"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, figures in results.items():
        speeds = speeds_of(figures["rounds"])
        table.add_row(
            name,
            f"{figures['median_examples_per_second']:.1f}",
            f"{min(speeds):.1f}-{max(speeds):.1f}",
            f"{figures['padded_tokens_per_example']:.1f}",
            f"{figures['cores_busy']:.2f}",
            "" if name.startswith(ours) else f"{figures['ours_over_this']:.2f} x",
        )
    Console().print(table)


def speeds_of(rounds: list[dict]) -> list[float]:
    """Returns the examples per second of each round."""
    return [figures["examples_per_second"] for figures in rounds]
