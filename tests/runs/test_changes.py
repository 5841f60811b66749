"""A run that goes on with another config: what is kept, what is done again."""

import copy
import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs import RunDirectory, recipes
from tinybert_tf.runs.changes import flatten, steps_to_redo
from tinybert_tf.runs.config_file import parse_config

FROM_DISTILL = ("distill", "evaluate", "export")


def changed(values, **changes):
    """Values with other ones at dotted paths, `__` for a dot."""
    values = copy.deepcopy(values)
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = values
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
        node[last] = value
    return values


def resume(values):
    return RunDirectory.create(parse_config(values, "values"), resume=True)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, ()),
        ({"checkpoint_minutes": 5.0}, ()),
        ({"export__profiles": ["small"]}, ("export",)),
        # Nothing before `evaluate` reads it.
        ({"data__test": None}, ("evaluate", "export")),
        ({"student__dropout": 0.2}, FROM_DISTILL),
        ({"distillation__stages__1__fit__epochs": 3}, FROM_DISTILL),
        ({"distillation__mapping": "top"}, FROM_DISTILL),
        ({"augmentation__masked_lm__weights": "there"}, ("augment", *FROM_DISTILL)),
        # The first step of all changes.
        ({"export__profiles": [], "student__start": "random"}, FROM_DISTILL),
    ],
)
def test_steps_to_redo(tiny_values, changes, steps):
    before = parse_config(tiny_values, "values")
    after = parse_config(changed(tiny_values, **changes), "values")
    assert steps_to_redo("run", before, after) == steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 7}, "The run in run was started with seed=42, the config now says 7"),
        ({"data__max_tokens": 12}, "data.max_tokens=16, the config now says 12"),
        # Also where a later step changes as well.
        ({"student__dropout": 0.2, "precision": "mixed_float16"}, "precision='float32'"),
    ],
)
def test_another_run(tiny_values, changes, message):
    before = parse_config(tiny_values, "values")
    after = parse_config(changed(tiny_values, **changes), "values")
    with pytest.raises(TinyBertError) as raised:
        steps_to_redo("run", before, after)
    assert message in str(raised.value)
    assert "set another run_directory" in str(raised.value)


def test_flatten():
    assert flatten({"a": {"b": [1, {"c": None}]}, "d": "x"}) == {
        "a.b.0": 1,
        "a.b.1.c": None,
        "d": "x",
    }


@pytest.fixture
def begun(tiny_values):
    """A run directory with a file for everything that a run leaves, and a state of a stage."""
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    for name in ("teacher", "student", "augmented", "export", "checkpoints"):
        (run.path / name).mkdir()
        (run.path / name / "file").write_text(name, "utf-8")
    for name in ("finetune.20.weights.h5", "intermediate.4.weights.h5"):
        (run.checkpoints / name).write_text(name, "utf-8")
    for name in ("predictions.jsonl", "attention.json", "report.html"):
        (run.path / name).write_text(name, "utf-8")
    for stage, step in (("finetune", 20), ("intermediate", 4), ("prediction", 8)):
        run.log(stage, step, {"loss": 1.0})
    names = ("commands", "finetune", "student_start", "intermediate", "evaluation", "export")
    run.add_results(**{name: {"of": name} for name in names})
    return run


def files(run):
    """Relative paths, TensorBoard's events left out."""
    paths = (path.relative_to(run.path) for path in run.path.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "tensorboard" not in path.parts}


def test_what_is_set_aside(begun, tiny_values, capsys):
    before = files(begun)
    resume(changed(tiny_values, student__dropout=0.2))
    moved = {
        "student/file",
        "export/file",
        "predictions.jsonl",
        "attention.json",
        "report.html",
    }
    assert files(begun) == (before - moved - {"checkpoints/intermediate.4.weights.h5"}) | {
        f"replaced/1/{name}"
        for name in moved | {"intermediate.4.weights.h5", "results.json", "metrics.jsonl"}
    }
    assert set(begun.read_results()) == {"commands", "finetune"}
    replaced = json.loads((begun.path / "replaced/1/results.json").read_text("utf-8"))
    assert replaced["evaluation"] == {"of": "evaluation"}
    assert [line["stage"] for line in begun.read_metrics()] == ["finetune"]
    old_lines = (begun.path / "replaced/1/metrics.jsonl").read_text("utf-8").splitlines()
    assert len(old_lines) == 3
    assert begun.config().student.dropout == 0.2
    printed = capsys.readouterr().out
    assert "student.dropout was 0.1 and is 0.2: distill, evaluate, export of" in printed
    assert f"what they left is in {begun.path / 'replaced'}/" in printed

    # Nothing is left of these steps, so nothing moves.
    resume(changed(tiny_values, student__dropout=0.3))
    assert [path.name for path in (begun.path / "replaced").iterdir()] == ["1"]
    assert begun.config().student.dropout == 0.3
    assert capsys.readouterr().out == ""


