"""What happens between the stages of a distillation."""

import dataclasses

import numpy as np
import pytest

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.data import BucketedBatches, EncodedExamples, encode_examples
from tinybert_tf.evaluation import TextEvaluator
from tinybert_tf.runs import RunDirectory, distilling, recipes
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.examples import read_training_examples
from tinybert_tf.runs.models import make_student
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training import StageFit


class TurnedAround(StageFit):
    """Trains nothing; its intermediate stage turns the last hidden states around."""

    def fit(self):
        if self.name == "intermediate":
            self.turn()
        return self.evaluator.score()

    def turn(self):
        norm = self.scored.backbone.transformer_layers[-1].output_norm
        norm.gamma.assign(-norm.gamma)
        norm.beta.assign(-norm.beta)

    def load_best(self):
        """Leaves the weights as they are."""


@pytest.fixture
def distillation(finished_run, tiny_values, monkeypatch):
    """What `fit_stages` takes: the student starts as its teacher."""
    monkeypatch.setattr(distilling, "StageFit", TurnedAround)
    sizes = {"num_layers": 2, "hidden_dim": 24, "num_heads": 4, "intermediate_dim": 48}
    tiny_values["student"]["overrides"] = sizes
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    teacher = load_classifier(finished_run.teacher)
    student = make_student(config, teacher)
    preprocessor, student.preprocessor = student.preprocessor, None
    encoded = encode_examples(read_training_examples(config), preprocessor)
    batches = BucketedBatches(encoded, 256, seed=1)
    return {
        "config": config,
        "run": run,
        "distiller": distilling.make_distiller(config, student, teacher),
        "evaluator": TextEvaluator(config.resolved_task(), student, encoded),
        "batches_of": lambda stage: batches,
        # Tokens enough to outweigh the plain cut of the teacher.
        "sample": [encoded.batch(np.tile(np.arange(len(encoded)), 20))[0]],
    }


def logits_of(distillation):
    """The student's and the teacher's logits, and how far the teacher's are apart."""
    distiller, inputs = distillation["distiller"], distillation["sample"][0]
    student, teacher = (
        np.asarray(model(inputs, training=False))
        for model in (distiller.student, distiller.teacher)
    )
    return student, teacher


def test_the_head_follows_the_hidden_states(distillation):
    distilling.fit_stages(**distillation)
    student, teacher = logits_of(distillation)
    # Turned around, the hidden states hold what they did: a linear head can say the same.
    np.testing.assert_allclose(student, teacher, atol=0.05 * np.ptp(teacher))
    results = distillation["run"].read_results()
    assert results["student_head"] == results["student_start"]


class Distance:
    """Scores how far the student's logits are from the teacher's."""

    def __init__(self, distillation):
        self._distillation = distillation

    def score(self):
        student, teacher = logits_of(self._distillation)
        return {"distance": float(np.abs(student - teacher).max())}

    def is_better(self, scores, best):
        return scores["distance"] < best["distance"]


class Harmful(StageFit):
    """Trains nothing; either stage turns the last hidden states around and is scored."""

    def fit(self):
        TurnedAround.turn(self)
        self.evaluate(1)
        return self.evaluator.score()


def test_a_stage_that_only_harms_leaves_the_student_as_it_started(distillation, monkeypatch):
    monkeypatch.setattr(distilling, "StageFit", Harmful)
    distillation["evaluator"] = evaluator = Distance(distillation)
    distilling.fit_stages(**distillation)
    results = distillation["run"].read_results()
    head, figures = results["student_head"]["dev"], results["prediction"]
    assert figures["dev"]["distance"] > 10 * head["distance"]
    assert (figures["best_step"], figures["best_dev"], evaluator.score()) == (0, head, head)


class HarmfulAtLast(StageFit):
    """Trains nothing; the last stage turns the last hidden states around."""

    def fit(self):
        if self.name == "prediction":
            TurnedAround.turn(self)
        self.evaluate(1)
        return self.evaluator.score()


def test_also_a_stage_that_no_head_is_fitted_for(distillation, monkeypatch):
    monkeypatch.setattr(distilling, "StageFit", HarmfulAtLast)
    distillation["evaluator"] = evaluator = Distance(distillation)
    config = distillation["config"]
    first, last = config.distillation.stages
    both = (dataclasses.replace(first, prediction=1.0), last)
    options = dataclasses.replace(config.distillation, stages=both)
    distillation["config"] = dataclasses.replace(config, distillation=options)
    distilling.fit_stages(**distillation)
    results = distillation["run"].read_results()
    assert "student_head" not in results
    start, figures = results["student_start"]["dev"], results["prediction"]
    assert figures["dev"]["distance"] > 10 * start["distance"]
    assert (figures["best_step"], figures["best_dev"], evaluator.score()) == (0, start, start)


def test_a_head_that_fits_better_as_it_is_stays(distillation, monkeypatch):
    def spoil(student, teacher, sample):
        student.output_dense.bias.assign(student.output_dense.bias + 7.0 * np.eye(2)[0])

    monkeypatch.setattr(distilling, "StageFit", HarmfulAtLast)
    monkeypatch.setattr(distilling, "initialize_head", spoil)
    distillation["evaluator"] = evaluator = Distance(distillation)
    distilling.fit_stages(**distillation)
    results = distillation["run"].read_results()
    start, spoilt = (results[name]["dev"] for name in ("student_start", "student_head"))
    assert spoilt["distance"] == pytest.approx(start["distance"] + 7.0, abs=0.1)
    figures = results["prediction"]
    assert (figures["best_step"], figures["best_dev"], evaluator.score()) == (0, start, start)


