"""`classify`: what models say of texts, against what they say when Keras runs them."""

import csv
import io
import json

import keras
import numpy as np
import pytest

from tinybert_tf.checkpoints import load_text_classifier
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.commands import command_line
from tinybert_tf.runs import classifying
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

TEXTS = ["good thing 7", "bad thing 8", "thing"]


@pytest.fixture(scope="module")
def classifier(tiny_bert):
    """The teacher of the tests in place of a student: it need not have learned anything."""
    preprocessor = BertPreprocessor(BertTokenizer(tiny_bert / "vocab.txt"), 16)
    model = load_text_classifier(tiny_bert, preprocessor)
    model.labels = ("negative", "positive")
    return model


@pytest.fixture(scope="module")
def run_path(classifier, make_tiny_values, tmp_path_factory):
    """The folder of a run that has a student."""
    path = tmp_path_factory.mktemp("classify") / "run"
    run = RunDirectory.create(parse_config(make_tiny_values(path), "values"), resume=False)
    save_preset(classifier, classifier.preprocessor, run.student)
    return path


@pytest.fixture(scope="module")
def expected(classifier):
    """Probabilities [texts, classes]."""
    logits = classifier(classifier.preprocessor(TEXTS), training=False)
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


@pytest.fixture
def classify(run_path, capsys, running_eagerly):
    """A function of arguments that returns the JSON lines printed."""

    def classify(*arguments, model=run_path):
        capsys.readouterr()
        with running_eagerly():
            command_line.main(["classify", "--model", str(model), *map(str, arguments)])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return classify


def assert_says(rows, expected):
    assert [row["text"] for row in rows] == TEXTS
    found = [list(row["probabilities"].values()) for row in rows]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    names = ("negative", "positive")
    assert [row["label"] for row in rows] == [names[i] for i in expected.argmax(-1)]
    assert list(rows[0]["probabilities"]) == [*names]


def test_texts_given(classify, expected, run_path):
    assert_says(classify(*TEXTS), expected)
    assert_says(classify(*TEXTS, model=run_path / "student"), expected)


def test_standard_input_and_a_text_file(classify, expected, monkeypatch, tmp_path):
    content = "\r\n".join(TEXTS) + "\r\n\r\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(content))
    assert_says(classify(), expected)
    (tmp_path / "texts.txt").write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert_says(classify("--input", tmp_path / "texts.txt"), expected)


def test_a_table_of_the_run_s_columns(classify, expected, tmp_path, capsys):
    path = tmp_path / "texts.csv"
    path.write_text("id;sentence\n" + "".join(f"{i};{t}\n" for i, t in enumerate(TEXTS)))
    assert_says(classify("--input", path), expected)
    path.write_text("id;body\n" + "".join(f"{i};{t}\n" for i, t in enumerate(TEXTS)))
    output = tmp_path / "out" / "a.csv"
    assert classify("--input", path, "--columns", "body", "--output", output) == []
    with open(output, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["text", "label", "probability_negative", "probability_positive"]
    assert [float(row["probability_positive"]) for row in rows] == pytest.approx(
        expected[:, 1], abs=2e-6
    )


def test_pairs(classify, run_path):
    """A preset does not say what it was trained on."""
    (row,) = classify("--pair", "good thing", "bad thing", model=run_path / "student")
    assert (row["text"], row["text_pair"]) == ("good thing", "bad thing")
    assert sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)


def test_cut_texts_are_counted(run_path, capsys, running_eagerly):
    long = "good " * 30
    with running_eagerly():
        command_line.main(["classify", "--model", str(run_path), long, "bad"])
    assert "warning: 1 texts are cut at 16 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "a.xlsx", "x"], "ends in neither .csv nor .jsonl"),
        (["--input", "a.csv", "x"], "Give texts or --input, not both"),
        (["--input", "none.csv"], "There is no data file none.csv"),
        (["--pair", "x"], "--pair takes texts two by two; got 1"),
        (["--pair", "x", "y"], "was trained on sentence; got 2 text(s) at a time"),
        ([" "], "There are no texts"),
    ],
)
def test_what_is_refused(mistake, run_path, arguments, message):
    assert message in mistake("classify", "--model", run_path, *arguments)


def test_models_that_are_none(mistake, tmp_path, monkeypatch):
    assert "There is no folder" in mistake("classify", "--model", tmp_path / "none", "x")
    assert "is no run directory" in mistake("classify", "--model", tmp_path, "x")
    error = classifying._not_of_texts(tmp_path)
    assert "answers questions with spans" in str(error)
