"""How long the project's own commands take, as README and CONTRIBUTING say."""

from results_pages.parts import load, table


def minutes(seconds: float) -> str:
    """Returns seconds, or from two minutes on minutes, in words."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes"


def _machine(figures: dict) -> str:
    machine = figures["machine"]
    return f"{machine['processor']}, {machine['cores']} cores"


def readme_times() -> str:
    """Returns the README's sentence."""
    figures = load("project_commands")
    if figures is None:
        return ""
    took = {name: minutes(f["seconds"]) for name, f in figures["commands"].items()}
    return (
        f"On a machine with {figures['machine']['cores']} cores, installing takes "
        f"{took['setup']} (with cached packages), the quickstart {took['quickstart']} more and "
        f"the tests {took['test']}."
    )


def contributing_times() -> str:
    """Returns what CONTRIBUTING says of times."""
    figures = load("project_commands")
    if figures is None:
        return ""
    commands = figures["commands"]
    rows = [
        [f"`make {name}`", minutes(figure["seconds"]), *map(str, _counts(figure))]
        for name, figure in commands.items()
    ]
    parts = [
        f"Measured in a fresh clone by `{figures['command']}`, on {_machine(figures)}; "
        "packages were cached.",
        table(["command", "time", "tests", "skipped"], rows),
    ]
    slow = commands.get("test-slow", {}).get("durations", {})
    if slow:
        longest = sorted(slow.items(), key=lambda item: -item[1])
        parts.append(
            table(["slow test", "seconds"], [[f"`{name}`", f"{s:.0f}"] for name, s in longest])
        )
    return "\n\n".join(parts)


def _counts(figure: dict) -> tuple:
    return figure.get("passed", ""), figure.get("skipped", "")
