"""MNLI is scored on both of its dev sets."""

import shutil

import numpy as np
import pytest

from tinybert_tf.checkpoints.locations import load_classifier, load_plain_encoder
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.data import GLUE_TASKS
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.reports.tables import results_table
from tinybert_tf.runs import RunDirectory, recipes
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.tokenization import BertPreprocessor

LABELS = GLUE_TASKS["mnli"].labels
COUNTS = {"dev_matched": 40, "dev_mismatched": 30}


@pytest.fixture(scope="module")
def rows():
    """Premise, hypothesis and label of each row of both dev sets."""
    random = np.random.default_rng(2)
    return {
        split: [
            (str(random.integers(64)), f"good thing {random.integers(64)}", label)
            for label in random.choice(LABELS, count)
        ]
        for split, count in COUNTS.items()
    }


@pytest.fixture(scope="module")
def random_run(make_tiny_values, rows, tmp_path_factory):
    """A run of MNLI with two random models."""
    folder = tmp_path_factory.mktemp("mnli")
    for split, examples in rows.items():
        lines = [
            "\t".join(row) for row in [("sentence1", "sentence2", "gold_label"), *examples]
        ]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    data = {"format": "glue", "source": str(folder), "train": "train", "dev": "dev"}
    values = make_tiny_values(folder / "run")
    values |= {"task": "mnli", "data": {**data, "max_tokens": 16}}
    config = parse_config(values, "values")
    run = RunDirectory.create(config, resume=False)
    random = np.random.default_rng(3)
    for directory in (run.teacher, run.student):
        encoder, tokenizer = load_plain_encoder(config.teacher, "float32")
        model = BertTextClassifier(encoder, 3, labels=LABELS)
        for weight in (encoder.pooled_dense.kernel, model.output_dense.kernel):
            weight.assign(random.normal(0.0, 2.0, weight.shape))
        save_preset(model, BertPreprocessor(tokenizer, 16), directory)
    return run


@pytest.fixture
def run(random_run, tmp_path):
    """A copy of it."""
    return RunDirectory(shutil.copytree(random_run.path, tmp_path / "run"))


def accuracy(directory, examples):
    model = load_classifier(directory)
    *texts, labels = map(list, zip(*examples, strict=True))
    answers = np.asarray(model(model.preprocessor(tuple(texts)))).argmax(-1)
    return np.mean([LABELS[i] for i in answers] == np.array(labels))


def test_both_dev_sets_are_scored(run, rows):
    config = run.config()
    figures = recipes.evaluate(config, run)
    assert figures["examples"] == 40
    mismatched = figures["further"]["mismatched"]
    assert mismatched["examples"] == 30
    for name, directory in (("teacher", run.teacher), ("student", run.student)):
        matched = pytest.approx(accuracy(directory, rows["dev_matched"]))
        assert figures[name]["accuracy"] == matched
        expected = accuracy(directory, rows["dev_mismatched"])
        assert mismatched[name]["accuracy"] == pytest.approx(expected)

    table = results_table(config, run.read_results())
    row = dict(zip(table.columns, table.rows[-1], strict=True))
    assert row["model"] == "student, mismatched"
    teacher, student = (mismatched[name]["accuracy"] for name in ("teacher", "student"))
    assert row["retained"] == f"{student / teacher:.1%}"


def test_a_test_set_of_ones_own_is_scored_alone(run, rows):
    values = run.config().to_dict()
    values["data"]["test"] = "dev_mismatched"
    figures = recipes.evaluate(parse_config(values, "values"), run)
    assert figures["examples"] == 30 and figures["further"] == {}
