"""The folder of a run: its config, its environment, its metrics, its models."""

import contextlib
import glob
import json
import math
import os
import pathlib
import shutil
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf
import yaml

from tinybert_tf.checkpoints._tensor_files import read_json_object
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import (
    atomic_file,
    is_partial,
    read_text_file,
    remove_partial,
    write_json,
)
from tinybert_tf.runs._lock import LOCK, locked
from tinybert_tf.runs.changes import changed_keys, steps_to_redo
from tinybert_tf.runs.config import RunConfig
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.environment import PROGRAM, environment


class RunDirectory:
    """What a run leaves behind.

    | path | content |
    |---|---|
    | `config.yaml` | the resolved config |
    | `metrics.jsonl` | one line a logged step: step, stage, values |
    | `tensorboard/` | the same as events |
    | `checkpoints/` | what a killed run goes on from |
    | `teacher/`, `student/` | the best models, as KerasHub presets |
    | `augmented/` | copies of the training examples, where the config augments them |
    | `teacher_cache/` | what the teacher says of them, while the student learns |
    | `export/` | the student as TFLite, a folder for each quantization |
    | `predictions.jsonl` | what teacher and student say of the test split |
    | `attention.json` | where they look in one text |
    | `answers.json` | the student's answers to the test split's questions, by id |
    | `no_answer_probabilities.json` | how likely it finds that there is none (SQuAD v2) |
    | `results.json` | all figures, and the commands, versions and machine they are from |
    | `results.copy.json` | the same, for when that file is damaged |
    | `lock.json` | which process works in the directory, while one does |
    | `report.html` | all of these as a page with plots |
    | `replaced/` | what steps left that were done again with another config |

    Args:
        path: str or path. An existing run's folder; `create` makes a new one.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)

    @classmethod
    def create(cls, config: RunConfig, resume: bool) -> "RunDirectory":
        """Makes the folder of a new run, or opens one to go on; see `adopt_config`.

        Args:
            config: `RunConfig`.
            resume: bool. Whether an existing folder is gone on with.

        Raises:
            TinyBertError: if the folder exists and `resume` is off, or holds another run.
        """
        run = cls(config.run_directory)
        if run.config_file.exists() and resume:
            run.adopt_config(config)
            return run
        if run.path.exists() and not run._is_empty():
            way_out = "has no config.yaml of a run" if resume else "exists; --resume goes on"
            raise TinyBertError(
                f"The run directory {run.path} {way_out}. Remove it or set another "
                "run_directory."
            )
        run._write_config(config)
        return run

    def _is_empty(self) -> bool:
        return self.path.is_dir() and all(
            is_partial(path) or path.name == LOCK for path in self.path.iterdir()
        )

    @classmethod
    @contextlib.contextmanager
    def creating(cls, config: RunConfig, resume: bool) -> Iterator["RunDirectory"]:
        """Yields what `create` returns; a new folder in which nothing was done goes again.

        So a mistake in data or weights can be corrected and the same command given again. The
        folder is locked meanwhile.

        Args:
            config: `RunConfig`.
            resume: bool. See `create`.

        Raises:
            TinyBertError: see `create`.
        """
        run = cls(config.run_directory)
        is_new = not run.config_file.exists()
        with run.locked():
            cls.create(config, resume)
            try:
                yield run
            except (TinyBertError, OSError):
                if is_new and not run.checkpoints.exists() and not run.augmented.exists():
                    shutil.rmtree(run.path)
                raise

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context in which no other process works in the directory.

        Raises:
            TinyBertError: when it is entered, if another does so.
        """
        return locked(self.path)

    @classmethod
    @contextlib.contextmanager
    def going_on(cls, config: RunConfig) -> Iterator["RunDirectory"]:
        """Yields the run of a config, which must exist and is locked; see `adopt_config`.

        Args:
            config: `RunConfig`.

        Raises:
            TinyBertError: if there is none, another process works in it, or it is another's.
        """
        run = cls.open(config.run_directory)
        with run.locked():
            run.adopt_config(config)
            yield run

    @classmethod
    def open(cls, path: str | os.PathLike) -> "RunDirectory":
        """Opens an existing run.

        Raises:
            TinyBertError: if there is none.
        """
        run = cls(path)
        if not run.config_file.exists():
            raise TinyBertError(
                f"{run.path} is no run directory: it has no config.yaml. Make one with "
                "`python -m tinybert_tf run --config FILE`."
            )
        return run

    @property
    def config_file(self) -> pathlib.Path:
        """Where the resolved config is."""
        return self.path / "config.yaml"

    @property
    def teacher(self) -> pathlib.Path:
        """The preset of the fine-tuned teacher."""
        return self.path / "teacher"

    @property
    def student(self) -> pathlib.Path:
        """The preset of the distilled student."""
        return self.path / "student"

    @property
    def augmented(self) -> pathlib.Path:
        """The augmented copies of the training examples."""
        return self.path / "augmented"

    @property
    def teacher_cache(self) -> pathlib.Path:
        """What the teacher says of the training examples, while the student learns."""
        return self.path / "teacher_cache"

    @property
    def masked_lm(self) -> pathlib.Path:
        """The preset of a masked LM."""
        return self.path / "masked_lm"

    @property
    def exports(self) -> pathlib.Path:
        """The exported files, a folder for each quantization."""
        return self.path / "export"

    @property
    def predictions(self) -> pathlib.Path:
        """What teacher and student say of the test split."""
        return self.path / "predictions.jsonl"

    @property
    def attention(self) -> pathlib.Path:
        """Where teacher and student look in one text."""
        return self.path / "attention.json"

    @property
    def answers(self) -> pathlib.Path:
        """The student's answers to questions, as SQuAD's official scripts read them."""
        return self.path / "answers.json"

    @property
    def no_answer_probabilities(self) -> pathlib.Path:
        """How likely the student finds it that a question has no answer."""
        return self.path / "no_answer_probabilities.json"

    @property
    def checkpoints(self) -> pathlib.Path:
        """What a killed run goes on from."""
        return self.path / "checkpoints"

    def config(self) -> RunConfig:
        """Returns the run's config."""
        text = read_text_file(self.config_file, "config")
        # Before there was a choice, a run compared scores as they are.
        is_earlier = "\ndistillation:" in text and "attention_scores:" not in text
        return load_config(
            self.config_file, ["distillation.attention_scores=raw"] if is_earlier else []
        )

    def _write_config(self, config: RunConfig) -> None:
        with atomic_file(self.config_file) as path:
            path.write_text(yaml.safe_dump(config.to_dict(), sort_keys=False), "utf-8")

    def adopt_config(self, config: RunConfig) -> None:
        """Goes on with a config: steps that read what has changed are to be done again.

        What they and those after them have left goes to `replaced/`, numbered. What killed
        processes left half written is removed.

        Args:
            config: `RunConfig`.

        Raises:
            TinyBertError: if it is another run's: the teacher depends on what has changed.
        """
        remove_partial(self.path, self.checkpoints, self.exports)
        before = self.config()
        steps = steps_to_redo(self.path, before, config)
        if self._set_aside(before, steps):
            key, (old, new) = next(iter(changed_keys(before, config).items()))
            print(
                f"{key} was {old!r} and is {new!r}: {', '.join(steps)} of {self.path} must be "
                f"done again; what they left is in {self._replaced}/",
                flush=True,
            )
        self._write_config(config)

    @property
    def _replaced(self) -> pathlib.Path:
        return self.path / "replaced"

    def _set_aside(self, config: RunConfig, steps: Sequence[str]) -> bool:
        """Moves what steps left out of the way; tells whether there was anything."""
        if not steps:
            return False
        stages = [stage.name for stage in config.distillation.stages]
        paths, names = self._left_by(steps, stages)
        results = self.read_results()
        kept = {name: value for name, value in results.items() if name not in names}
        if not paths and kept == results:
            return False
        numbers = [int(path.name) for path in self._replaced.glob("*") if path.name.isdigit()]
        target = self._replaced / str(max(numbers, default=0) + 1)
        target.mkdir(parents=True)
        write_json(target / "results.json", results)
        if "distill" in steps:
            self._set_metrics_aside(target, stages)
        for path in paths:
            path.rename(target / path.name)
        self._write_results(kept)
        return True

    def _left_by(
        self, steps: Sequence[str], stages: Sequence[str]
    ) -> tuple[list[pathlib.Path], list[str]]:
        """Returns what is there of the files of steps, and the names of their results."""
        states = [
            path
            for stage in stages
            for path in self.checkpoints.glob(f"{glob.escape(stage)}.*.h5")
        ]
        evaluated = [
            *(self.predictions, self.attention, self.answers, self.no_answer_probabilities),
            # What `answers.json` was called before.
            self.path / "predictions.json",
        ]
        left = {
            "augment": ([self.augmented], ["augmentation"]),
            "distill": (
                [self.student, *states],
                ["teacher_cache", "student_start", "student_head", *stages],
            ),
            "evaluate": (evaluated, ["evaluation"]),
            "export": ([self.exports, self.path / "report.html"], ["export", "latency"]),
        }
        paths = [path for step in steps for path in left[step][0] if path.exists()]
        return paths, [name for step in steps for name in left[step][1]]

    def _set_metrics_aside(self, target: pathlib.Path, stages: list[str]) -> None:
        """Leaves the lines of other stages alone; TensorBoard's events cannot be parted."""
        lines = self.read_metrics()
        kept = [line for line in lines if line["stage"] not in stages]
        if kept == lines:
            return
        shutil.copy(self.path / "metrics.jsonl", target)
        events = self.path / "tensorboard"
        if events.exists():
            events.rename(target / "tensorboard")
        with atomic_file(self.path / "metrics.jsonl") as path:
            path.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")

    @property
    def _results_copy(self) -> pathlib.Path:
        return self.path / "results.copy.json"

    def read_results(self) -> dict:
        """Returns what `results.json` holds; empty before the first figures.

        Raises:
            TinyBertError: if both it and its copy are damaged.
        """
        path = self.path / "results.json"
        if not path.exists():
            return {}
        try:
            return read_json_object(path, "results")
        except TinyBertError as error:
            if not self._results_copy.exists():
                raise
            print(f"{error} Its copy {self._results_copy} is taken.", flush=True)
            results = read_json_object(self._results_copy, "results")
            write_json(path, results)
            return results

    def _write_results(self, results: dict) -> None:
        for path in (self.path / "results.json", self._results_copy):
            write_json(path, results)

    def add_results(self, **figures) -> dict:
        """Adds figures to `results.json` and returns all of them."""
        results = {**self.read_results(), **figures}
        self._write_results(results)
        return results

    def record_command(self, seed: int, program: str = PROGRAM) -> None:
        """Adds the running command, its versions and its machine to `results.json`.

        Args:
            seed: int. What its figures depend on.
            program: str. See `environment`.
        """
        commands = self.read_results().get("commands", [])
        self.add_results(commands=[*commands, {**environment(program), "seed": seed}])

    def log(self, stage: str, step: int, values: dict) -> None:
        """Appends values of a step to `metrics.jsonl` and to the TensorBoard events.

        Values that are no numbers, which JSON does not have, are left out of the former.
        """
        numbers = {name: value for name, value in values.items() if math.isfinite(value)}
        line = {"time": time.time(), "stage": stage, "step": step, **numbers}
        text = json.dumps(line, allow_nan=False) + "\n"
        with open(self.path / "metrics.jsonl", "ab+") as file:
            # A full disk or a kill may have left half a line, which this one is no part of.
            if file.tell():
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(text.encode())
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(f"{stage}/{name}", value)
        # A killed run has its last events as it has its last lines.
        self._writer.flush()

    def read_metrics(self) -> list[dict]:
        """Returns what `log` appended, but for a line that was left half written.

        Raises:
            TinyBertError: if a line holds something else.
        """
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines = []
        for number, text in enumerate(read_text_file(path, "metrics").splitlines(), start=1):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if not isinstance(line, dict) or not {"stage", "step"} <= line.keys():
                raise TinyBertError(
                    f"{path}, line {number}: expected stage, step and values; got {text!r}. "
                    "Remove the line."
                )
            lines.append(line)
        return lines

    @property
    def _writer(self):
        if not hasattr(self, "_summary_writer"):
            self._summary_writer = tf.summary.create_file_writer(str(self.path / "tensorboard"))
        return self._summary_writer
