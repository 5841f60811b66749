"""A tiny general distillation from plain text to a preset, whole and killed."""

import dataclasses
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from tinybert_tf.checkpoints.locations import load_classifier, load_plain_encoder
from tinybert_tf.commands import command_line
from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder
from tinybert_tf.runs import RunDirectory, distilling, general_distill
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.general import FineTuneProbe
from tinybert_tf.runs.models import load_student_start, make_student
from tinybert_tf.runs.packing import pack_student
from tinybert_tf.tokenization import BertTokenizer
from tinybert_tf.training import StageFit, fitting


@pytest.fixture(scope="module")
def corpus(tiny_bert, tmp_path_factory):
    """Documents of two paragraphs, a part of them held out."""
    folder = tmp_path_factory.mktemp("general")
    random = np.random.default_rng(3)
    documents = [
        "\n".join(
            " ".join(map(str, ["thing", *random.integers(0, 64, length)]))
            for length in random.integers(3, 9, 2)
        )
        for _ in range(60)
    ]
    (folder / "text.txt").write_text("\n\n".join(documents) + "\n", "utf-8")
    arguments = ["--input", str(folder / "text.txt"), "--output", str(folder / "corpus")]
    arguments += ["--vocabulary", str(tiny_bert / "vocab.txt"), "--sequence_length", "16"]
    command_line.main(["corpus", *arguments, "--held_out", "0.2", "--runner", "in_process"])
    return folder / "corpus"


def make_general_values(tiny_values, corpus):
    intermediate = tiny_values["distillation"]["stages"][0]
    intermediate = {**intermediate, "name": "general", "attention": 2.0, "hidden": 3.0}
    intermediate["fit"] = {**intermediate["fit"], "epochs": 2}
    return {
        "run_directory": tiny_values["run_directory"],
        "corpus": {"directory": str(corpus)},
        "teacher": {"weights": tiny_values["teacher"]["weights"]},
        "student": tiny_values["student"],
        "distillation": {"stages": [intermediate]},
        "probe": {
            "task": tiny_values["task"],
            "data": tiny_values["data"],
            "fit": {**tiny_values["teacher"]["fine_tune"], "epochs": 1},
        },
        "precision": "float32",
    }


@pytest.fixture
def general_values(tiny_values, corpus):
    """The values of a general distillation with a probe at each of its two evaluations."""
    return make_general_values(tiny_values, corpus)


@pytest.fixture(scope="module")
def finished(make_tiny_values, corpus, tmp_path_factory):
    """The config and directory of a run to the end."""
    values = make_tiny_values(tmp_path_factory.mktemp("general_run") / "run")
    config = parse_config(make_general_values(values, corpus), "values")
    run = RunDirectory.create(config, resume=False)
    general_distill(config, run)
    return config, run


def test_the_losses_fall_and_the_student_is_a_preset(finished, tiny_bert):
    _, run = finished
    results = run.read_results()
    start, best = results["student_start"]["dev"], results["general"]["best_dev"]
    assert best["loss"] < start["loss"]
    # One student block: its layers are the term itself.
    assert set(start) == {"loss", "attention", "hidden", "embedding", "probe_accuracy"}
    assert start["loss"] == pytest.approx(
        2 * start["attention"] + 3 * start["hidden"] + start["embedding"]
    )
    assert [line["step"] for line in results["history"]] == [
        results["general"]["step"] // 2,
        results["general"]["step"],
    ]
    encoder = BertEncoder.from_preset(str(run.student))
    assert (encoder.num_layers, encoder.hidden_dim) == (1, 16)
    vocabulary = BertTokenizer.from_preset(str(run.student)).get_vocabulary()
    assert vocabulary == BertTokenizer(tiny_bert / "vocab.txt").get_vocabulary()


def test_a_finished_run_is_left_alone(finished):
    config, run = finished
    before = run.read_results()
    general_distill(config, run)
    assert run.read_results() == before


def test_a_general_student_in_8_bits(finished, tmp_path):
    _, run = finished
    scores = pack_student(run, tmp_path / "packed")
    assert scores["int8"]["loss"] == pytest.approx(scores["float32"]["loss"], rel=0.02)
    assert scores["int8"]["loss"] != scores["float32"]["loss"]
    assert scores["float32"]["loss"] == pytest.approx(
        run.read_results()["general"]["best_dev"]["loss"], rel=0.02
    )
    exact, rounded = (
        BertEncoder.from_preset(str(p)) for p in (run.student, tmp_path / "packed")
    )
    table, theirs = (np.asarray(m.token_embedding.embeddings) for m in (rounded, exact))
    step = np.abs(theirs).max(axis=1, keepdims=True) / 127
    assert np.all(np.abs(table - theirs) <= 0.501 * step)