def test_changed_again_before_anything_was_logged(begun, tiny_values):
    resume(changed(tiny_values, student__dropout=0.2))
    begun.add_results(student_start={"dev": {"accuracy": 0.5}})
    (begun.path / "replaced" / "notes.txt").write_text("mine", "utf-8")
    resume(changed(tiny_values, student__dropout=0.3))
    assert files(begun) >= {"replaced/2/results.json", "replaced/notes.txt"}
    assert "replaced/2/metrics.jsonl" not in files(begun)
    assert set(begun.read_results()) == {"commands", "finetune"}
    assert [line["stage"] for line in begun.read_metrics()] == ["finetune"]


@pytest.mark.parametrize("calls", range(1, 7))
def test_killed_while_it_sets_aside(begun, tiny_values, monkeypatch, calls):
    """Nothing is lost, and the same change is carried out by the next try."""
    before, left = files(begun), [calls]

    def rename(path, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        os.rename(path, target)

    values = changed(tiny_values, student__dropout=0.2)
    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            resume(values)
    assert begun.config().student.dropout == 0.1
    resume(values)
    assert begun.config().student.dropout == 0.2
    assert set(begun.read_results()) == {"commands", "finetune"}
    moved = {path.split("/", 2)[2] for path in files(begun) if path.startswith("replaced/")}
    kept = {path for path in files(begun) if not path.startswith("replaced/")}
    names = {path.rsplit("/", 1)[-1] for path in before}
    assert {path.rsplit("/", 1)[-1] for path in kept | moved} == names
    assert "student/file" in moved and "teacher/file" in kept


def test_an_export_leaves_the_rest(begun, tiny_values):
    resume(changed(tiny_values, export__profiles=["small"]))
    assert {"student/file", "augmented/file", "predictions.jsonl"} <= files(begun)
    assert {"replaced/1/export/file", "replaced/1/report.html"} <= files(begun)
    assert "evaluation" in begun.read_results() and "export" not in begun.read_results()
    assert len(begun.read_metrics()) == 3


def test_answers_are_set_aside_under_their_old_name_too(begun, tiny_values):
    names = {"answers.json", "no_answer_probabilities.json", "predictions.json"}
    for name in names:
        (begun.path / name).write_text(name, "utf-8")
    resume(changed(tiny_values, data__test=None))
    assert {f"replaced/1/{name}" for name in names} <= files(begun)
    assert not names & files(begun)


def test_the_same_config_leaves_everything(begun, tiny_values):
    before = files(begun)
    resume(changed(tiny_values, checkpoint_minutes=7.0))
    assert files(begun) == before
    assert begun.config().checkpoint_minutes == 7.0


def test_another_run_leaves_everything(begun, tiny_values):
    before = files(begun)
    with pytest.raises(TinyBertError, match="set another run_directory"):
        resume(changed(tiny_values, seed=7))
    assert files(begun) == before and begun.config().seed == 42


def test_done_again_is_as_done_at_once(copied_run, saved_weights, tiny_values, tmp_path):
    """The student is that of a run that had the config from the beginning."""
    stage = tiny_values["distillation"]["stages"][0]
    values = changed(tiny_values, distillation__stages=[{**stage, "attention": 3.0}])
    once = resume({**values, "run_directory": str(tmp_path / "once")})
    shutil.copytree(copied_run.teacher, once.teacher)
    again = resume(values)
    weights = {}
    for run in (once, again):
        teacher = run.teacher.stat().st_mtime_ns
        recipes.finetune(run.config(), run)
        recipes.distill(run.config(), run)
        assert run.teacher.stat().st_mtime_ns == teacher
        weights[run] = saved_weights(run.student)
    assert weights[once].keys() == weights[again].keys()
    for name, array in weights[once].items():
        np.testing.assert_array_equal(array, weights[again][name], err_msg=name)
    old = saved_weights(again.path / "replaced" / "1" / "student")
    assert any((old[name] != array).any() for name, array in weights[once].items())
