"""A tiny run from a teacher's weights to the figures of its student, whole and killed."""

import dataclasses
import hashlib
import json
import shlex
import shutil
import sys

import keras
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tinybert_tf.checkpoints import save_text_classifier
from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.commands import command_line
from tinybert_tf.data import read_table
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.runs import recipes
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.environment import environment
from tinybert_tf.training import fitting


def digests(directory):
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def right_answers(directory, config):
    """The share of the test sentences that a saved model gives the right label."""
    model = BertTextClassifier.from_preset(str(directory))
    examples = read_table(config.resolved_task(), config.data.test)
    logits = model(model.preprocessor(list(examples.texts[0])), training=False)
    answers = keras.ops.convert_to_numpy(logits).argmax(-1)
    return float(np.mean(answers == examples.labels)), answers


def test_what_a_run_leaves_behind(finished_run, make_tiny_values):
    run = finished_run
    assert {path.name for path in run.path.iterdir()} == {
        "config.yaml",
        "metrics.jsonl",
        "tensorboard",
        "checkpoints",
        "teacher",
        "student",
        "results.json",
        "results.copy.json",
        "predictions.jsonl",
        "attention.json",
    }
    assert run.config() == parse_config(make_tiny_values(run.path), "values")
    states = {"finetune": (20,), "intermediate": (4,), "prediction": (8,)}
    assert {path.name for path in run.checkpoints.iterdir()} == {"hashes.json"} | {
        f"{stage}.{part}.weights.h5"
        for stage, steps in states.items()
        for part in (*steps, "best")
    }
    lines = (run.path / "metrics.jsonl").read_text("utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    # How many lines there are depends on the time; the last step of a stage is always there.
    last_steps = {line["stage"]: line["step"] for line in logged if "loss" in line}
    assert last_steps == {"finetune": 20, "intermediate": 4, "prediction": 8}


def test_the_figures_of_a_run(finished_run, tiny_parameters):
    run, config = finished_run, finished_run.config()
    results = json.loads((run.path / "results.json").read_text("utf-8"))
    evaluation = results["evaluation"]
    assert evaluation["examples"] == 32
    assert evaluation["teacher"]["parameters"] == tiny_parameters["teacher"]
    assert evaluation["student"]["parameters"] == tiny_parameters["student"]
    teacher, teacher_answers = right_answers(run.teacher, config)
    student, student_answers = right_answers(run.student, config)
    assert evaluation["teacher"]["accuracy"] == pytest.approx(teacher)
    assert evaluation["student"]["accuracy"] == pytest.approx(student)
    assert evaluation["retention"] == pytest.approx(student / teacher)
    same = np.mean(teacher_answers == student_answers)
    assert evaluation["agreement"] == pytest.approx(same)
    # One word tells the sentences apart: a teacher that trained at all knows it.
    assert teacher > 0.9
    assert results["teacher"]["dev"] == results["finetune"]["best_dev"]
    assert results["student_start"]["dev"].keys() == {"accuracy"}
    assert results["prediction"]["step"] == 8 and results["intermediate"]["step"] == 4
    # Three epochs: worth keeping what the teacher says, until the student is done.
    assert results["teacher_cache"]["contents"] == "outputs"
    assert not run.teacher_cache.exists()


def test_finished_steps_are_skipped(finished_run):
    config, before = finished_run.config(), digests(finished_run.path)
    recipes.finetune(config, finished_run)
    recipes.distill(config, finished_run)
    assert digests(finished_run.path) == before


def test_a_killed_distillation_ends_at_the_same_student(
    finished_run, saved_weights, tmp_path, monkeypatch
):
    """Killed in the first epoch of the second stage, after a stage of averaged weights."""
    whole = finished_run
    config = dataclasses.replace(whole.config(), checkpoint_minutes=1e-9)
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(whole.teacher, run.teacher)
    teacher_files = digests(run.teacher)
    save = fitting.StageFit.save

    def save_and_die(stage, step):
        save(stage, step)
        if (stage.name, step) == ("prediction", 2):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fitting.StageFit, "save", save_and_die)
        recipes.distill(config, run)
    assert not run.student.exists()

    recipes.distill(config, run)
    weights, expected = saved_weights(run.student), saved_weights(whole.student)
    assert weights.keys() == expected.keys() and len(weights) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)
    for stage in ("intermediate", "prediction"):
        figures, others = run.read_results()[stage], whole.read_results()[stage]
        assert {**figures, "seconds": 0} == {**others, "seconds": 0}
    # Distillation leaves the teacher as it was.
    assert len(teacher_files) > 2
    assert digests(run.teacher) == teacher_files


