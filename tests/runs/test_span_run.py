"""A tiny run that answers questions, from a teacher's weights to the student's TFLite file."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import yaml

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.commands import command_line
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertSpanClassifier
from tinybert_tf.reports.run_page import write_report
from tinybert_tf.runs import RunDirectory, export_all, export_text_model, recipes
from tinybert_tf.runs.config_file import load_config, parse_config
from tinybert_tf.runs.examples import read_training_examples
from tinybert_tf.runs.steps import task_steps
from tinybert_tf.training import StageFit


def write_squad(path, count, seed, unanswerable=False):
    """Contexts of words with one number, which is the answer; every third wants two windows.

    Where there are questions without an answer, they are every second one, and their contexts
    have no number.
    """
    random = np.random.default_rng(seed)
    paragraphs = []
    for i in range(count):
        words = random.choice(["good", "bad", "thing"], 14 if i % 3 == 0 else 5).tolist()
        qa = {"id": f"q{i}", "question": "thing", "answers": []}
        if unanswerable and i % 2:
            qa["is_impossible"] = True
        else:
            place, number = random.integers(0, len(words)), str(random.integers(0, 64))
            words[place] = number
            start = len(" ".join(words[:place])) + bool(place)
            qa["answers"] = [{"text": number, "answer_start": start}]
        paragraphs.append({"context": " ".join(words), "qas": [qa]})
    content = {"version": "1", "data": [{"title": "Numbers", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(content), "utf-8")


@pytest.fixture(scope="module")
def squad_values(make_tiny_values, tmp_path_factory):
    """A function from a run directory and a task to the values of a config."""
    folder = tmp_path_factory.mktemp("squad")
    for task in ("squad_v1", "squad_v2"):
        for seed, (split, count) in enumerate((("train", 96), ("dev", 32), ("test", 32))):
            write_squad(folder / f"{task}-{split}.json", count, seed, task == "squad_v2")

    def make(run_directory, task="squad_v1"):
        values = make_tiny_values(run_directory)
        files = {s: str(folder / f"{task}-{s}.json") for s in ("train", "dev", "test")}
        windows = {"doc_stride": 4, "max_query_tokens": 2, "max_answer_tokens": 3}
        # Of 8 steps: these tasks are easy.
        values["teacher"]["fine_tune"]["epochs"] = 4
        values |= {
            "task": task,
            "data": {"format": "squad", **files, "max_tokens": 16, "windows": windows},
            "export": {"profiles": ["float32"], "lengths": [10]},
        }
        return values

    return make


@pytest.fixture(scope="module")
def finished(squad_values, tmp_path_factory, running_eagerly):
    """The config and directory of a run to the end: one that is traced, as those of users."""
    directory = tmp_path_factory.mktemp("span_run") / "run"
    config = parse_config(squad_values(directory), "values")
    with running_eagerly(False), RunDirectory.creating(config, resume=False) as run:
        recipes.finetune(config, run)
        recipes.distill(config, run)
        recipes.evaluate(config, run)
        export_all(config, run)
    return config, run


def read_json(path):
    return json.loads(pathlib.Path(path).read_text("utf-8"))


def gold_answers(path):
    """The answer of each question by its id, `""` if it has none."""
    paragraphs = read_json(path)["data"][0]["paragraphs"]
    questions = [qa for paragraph in paragraphs for qa in paragraph["qas"]]
    return {qa["id"]: qa["answers"][0]["text"] if qa["answers"] else "" for qa in questions}


def figures_of(gold, answers):
    """Exact match and F1 in percent, where no right answer has more than one word."""
    exact = [answers[i] == text for i, text in gold.items()]
    f1 = [
        2 * (text in answers[i].split()) / (1 + len(answers[i].split())) if text else e
        for e, (i, text) in zip(exact, gold.items(), strict=True)
    ]
    return 100 * np.mean(exact), 100 * np.mean(f1)


def test_the_answers_and_figures_of_a_run(finished, tiny_parameters):
    config, run = finished
    gold, answers = gold_answers(config.data.test), read_json(run.answers)
    assert answers.keys() == gold.keys() and len(gold) == 32
    evaluation = run.read_results()["evaluation"]
    student, teacher = evaluation["student"], evaluation["teacher"]
    exact, f1 = figures_of(gold, answers)
    assert student["exact_match"] == pytest.approx(exact)
    assert student["f1"] == pytest.approx(f1)
    assert evaluation["retention"] == pytest.approx(f1 / teacher["f1"])
    assert evaluation["examples"] == 32
    assert teacher["parameters"] == tiny_parameters["teacher"]
    assert student["parameters"] == tiny_parameters["student"]
    # A number among three words: a teacher that trained at all finds it.
    assert teacher["exact_match"] > 90
    # Where the teacher is right, its answers are the right ones.
    wrong = 1 - teacher["exact_match"] / 100
    assert abs(evaluation["agreement"] - exact / 100) <= wrong + 1e-9
    assert not run.no_answer_probabilities.exists()


def test_both_models_answers(finished):
    config, run = finished
    gold, answers = gold_answers(config.data.test), read_json(run.answers)
    lines = [json.loads(line) for line in run.predictions.read_text("utf-8").splitlines()]
    assert {line["id"]: line["student"] for line in lines} == answers
    assert {line["id"]: line["answers"] for line in lines} == {i: [a] for i, a in gold.items()}
    evaluation = run.read_results()["evaluation"]
    for name in ("teacher", "student"):
        mean = np.mean([line[f"{name}_f1"] for line in lines])
        assert 100 * mean == pytest.approx(evaluation[name]["f1"])


def test_the_stages_of_a_run(finished):
    config, run = finished
    results = run.read_results()
    assert results["teacher"]["dev"] == results["finetune"]["best_dev"]
    assert results["student_start"]["dev"].keys() == {"f1", "exact_match"}
    assert results["prediction"]["best_dev"]["f1"] > results["student_start"]["dev"]["f1"] - 20
    # 32 contexts of 14 words are two windows of 12, the other 64 are one of 5.
    steps = task_steps(config)
    examples = read_training_examples(config)
    student = load_classifier(run.student)
    assert isinstance(student, BertSpanClassifier)
    assert len(steps.encode_training(examples, student.preprocessor)) == 2 * 32 + 64


def test_the_exported_file_answers_as_the_student(finished):
    _, run = finished
    figures = run.read_results()["export"]["float32"]
    student = run.read_results()["evaluation"]["student"]
    assert figures["f1"] == pytest.approx(student["f1"])
    assert figures["agreement"] == 1.0
    # 11 contexts of the 32 want two windows.
    assert figures["verified_on"] == 32 + 11
    info = read_json(run.exports / "float32" / "bundle.json")
    assert info["task"] == {
        "name": "squad_v1",
        "type": "span",
        "num_texts": 2,
        "has_unanswerable": False,
        "windows": {"doc_stride": 4, "max_query_tokens": 2, "max_answer_tokens": 3},
    }
    assert info["accuracy"]["model"]["f1"] == figures["f1"]
    assert set(run.read_results()["latency"]) == {"teacher", "student"}


def test_the_report_of_a_run(finished):
    _, run = finished
    page = write_report(run).read_text("utf-8")
    f1 = run.read_results()["evaluation"]["student"]["f1"]
    assert f"{f1:.4f}" in page and "same answer" in page and "exact_match" in page
    lines = [json.loads(line) for line in run.predictions.read_text("utf-8").splitlines()]
    worse = sum(line["student_f1"] < line["teacher_f1"] for line in lines)
    assert (f"of {worse} that the student answers worse" if worse else "There are none") in page


@pytest.mark.parametrize("kind", ["saved_model", "keras"])
def test_text_models(finished, tmp_path, kind):
    _, run = finished
    output = tmp_path / ("model.keras" if kind == "keras" else "model")
    report = export_text_model(run, output, kind)
    assert report["verified_on"] == 32 and report["max_difference"] < 1e-5
    if kind == "saved_model":
        serve = tf.saved_model.load(str(output)).signatures["serving_default"]
        served = serve(text_a=tf.constant(["thing"]), text_b=tf.constant(["good 17 bad"]))
        assert set(served) == {"start_logits", "end_logits"}
        # [CLS] thing [SEP] good 17
        assert int(served["start_logits"][0, 3:6].numpy().argmax()) == 1


@pytest.mark.slow
def test_a_killed_distillation_ends_at_the_same_student(finished, tmp_path, monkeypatch):
    config, whole = finished
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(whole.teacher, run.teacher)
    save = StageFit.save

    def save_and_die(stage, step):
        save(stage, step)
        if stage.name == "prediction":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StageFit, "save", save_and_die)
        recipes.distill(config, run)
    assert not run.student.exists()
    recipes.distill(config, run)
    weights = [load_classifier(r.student).get_weights() for r in (run, whole)]
    assert len(weights[0]) == len(weights[1]) > 20
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("start", ["random", "preset"])
def test_other_starts(finished, squad_values, tmp_path, monkeypatch, start):
    """A random student, and a preset whose head is fitted to the teacher's logits."""
    _, whole = finished
    values = squad_values(tmp_path / "run")
    if start == "preset":
        start = str(tmp_path / "encoder")
        load_classifier(whole.student).backbone.save_to_preset(start)
    values["student"]["start"] = start
    config = parse_config(values, "values")
    run = RunDirectory.create(config, resume=False)
    shutil.copytree(whole.teacher, run.teacher)

    def stop(stage):
        raise KeyboardInterrupt

    monkeypatch.setattr(StageFit, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        recipes.distill(config, run)
    started = run.read_results()["student_start"]["dev"]["f1"]
    if start == "random":
        assert started < 50
    else:
        # The encoder has learned the task, and the head was fitted to its teacher's.
        assert started > 60


# === From the command line, with questions that have no answer ===


@pytest.mark.slow
def test_a_run_of_v2_from_the_command_line(squad_values, tmp_path, capsys):
    values = squad_values(tmp_path / "run", "squad_v2")
    # What it learns in its other stage is not looked at here.
    values["distillation"]["stages"] = values["distillation"]["stages"][1:]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    command_line.main(["run", "--config", str(path)])
    output = capsys.readouterr().out
    assert "squad_v2: 32 test examples" in output and "same answer" in output
    run = RunDirectory.open(tmp_path / "run")
    assert (run.path / "report.html").exists()
    figures = run.read_results()["evaluation"]["student"]
    gold = gold_answers(values["data"]["test"])
    answers, probabilities = read_json(run.answers), read_json(run.no_answer_probabilities)
    assert "" not in answers.values()

    def figures_at(threshold):
        return figures_of(
            gold, {i: "" if probabilities[i] > threshold else a for i, a in answers.items()}
        )

    assert (figures["exact"], figures["f1"]) == pytest.approx(figures_at(0.5))
    every = [figures_at(threshold) for threshold in (-1.0, *probabilities.values())]
    assert figures["best_exact"] == pytest.approx(max(exact for exact, _ in every))
    assert figures["best_f1"] == pytest.approx(max(f1 for _, f1 in every))
    assert figures_at(figures["best_f1_thresh"])[1] == pytest.approx(figures["best_f1"])
    exported = run.read_results()["export"]["float32"]
    assert exported["best_f1"] == pytest.approx(figures["best_f1"])


# === What is refused ===


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=squad", "task 'squad' is not known. .* Did you mean 'squad_v"),
        ("task=sst2", "task 'sst2' does not go with data.format squad: format squad is that"),
        ("data.format=table", "data.format table wants no windows: its texts are truncated"),
        ("data.source=folder", "data.format squad wants no source; got 'folder'"),
        ("data.windows.doc_stride=0", "'data.windows.doc_stride' is 0: "),
        ("data.windows.stride=9", "unknown key 'data.windows.stride'. Did you mean 'doc_str"),
        (
            "augmentation.masked_lm={weights: x}",
            "task 'squad_v1' has no augmentation: a replaced word may be the answer",
        ),
    ],
)
def test_configs_that_are_refused(squad_values, tmp_path, override, message):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(squad_values(tmp_path / "run")), "utf-8")
    with pytest.raises(TinyBertError, match=message):
        load_config(path, [override])


