"""What sections are made of: figures from files, tables, commands, means."""

import json
import pathlib
import statistics

FIGURES = pathlib.Path(__file__).resolve().parents[1] / "results"


def load(name: str) -> dict | None:
    """Returns the figures of a run, or `None` where there are none."""
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def table(header: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table, first column left, others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def run_commands(results: dict) -> str:
    """The commands that a run's figures are from, and on what."""
    # A run that was interrupted has the same command again.
    lines = "\n".join(dict.fromkeys(f"    {c['command']}" for c in results["commands"]))
    entry = results["commands"][-1]
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    machine = entry["machine"]
    return (
        f"{lines}\n\nSeed {entry['seed']}; {machine['processor']}, {machine['cores']} cores; "
        f"Python {entry['python']}, {versions}."
    )


def benchmark_commands(figures: dict) -> str:
    """The commands that wrote figures bit by bit, and on what."""
    entry = figures["environments"][-1]
    lines = dict.fromkeys(f"    {other['command']}" for other in figures["environments"])
    machine = entry["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    cores = f"{machine['processor']}, {machine['cores']} cores"
    return "\n".join(lines) + f"\n\n{cores}; {versions}."


def spread(rows: list[dict], name: str, **key) -> str:
    """Mean and standard deviation over the seeds."""
    values = [row[name] for row in rows if key.items() <= row.items()]
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else ""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def seeds(rows: list[dict]) -> str:
    """How many seeds rows are of, in words."""
    count = len({row["seed"] for row in rows})
    return f"{count} seed{'s' if count > 1 else ''}"
