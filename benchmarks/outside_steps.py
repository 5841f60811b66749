"""What a run spends beside the steps of training: a profile of the quickstart.

    python benchmarks/outside_steps.py

Runs configs/quickstart.yaml into a folder of its own, in this process, with a clock around each
part. A part's seconds are without those of the parts within it. Nothing else may run meanwhile.
Results go to docs/results/outside_steps.json; docs/performance.md shows them.
"""

import collections
import contextlib
import functools
import importlib
import os
import tempfile
import time
from collections.abc import Iterator

_STARTED = time.perf_counter()

from tinybert_tf.commands import command_line  # noqa: E402
from tinybert_tf.files import write_json  # noqa: E402

_CONFIG = "configs/quickstart.yaml"
_OUTPUT = "docs/results/outside_steps.json"
# Of each part, where it is done.
_PARTS = {
    "check of config and data": ("tinybert_tf.commands.run.check_begun",),
    "loading and saving models": (
        "tinybert_tf.runs.recipes.load_teacher",
        "tinybert_tf.runs.recipes.load_classifier",
        "tinybert_tf.runs.recipes.make_student",
        "tinybert_tf.runs.recipes.save_preset",
        "tinybert_tf.runs.exporting.load_classifier",
    ),
    "reading and encoding examples": ("tinybert_tf.runs.recipes._training_data",),
    "training: steps after a fit's first": (
        "tinybert_tf.training.fitting.StageFit._keras_fit",
    ),
    "scoring the dev set": (
        "tinybert_tf.evaluation.text_evaluator.TextEvaluator.predict",
        "tinybert_tf.evaluation.text_evaluator.TextEvaluator.score",
    ),
    "saving states and best weights": (
        "tinybert_tf.training.fitting.Checkpoints.save",
        "tinybert_tf.training.fitting.StageFit._save_best",
        "tinybert_tf.training.fitting.StageFit.check_weights",
        "tinybert_tf.training.fitting.StageFit.load_best",
        "tinybert_tf.training.fitting.Checkpoints.restore",
    ),
    "the cache of the teacher": ("tinybert_tf.runs.recipes.cache_teacher",),
    "the student's start": (
        "tinybert_tf.runs.distilling.start_student",
        "tinybert_tf.runs.distilling.initialize_head",
    ),
    "the teacher's head, before fine-tuning": ("tinybert_tf.runs.text_steps.fit_new_head",),
    "evaluation on the test set": ("tinybert_tf.runs.recipes.evaluate",),
    "conversion to TFLite": ("tinybert_tf.export.bundle.convert",),
    "comparing, timing and verifying the export": ("tinybert_tf.runs.exporting.export_all",),
    "the report": ("tinybert_tf.reports.run_page.write_report",),
}
_FIRST_STEPS = "training: first step of a fit, tracing included"
_OTHER = "imports and all else"


class _Clock:
    """Seconds of parts, each without the parts within it."""

    def __init__(self):
        self.seconds = collections.Counter()
        self.calls = collections.Counter()
        self._open: list[str] = [_OTHER]
        self._since = _STARTED

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts what is done within it for a part."""
        self._add(self._open[-1])
        self._open.append(name)
        self.calls[name] += 1
        try:
            yield
        finally:
            self._add(self._open[-1])
            self._open.pop()

    def move(self, name: str) -> None:
        """Counts what was done since the last turn for another part."""
        self._add(name)
        self.calls[name] += 1

    def _add(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] += now - self._since
        self._since = now

    def wrap(self, path: str, name: str) -> None:
        """Puts the clock around a function, by the path of its module, and class if any."""
        owner, attribute = path.rsplit(".", 1)
        try:
            place = importlib.import_module(owner)
        except ModuleNotFoundError:
            module, class_name = owner.rsplit(".", 1)
            place = getattr(importlib.import_module(module), class_name)
        function = getattr(place, attribute)

        @functools.wraps(function)
        def timed(*args, **kwargs):
            with self.part(name):
                return function(*args, **kwargs)

        setattr(place, attribute, timed)


def _watch_first_steps(clock: _Clock) -> None:
    from tinybert_tf.training import fitting

    end = fitting._StageCallback.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        if not getattr(self, "has_begun", False):
            self.has_begun = True
            clock.move(_FIRST_STEPS)
        end(self, batch, logs)

    fitting._StageCallback.on_train_batch_end = on_train_batch_end


def main() -> None:
    """Measures and writes."""
    load, clock = os.getloadavg()[0], _Clock()
    for name, paths in _PARTS.items():
        for path in paths:
            clock.wrap(path, name)
    _watch_first_steps(clock)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", "--config", _CONFIG, "--set", f"run_directory={folder}/run"]
        command_line.main(arguments)
        clock.move(_OTHER)
    from tinybert_tf.runs.environment import environment

    parts = [*_PARTS, _FIRST_STEPS, _OTHER]
    rows = [
        {"part": part, "seconds": clock.seconds[part], "calls": clock.calls[part]}
        for part in sorted(parts, key=lambda part: -clock.seconds[part])
    ]
    for row in rows:
        print(f"{row['seconds']:7.1f} s  {row['calls']:4}  {row['part']}")
    figures = {"load_before": load, "seconds": time.perf_counter() - _STARTED, "parts": rows}
    write_json(_OUTPUT, environment("python benchmarks/outside_steps.py") | figures)


if __name__ == "__main__":
    main()