def test_a_task_of_texts_has_no_questions(tiny_values):
    with pytest.raises(TinyBertError, match=r"'squad_v2' does not go with data\.format table"):
        parse_config({**tiny_values, "task": "squad_v2"}, "values")


def test_defaults_of_windows(squad_values, tmp_path):
    values = squad_values(tmp_path / "run")
    del values["data"]["windows"], values["data"]["max_tokens"]
    data = parse_config(values, "values").to_dict()["data"]
    # Those of `run_squad.py`.
    assert data["max_tokens"] == 384
    assert data["windows"] == {
        "doc_stride": 128,
        "max_query_tokens": 64,
        "max_answer_tokens": 30,
    }


def test_a_length_without_room_for_a_context(squad_values, tmp_path, capsys):
    values = squad_values(tmp_path / "run")
    values["data"]["windows"]["max_query_tokens"] = 13
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    with pytest.raises(SystemExit) as ended:
        command_line.main(["finetune", "--config", str(path)])
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert "max_query_tokens=13 with a sequence_length of 16: both must be positive" in errors
    assert "Traceback" not in errors and not (tmp_path / "run").exists()


def test_questions_without_an_answer_in_v1(squad_values, tmp_path):
    values = squad_values(tmp_path / "run")
    values["data"]["dev"] = values["data"]["dev"].replace("squad_v1", "squad_v2")
    config = parse_config(values, "values")
    with pytest.raises(TinyBertError, match=r"question q1: is marked is_impossible"):
        recipes.finetune(config, RunDirectory.create(config, resume=False))