def test_no_head_is_fitted_in_a_stage_that_has_begun(distillation, monkeypatch):
    monkeypatch.setattr(TurnedAround, "has_begun", lambda stage: stage.name == "prediction")
    distilling.fit_stages(**distillation)
    student, teacher = logits_of(distillation)
    assert np.abs(student - teacher).max() > 0.5 * np.ptp(teacher)
    assert "student_head" not in distillation["run"].read_results()


def test_no_start_is_fitted_in_a_run_that_has_begun(distillation, monkeypatch):
    before = distillation["distiller"].student.get_weights()
    monkeypatch.setattr(TurnedAround, "has_begun", lambda stage: True)
    monkeypatch.setattr(TurnedAround, "fit", lambda stage: None)
    distilling.fit_stages(**distillation)
    for ours, theirs in zip(
        distillation["distiller"].student.get_weights(), before, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert "student_start" not in distillation["run"].read_results()


def test_a_model_is_saved_in_float32(tiny_values, monkeypatch):
    # It learns too little in one epoch.
    monkeypatch.setattr(recipes, "_check_teacher", lambda *arguments: None)
    tiny_values["precision"] = "mixed_bfloat16"
    tiny_values["teacher"]["fine_tune"]["epochs"] = 1
    config = parse_config(tiny_values, "values")
    run = RunDirectory.create(config, resume=False)
    recipes.finetune(config, run)
    assert run.read_results()["finetune"]["step"] == 4
    saved = load_classifier(run.teacher)
    assert saved.backbone.dtype_policy.name == "float32"
    assert isinstance(saved.preprocessor, BertPreprocessor)
    assert saved.labels == config.resolved_task().labels


def started_from_a_model(finished_run, values, **overrides):
    """Returns a student that starts from the finished run's teacher; its own knows nothing."""
    values["student"] = {
        **values["student"],
        "start": str(finished_run.teacher),
        "overrides": {**values["student"]["overrides"], **overrides},
    }
    config = parse_config(values, "values")
    teacher = load_classifier(finished_run.teacher)
    for weight in teacher.weights:
        weight.assign(np.random.default_rng(1).normal(0.0, 0.3, weight.shape))
    student = make_student(config, teacher)
    sample = [teacher.preprocessor(["good thing 3", "bad thing 4"] * 500)]
    distiller = distilling.make_distiller(config, student, teacher)
    distilling.start_student(config, distiller, sample)
    return student


def test_a_start_of_the_student_s_shape(finished_run, tiny_values):
    student = started_from_a_model(
        finished_run, tiny_values, num_layers=2, hidden_dim=24, intermediate_dim=48
    )
    start = load_classifier(finished_run.teacher)
    for ours, theirs in zip(student.weights, start.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=theirs.path)


def test_a_start_that_pools_otherwise_lends_its_encoder(finished_run, tiny_values):
    student = started_from_a_model(
        *(finished_run, tiny_values),
        **{"num_layers": 2, "hidden_dim": 24, "intermediate_dim": 48, "pooling": "mean"},
    )
    start = load_classifier(finished_run.teacher)
    ours, theirs = student.backbone.weights, start.backbone.weights[:-2]
    assert [w.name for w in start.backbone.pooled_dense.weights] == ["kernel", "bias"]
    for weight, value in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(weight, value, err_msg=value.path)
    # Its head is fitted, to another teacher: that of the other pooling says nothing here.
    assert np.abs(student.output_dense.kernel - start.output_dense.kernel).max() > 0.01


def test_a_start_of_another_shape(finished_run, tiny_values):
    """Two blocks of 20 dimensions, fitted to two of 24: on these texts they say the same."""
    student = started_from_a_model(
        finished_run, tiny_values, num_layers=2, hidden_dim=20, intermediate_dim=48
    )
    start = load_classifier(finished_run.teacher)
    texts = start.preprocessor(["good thing 3", "bad thing 4"])
    np.testing.assert_allclose(student(texts), start(texts), atol=0.2)


def test_batches_of_a_start_have_equally_many_tokens():
    """All 2,000 examples are in them, short ones first: 4,096 tokens, and what is left."""
    lengths = np.random.default_rng(0).integers(1, 31, 2000)
    tokens = int(lengths.sum())
    encoded = EncodedExamples(
        token_ids=np.ones(tokens, "int32"),
        segment_ids=np.zeros(tokens, "int32"),
        row_splits=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.zeros(2000, "int32"),
        pad_token_id=0,
    )
    masks = [inputs["padding_mask"] for inputs in recipes._start_sample(encoded, 3)]
    sizes = [int(mask.sum()) for mask in masks]
    assert sum(sizes) == tokens and len(sizes) == -(-tokens // 4096)
    assert all(abs(size - 4096) <= 30 for size in sizes[:-1])
    assert [mask.shape[1] for mask in masks] == sorted(mask.shape[1] for mask in masks)