@pytest.mark.slow
def test_a_killed_run_ends_at_the_same_student(finished, general_values, tmp_path, monkeypatch):
    _, whole = finished
    general_values["run_directory"] = str(tmp_path / "killed")
    killed = parse_config(general_values, "values")
    run = RunDirectory.create(killed, resume=False)
    save, show = StageFit.save, fitting._StageCallback.on_train_batch_end

    def save_every_step(callback, batch, logs=None):
        show(callback, batch, logs)
        save(callback.stage, callback.step)
        if callback.step in (1, 3, 4):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting._StageCallback, "on_train_batch_end", save_every_step)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                general_distill(killed, run)
    general_distill(killed, run)

    student = BertEncoder.from_preset(str(run.student)).get_weights()
    expected = BertEncoder.from_preset(str(whole.student)).get_weights()
    for ours, theirs in zip(student, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert run.read_results()["general"]["dev"] == whole.read_results()["general"]["dev"]


def test_a_general_student_is_a_start(finished, finished_run, tiny_values):
    _, general = finished
    values = tiny_values
    values["student"] = {**values["student"], "start": str(general.student)}
    config = parse_config(values, "values")
    teacher = load_classifier(finished_run.teacher)
    student = make_student(config, teacher)
    sample = [teacher.preprocessor(["good thing 3", "bad thing 4 5"])]
    distilling.start_student(
        config, distilling.make_distiller(config, student, teacher), sample
    )
    expected = BertEncoder.from_preset(str(general.student))
    for ours, theirs in zip(student.backbone.weights, expected.weights, strict=True):
        # The pooler and the head are the task's.
        if "pooled" not in theirs.path:
            np.testing.assert_array_equal(ours, theirs, err_msg=theirs.path)


def test_a_start_that_is_nothing(tiny_values):
    tiny_values["student"]["start"] = "teachr"
    config = parse_config(tiny_values, "values")
    with pytest.raises(TinyBertError, match="'teachr' is neither teacher nor random nor"):
        load_student_start(config)


@pytest.mark.slow
def test_the_probe_leaves_the_encoder_as_it_is(general_values):
    config = parse_config(general_values, "values")
    encoder, tokenizer = load_plain_encoder(config.teacher, "float32")
    before = encoder.get_weights()
    fit = dataclasses.replace(config.probe.fit, epochs=3)
    probe = FineTuneProbe(dataclasses.replace(config.probe, fit=fit), tokenizer, seed=1)
    scores = probe.score(encoder)
    # One word tells the sentences apart.
    assert scores["accuracy"] > 0.9
    assert probe.score(encoder) == scores
    for ours, theirs in zip(encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("term", ["prediction", "labels"])
def test_a_term_of_predictions_is_refused(general_values, term):
    general_values["distillation"]["stages"][0][term] = 1.0
    with pytest.raises(TinyBertError, match="a general student has no task to predict"):
        parse_config(general_values, "values")


def test_a_cache_of_the_teacher_is_refused(general_values):
    general_values["distillation"]["teacher_cache"] = "outputs"
    with pytest.raises(TinyBertError, match="teacher_cache is outputs, but of a corpus"):
        parse_config(general_values, "values")


def test_another_vocabulary_is_refused(general_values, tiny_bert, tmp_path):
    words = (tiny_bert / "vocab.txt").read_text("utf-8").splitlines()
    other = tmp_path / "vocab.txt"
    other.write_text("\n".join([*words[:-2], words[-1], words[-2]]) + "\n", "utf-8")
    general_values["teacher"]["vocabulary"] = str(other)
    config = parse_config(general_values, "values")
    with pytest.raises(TinyBertError, match="another vocabulary than the model's"):
        general_distill(config, RunDirectory.create(config, resume=False))


def test_sequences_longer_than_the_position_table(general_values, corpus, monkeypatch):
    monkeypatch.setattr(CorpusBatches, "sequence_length", property(lambda self: 17))
    config = parse_config(general_values, "values")
    with pytest.raises(TinyBertError, match=r"sequences of 17 tokens.*ends at 16"):
        general_distill(config, RunDirectory.create(config, resume=False))


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments(general_values, tmp_path):
    """Killed by the system, in processes of their own: no clean-up, no last state."""
    fit = general_values["distillation"]["stages"][0]["fit"]
    fit.update(epochs=400, evaluations_per_epoch=1)
    general_values.update(probe=None, checkpoint_minutes=0.005)

    def command(name):
        path = tmp_path / f"{name}.yaml"
        values = {**general_values, "run_directory": str(tmp_path / name)}
        path.write_text(yaml.safe_dump(values), "utf-8")
        start = [sys.executable, "-m", "tinybert_tf", "general-distill", "--resume"]
        return [*start, "--config", str(path)]

    subprocess.run(command("whole"), check=True, capture_output=True)
    random = np.random.default_rng(11)
    log, killed_at = tmp_path / "killed" / "metrics.jsonl", []
    for _ in range(10):
        before = log.stat().st_size if log.exists() else 0
        process = subprocess.Popen(
            command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and (not log.exists() or log.stat().st_size == before):
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 1.0))
        assert process.poll() is None, "the run ended before it was killed"
        process.kill()
        process.wait()
        killed_at.append(log.read_text("utf-8").count("\n"))
    assert killed_at == sorted(killed_at) and killed_at[-1] > killed_at[0]
    subprocess.run(command("killed"), check=True, capture_output=True)

    whole, killed = (RunDirectory(tmp_path / name) for name in ("whole", "killed"))
    expected = BertEncoder.from_preset(str(whole.student)).get_weights()
    for ours, theirs in zip(
        BertEncoder.from_preset(str(killed.student)).get_weights(), expected, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    ours, theirs = killed.read_results(), whole.read_results()
    assert ours["general"]["best_dev"] == theirs["general"]["best_dev"]
    assert ours["general"]["best_step"] == theirs["general"]["best_step"]
