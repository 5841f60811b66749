"""How long the project's own commands take, in a fresh clone of what is committed.

    python benchmarks/project_commands.py          # make setup, quickstart, test; 20 minutes
    python benchmarks/project_commands.py --slow   # make test-slow as well

What is measured: wall seconds of each command as a newcomer gives it, one after the other;
packages that pip and uv have cached are not fetched again. Nothing else may run meanwhile.
What the quickstart came to is kept in docs/results/quickstart.json; `make test` is run
`--rounds` times and the least is taken.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app, flags

from tinybert_tf.files import write_json
from tinybert_tf.runs.environment import environment

ROOT = pathlib.Path(__file__).resolve().parents[1]
_PROGRAM = "python benchmarks/project_commands.py"
_ROUNDS = flags.DEFINE_integer("rounds", 2, "How often `make test` is run.")
_SLOW = flags.DEFINE_bool("slow", False, "Whether `make test-slow` is run as well.")
_OUTPUT = flags.DEFINE_string(
    "output",
    str(ROOT / "docs" / "results" / "project_commands.json"),
    "The JSON file to write.",
)
# Slow tests below are not worth a row, in seconds.
_LEAST = 1.0


def run(command: list[str], folder: pathlib.Path) -> dict:
    """Runs a command; returns its wall seconds and what pytest counted, if it ran."""
    print(*command, flush=True)
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}.")
    counts = re.findall(r"(\d+) (passed|skipped|deselected)", done.stdout[-400:])
    print(f"  {seconds:.0f} s", flush=True)
    return {
        "seconds": round(seconds, 1),
        "lines": len((done.stdout + done.stderr).splitlines()),
        **{name: int(count) for count, name in counts},
        "durations": durations(done.stdout),
    }


def durations(output: str) -> dict[str, float]:
    """Returns the seconds of tests, set-up included, by name without parameters."""
    found: dict[str, float] = {}
    for seconds, test in re.findall(r"^([\d.]+)s (?:call|setup) +(\S+)", output, re.MULTILINE):
        name = test.split("[")[0].removeprefix("tests/")
        found[name] = round(found.get(name, 0.0) + float(seconds), 1)
    return {name: value for name, value in found.items() if value >= _LEAST}


def measure(clone: pathlib.Path) -> dict:
    """Returns the figures of every command."""
    figures = {"setup": run(["make", "setup"], clone)}
    figures["quickstart"] = run(["make", "quickstart"], clone)
    results = clone / "runs" / "quickstart" / "results.json"
    shutil.copyfile(results, ROOT / "docs" / "results" / "quickstart.json")
    rounds = [run(["make", "test"], clone) for _ in range(_ROUNDS.value)]
    figures["test"] = min(rounds, key=lambda figure: figure["seconds"])
    figures["test"]["rounds"] = [figure["seconds"] for figure in rounds]
    if _SLOW.value:
        python = str(clone / ".venv" / "bin" / "python")
        slow = [python, "-m", "pytest", "-m", "slow", "--durations=0"]
        figures["test-slow"] = run(slow, clone)
    for figure in figures.values():
        if not figure["durations"]:
            del figure["durations"]
    return figures


def main(argv):
    """Measures and writes the figures."""
    if argv[1:]:
        sys.exit(f"unexpected arguments: {argv[1:]}")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        clone = pathlib.Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        figures = {**environment(_PROGRAM), "load_before": load, "commands": measure(clone)}
    write_json(_OUTPUT.value, figures)


if __name__ == "__main__":
    app.run(main)