def test_a_teacher_that_knows_nothing_is_refused(squad_values, tmp_path):
    values = squad_values(tmp_path / "run")
    values["data"]["max_train_examples"] = 16
    values["teacher"]["fine_tune"]["epochs"] = 1
    values["teacher"]["fine_tune"]["optimizer"]["learning_rate"] = 1e-9
    config = parse_config(values, "values")
    run = RunDirectory.create(config, resume=False)
    with pytest.raises(TinyBertError, match="no better than chance on 'squad_v1': its f1 is"):
        recipes.finetune(config, run)
    assert not run.teacher.exists()


def test_a_teacher_that_is_no_span_classifier(squad_values, tmp_path):
    values = squad_values(tmp_path / "run")
    values["teacher"]["fine_tune"] = None
    config = parse_config(values, "values")
    with pytest.raises(TinyBertError, match=r"missing: qa_outputs.weight"):
        recipes.finetune(config, RunDirectory.create(config, resume=False))


def test_a_teacher_that_has_learned_other_things(make_tiny_values, finished, tmp_path):
    """The teacher of questions for a task of sentences."""
    _, run = finished
    values = make_tiny_values(tmp_path / "run")
    values["teacher"] = {"weights": str(run.teacher)}
    config = parse_config(values, "values")
    message = "is a BertSpanClassifier, the task 'things' wants a BertTextClassifier"
    with pytest.raises(TinyBertError, match=message):
        recipes.finetune(config, RunDirectory.create(config, resume=False))
