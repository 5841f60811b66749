"""From what workers answered to numbers and tables."""

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

# What a multi-length file is compared with on real texts.
STATIC_FILE = "static"


def compare_outputs(outputs: np.ndarray, expected: np.ndarray) -> dict:
    """Compares the outputs [texts, outputs] of a model with those of another.

    Returns:
        dict. `texts`; `max_difference`; `agreement`: share of texts with the same label, of a
        regression the correlation.
    """
    if outputs.shape[1] == 1:
        agreement = np.corrcoef(outputs[:, 0], expected[:, 0])[0, 1]
    else:
        agreement = np.mean(outputs.argmax(-1) == expected.argmax(-1))
    return {
        "texts": len(outputs),
        "max_difference": float(np.abs(outputs - expected).max()),
        "agreement": float(agreement),
    }


def summarize(answers: list[dict]) -> dict:
    """Returns the numbers of one row.

    Args:
        answers: list of dict. What `_worker.measure` returned in each round.

    Returns:
        dict. `calls`; `milliseconds` of a call: `p50`, `p90`, `p99` and `mean` over all
        rounds; `rounds`: `p50` and `mean` of each. Medians over the rounds:
        `start_milliseconds` from the file to the first result, the runtime imported, and its
        parts `load_` and `first_`; `import_milliseconds` of the runtime; `peak_megabytes` of
        the process and `model_megabytes`, what it rose by from before the model was loaded
        (10^6 bytes; `None` where the system does not say); `cores_busy`: CPU seconds a second.
    """
    times = [1e3 * np.array(answer["seconds"]) for answer in answers]
    together = np.concatenate(times)
    percentiles = zip(("p50", "p90", "p99"), np.percentile(together, (50, 90, 99)), strict=True)
    keys = ("import_seconds", "load_seconds", "first_seconds", "cpu_seconds")
    imported, load, first, cpu = (np.array([a[key] for a in answers]) for key in keys)
    return {
        "calls": len(together),
        "milliseconds": {name: float(p) for name, p in percentiles}
        | {"mean": float(together.mean())},
        "start_milliseconds": 1e3 * float(np.median(load + first)),
        "load_milliseconds": 1e3 * float(np.median(load)),
        "first_milliseconds": 1e3 * float(np.median(first)),
        "import_milliseconds": 1e3 * float(np.median(imported)),
        **_memory(answers),
        "cores_busy": float(np.median(cpu)),
        "rounds": [{"p50": float(np.median(t)), "mean": float(t.mean())} for t in times],
    }


def _memory(answers: list[dict]) -> dict:
    if answers[0]["peak_bytes"] is None:
        return {"peak_megabytes": None, "model_megabytes": None}
    peak = np.array([a["peak_bytes"] for a in answers]) / 1e6
    runtime = np.array([a["runtime_bytes"] for a in answers]) / 1e6
    return {
        "peak_megabytes": float(np.median(peak)),
        "model_megabytes": float(np.median(peak - runtime)),
    }


def times_as_fast(figures: dict, other: dict, length: int | None) -> float:
    """Returns how many times as fast a row is as another: the median of the rounds' ratios.

    Args:
        figures: dict. Of the row, see `summarize`.
        other: dict. Of the other.
        length: int or `None`. Where texts are of one length, the ratio is of median calls; of
            real texts (`None`) the time that all of them take counts.
    """
    statistic = "mean" if length is None else "p50"
    pairs = zip(figures["rounds"], other["rounds"], strict=True)
    return float(np.median([theirs[statistic] / ours[statistic] for ours, theirs in pairs]))


def print_report(report: dict) -> None:
    """Prints what `benchmark` returned as tables."""
    rows, rounds = report["results"], report["settings"]["rounds"]
    times = _Table(
        rows,
        f"Milliseconds and MB, one text at a time, rounds: {rounds}",
        "start: from the file to the first result. peak: of the process. model: what it rose "
        "by when the model was loaded and run.",
        ["p50", "p90", "p99", "start", "peak", "model", "file"],
    )
    for row in rows:
        percentiles = [row["milliseconds"][name] for name in ("p50", "p90", "p99")]
        memory = row["peak_megabytes"], row["model_megabytes"]
        size = report["models"][row["model"]]["megabytes"]
        times.add(row, [*percentiles, row["start_milliseconds"], *memory, size])
    Console().print(times.table)
    compared = list(dict.fromkeys(name for row in rows for name in row["times_as_fast_as"]))
    if not compared:
        return
    ratios = _Table(
        rows,
        "How many times as fast as",
        f"Medians over the rounds; of texts, by the time that all took. {STATIC_FILE}: the "
        "same bundle's model.tflite.",
        compared,
    )
    for row in rows:
        if row["times_as_fast_as"]:
            ratios.add(row, [row["times_as_fast_as"].get(name) for name in compared])
    Console().print(ratios.table)


class _Table:
    """A table of numbers, with as much of a row's name as tells it from others."""

    def __init__(self, rows: list[dict], title: str, caption: str, columns: list[str]):
        self._has_threads = len({row["threads"] for row in rows}) > 1
        if not self._has_threads:
            title += f", threads: {rows[0]['threads']}"
        keys = ["tokens", "threads"] if self._has_threads else ["tokens"]
        self.table = Table(
            title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        # Where it is narrow, names may wrap; numbers may not.
        self.table.add_column("model", overflow="fold", min_width=8)
        for column in (*keys, *columns):
            self.table.add_column(column, justify="right", no_wrap=True)

    def add(self, row: dict, numbers: list[float | None]) -> None:
        threads = [str(row["threads"])] if self._has_threads else []
        tokens = "texts" if row["length"] is None else str(row["length"])
        self.table.add_row(row["model"], tokens, *threads, *map(_short, numbers))


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