def test_evaluate_from_the_command_line(copied_run, tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.yaml"
    values = {**copied_run.config().to_dict(), "run_directory": str(copied_run.path)}
    path.write_text(yaml.safe_dump({**values, "seed": 1}), "utf-8")
    before = copied_run.read_results()["evaluation"]
    arguments = ["evaluate", "--config", str(path), "--set", "seed=42"]
    monkeypatch.setattr(sys, "argv", ["tinybert_tf", *arguments])
    command_line.main(arguments)
    printed = capsys.readouterr().out
    assert "things: 32 test examples" in printed
    assert "student" in printed and "retained" in printed
    results = copied_run.read_results()
    assert results["evaluation"] == before
    assert results["commands"][-1]["seed"] == 42
    assert results["commands"][-1]["command"].endswith("--set seed=42")
    assert {"tensorflow", "keras", "keras-nlp"} <= results["commands"][-1]["versions"].keys()


def test_a_recorded_command_can_be_given_to_a_shell(monkeypatch):
    arguments = ["--parts", "any start", "--set", "data.train=it's.csv"]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
    command = environment("python benchmark.py")["command"]
    assert shlex.split(command) == ["python", "benchmark.py", *arguments]


@pytest.mark.parametrize("name", ["*.weights.h5", "task.json", "assets/**/*.txt"])
def test_a_changed_file_of_a_teacher_is_named(copied_run, name):
    path = next(copied_run.teacher.glob(name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(TinyBertError) as caught:
        load_classifier(copied_run.teacher)
    assert str(path) in str(caught.value)


# === Teachers that nobody can learn from ===


def as_it_is(values):
    values["teacher"]["fine_tune"] = None
    return values


def test_a_teacher_near_chance_is_refused(tiny_values, tiny_data, tmp_path):
    """Labels that have nothing to do with the sentences: every word comes with both."""
    lines = (tiny_data / "dev.tsv").read_text("utf-8").splitlines()
    sentences = [line.split("\t")[0] for line in lines[1:]]
    labelled = [f"{s}\t{label}" for s in sentences for label in ("negative", "positive")]
    dev = tmp_path / "dev.tsv"
    dev.write_text("\n".join(["sentence\tlabel", *labelled]) + "\n", "utf-8")
    tiny_values["data"]["dev"] = str(dev)
    config = parse_config(as_it_is(tiny_values), "values")
    run = RunDirectory.create(config, resume=False)
    with pytest.raises(TinyBertError) as caught:
        recipes.finetune(config, run)
    # Of two equal sentences with different labels one is right; two standard errors of 64.
    assert "no better than chance on 'things': its matthews is 0.000" in str(caught.value)
    assert "chance reaches 0.250" in str(caught.value)
    assert run.read_results()["teacher"] == {"dev": {"accuracy": 0.5}}
    assert not run.teacher.exists() and not run.checkpoints.exists()


def test_a_teacher_that_pools_by_the_mean(tiny_values):
    """Its head is fitted before a step is taken, and its student pools as it does."""
    tiny_values["teacher"]["pooling"] = "mean"
    tiny_values["teacher"]["fine_tune"]["epochs"] = 1
    tiny_values["teacher"]["fine_tune"]["optimizer"]["learning_rate"] = 1e-9
    for stage in tiny_values["distillation"]["stages"]:
        stage["fit"] = {**stage["fit"], "epochs": 1}
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    recipes.finetune(config, run)
    recipes.distill(config, run)
    teacher, student = map(load_classifier, (run.teacher, run.student))
    assert teacher.backbone.pooling == student.backbone.pooling == "mean"
    # Random features of sentences that differ in one word; chance is a half.
    assert right_answers(run.teacher, config)[0] > 0.8
    inputs = teacher.preprocessor(["good thing 3", "bad thing"])
    outputs = student.backbone(inputs)
    hidden, mask = np.asarray(outputs["sequence_output"]), np.asarray(inputs["padding_mask"])
    means = [h[m == 1].mean(0) for h, m in zip(hidden, mask, strict=True)]
    logits = means @ np.asarray(student.output_dense.kernel) + student.output_dense.bias
    np.testing.assert_allclose(student(inputs), logits, atol=1e-5)


def test_a_teacher_that_needs_no_fine_tuning_is_saved_as_it_is(
    tiny_values, tiny_bert, monkeypatch
):
    # It has learned nothing.
    monkeypatch.setattr(recipes, "_check_teacher", lambda *_: None)
    config = parse_config(as_it_is(tiny_values), "values")
    run = RunDirectory.create(config, resume=False)
    recipes.finetune(config, run)
    model = BertTextClassifier.from_preset(str(run.teacher))
    head = load_file(tiny_bert / "model.safetensors")["classifier.weight"]
    np.testing.assert_array_equal(model.output_dense.kernel.numpy(), head.T)


def test_a_teacher_of_another_order_is_refused(finished_run, tiny_values, tmp_path):
    """Fine-tuned here, saved without names, and with its outputs the other way round."""
    teacher = BertTextClassifier.from_preset(str(finished_run.teacher))
    for variable in teacher.output_dense.weights:
        variable.assign(keras.ops.flip(variable, axis=-1))
    teacher.labels = None
    save_text_classifier(teacher, tmp_path / "teacher")
    tiny_values["teacher"] = {"weights": str(tmp_path / "teacher"), "fine_tune": None}
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    with pytest.raises(TinyBertError) as caught:
        recipes.finetune(config, run)
    assert "100.0% right in place of 0.0%" in str(caught.value)
    assert "set task.labels to [positive, negative], its order" in str(caught.value)
    assert not run.teacher.exists()


def test_a_student_before_its_teacher(tiny_values):
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    with pytest.raises(TinyBertError, match="holds no classifier"):
        recipes.distill(config, run)


class Silent:
    """A model, the steps of its task and its evaluator: nothing that it says is right."""

    preprocessor = None

    def __init__(self, task):
        self.task = task

    def count_params(self):
        return 7

    def encode(self, examples, preprocessor):
        return examples

    def make_evaluator(self, model, encoded):
        return self

    def predict(self):
        return None

    def metrics(self, predictions):
        return {"accuracy": 0.0}

    def agreement(self, predictions, others):
        return None

    def save_predictions(self, run, models, examples, encoded, predictions):
        assert models.keys() == predictions.keys() == {"teacher", "student"}


def test_retention_of_a_teacher_without_merit(tiny_values, monkeypatch):
    """A metric that is 0 has no shares."""
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    silent = Silent(config.resolved_task())
    monkeypatch.setattr(recipes, "load_classifier", lambda directory: silent)
    monkeypatch.setattr(recipes, "task_steps", lambda config: silent)
    assert recipes.evaluate(config, run)["retention"] is None
    assert run.read_results()["evaluation"] == {
        **{name: {"accuracy": 0.0, "parameters": 7} for name in ("teacher", "student")},
        "retention": None,
        "examples": 32,
        "further": {},
    }
