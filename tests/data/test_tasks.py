import dataclasses

import pytest

from tinybert_tf.data.tasks import GLUE_TASKS, Task
from tinybert_tf.errors import TinyBertError


def classification(**changes) -> Task:
    arguments = {
        "name": "tickets",
        "text_fields": ("subject", "body"),
        "label_field": "queue",
        "labels": ("billing", "sales", "support"),
    }
    return Task(**(arguments | changes))


def regression(**changes) -> Task:
    arguments = {
        "name": "quality",
        "text_fields": ("text",),
        "label_field": "grade",
        "labels": None,
        "score_range": (0, 100),
    }
    return Task(**(arguments | changes))


def test_classification_task():
    task = classification(metrics=("f1", "accuracy"))
    assert not task.is_regression
    assert task.num_outputs == 3
    assert task.metrics[0] == "f1"


def test_regression_task():
    task = regression()
    assert task.is_regression
    assert task.num_outputs == 1
    assert task.score_range == (0.0, 100.0)


def test_default_metrics():
    assert classification().metrics == ("accuracy",)
    assert regression().metrics == ("pearson", "spearman")


def test_lists_are_stored_as_tuples():
    from_yaml = classification(
        text_fields=["subject", "body"],
        labels=["billing", "sales", "support"],
        metrics=["accuracy"],
    )
    assert from_yaml == classification()
    assert hash(from_yaml) == hash(classification())


def test_a_task_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        classification().labels = ("a", "b")


def test_names_with_joiners_are_allowed():
    # U+200C stands inside of ordinary Persian words and is not "printable" to Python.
    assert classification(labels=("می‌خواهم", "no")).num_outputs == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, r"Task '': name holds '', expected a string"),
        ({"name": 3}, "name holds 3, expected a string"),
        ({"text_fields": "body"}, "text_fields is 'body', expected a tuple of names"),
        ({"text_fields": None}, "text_fields is None, expected a tuple of names"),
        ({"text_fields": ()}, "text_fields has 0 names, expected 1 or 2"),
        ({"text_fields": ("a", "b", "c")}, "text_fields has 3 names, expected 1 or 2"),
        ({"text_fields": ("a", "a")}, "text_fields names 'a' more than once"),
        ({"text_fields": ("queue",)}, "label_field 'queue' is also one of text_fields"),
        ({"label_field": " queue"}, "label_field holds ' queue'"),
        ({"labels": ("one",)}, r"labels holds 1 name\(s\), expected 2 or more, or None"),
        ({"labels": ("yes", "yes")}, "labels names 'yes' more than once"),
        ({"labels": ("yes", "n\no")}, r"labels holds 'n\\no', expected a string of one line"),
        ({"labels": ("yes", "n\to")}, r"labels holds 'n\\to', expected .* without tabs"),
        ({"labels": ("yes", "")}, "labels holds ''"),
        ({"labels": ("yes", 0)}, "labels holds 0"),
        ({"score_range": (0, 1)}, "labels and score_range are both given"),
        ({"labels": None}, "has neither labels nor score_range"),
        (
            {"metrics": ("acuracy",)},
            r"'acuracy' is no classification .* Did you mean 'accuracy'",
        ),
        (
            {"metrics": ("pearson",)},
            "'pearson' is no classification metric. Known: accuracy, f1",
        ),
        ({"metrics": ("f1", "f1")}, "metrics names 'f1' more than once"),
    ],
)
def test_a_bad_classification_task_is_refused(changes, message):
    with pytest.raises(TinyBertError, match=message):
        classification(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score_range": (5, 0)}, r"score_range is \(5, 0\), expected two finite numbers"),
        ({"score_range": (0, 0)}, "score_range is"),
        ({"score_range": (0, float("inf"))}, "score_range is"),
        ({"score_range": (0, float("nan"))}, "score_range is"),
        ({"score_range": (0,)}, "score_range is"),
        ({"score_range": (0, "high")}, "score_range is"),
        ({"score_range": 5}, "score_range is 5"),
        ({"metrics": ("accuracy",)}, "'accuracy' is no regression metric. Known: pearson"),
    ],
)
def test_a_bad_regression_task_is_refused(changes, message):
    with pytest.raises(TinyBertError, match=message):
        regression(**changes)


def test_the_nine_glue_tasks():
    assert sorted(GLUE_TASKS) == sorted(
        ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
    )
    assert all(GLUE_TASKS[name].name == name for name in GLUE_TASKS)
    assert GLUE_TASKS["stsb"].score_range == (0.0, 5.0)
    assert GLUE_TASKS["cola"].metrics[0] == "matthews"


def test_glue_tasks_agree_with_tensorflow_datasets(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    for task in GLUE_TASKS.values():
        features = tfds.builder(f"glue/{task.name}", data_dir=tmp_path).info.features
        assert set(features) == {*task.text_fields, task.label_field, "idx"}
        if not task.is_regression:
            assert tuple(features[task.label_field].names) == task.labels
