"""What a run has come to, in three numbers."""

import dataclasses

from tinybert_tf.reports.tables import smallest_export
from tinybert_tf.runs.config import RunConfig


@dataclasses.dataclass(frozen=True)
class Bar:
    """A model's value.

    Args:
        name: str. Of the model.
        value: str. With its unit.
        share: float. Of the longest bar, 0 to 1.
    """

    name: str
    value: str
    share: float


@dataclasses.dataclass(frozen=True)
class Fact:
    """A number and the two that it is made of.

    Args:
        number: str. As "6.2 times".
        about: str. What it says: "smaller".
        bars: tuple of `Bar`. The teacher's and the file's.
    """

    number: str
    about: str
    bars: tuple[Bar, ...]


def find_facts(config: RunConfig, results: dict) -> list[Fact]:
    """Returns how much smaller and faster the smallest file is, and what it keeps.

    Args:
        config: `RunConfig`.
        results: dict. What the run's `results.json` holds.

    Returns:
        list of `Fact`; empty as long as there is no file, or nothing to compare it with.
    """
    name = smallest_export(results)
    if name is None or "latency" not in results or "evaluation" not in results:
        return []
    file, teacher = results["export"][name], results["latency"]["teacher"]
    metric = config.resolved_task().metrics[0]
    before, after = results["evaluation"]["teacher"][metric], file.get(metric)
    facts = [
        _compare("megabytes", "MB", ("smaller", "larger"), teacher, file, name),
        _compare("milliseconds", "ms a text", ("faster", "slower"), teacher, file, name),
    ]
    if after is not None and before > 0:
        bars = _bars(name, before, after, "{:.4f}")
        facts.append(Fact(f"{after / before:.1%}", f"of the teacher's {metric}", bars))
    return facts


def _compare(
    figure: str, unit: str, words: tuple[str, str], teacher: dict, file: dict, name: str
) -> Fact:
    before, after = teacher[figure], file[figure]
    ratio = max(before / after, after / before)
    bars = _bars(name, before, after, f"{{:.1f}} {unit}")
    return Fact(f"{ratio:.1f} times", words[before < after], bars)


def _bars(name: str, before: float, after: float, form: str) -> tuple[Bar, ...]:
    longest = max(before, after, 1e-9)
    return tuple(
        Bar(whose, form.format(value), max(value, 0.0) / longest)
        for whose, value in (("teacher", before), (name, after))
    )
