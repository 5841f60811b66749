"""Labels by name: case and space aside, where that is unique."""

import pytest

from tinybert_tf.data import Task, match_labels, read_table
from tinybert_tf.data.labels import LabelNames
from tinybert_tf.errors import TinyBertError


def test_a_name_whatever_its_case_and_space():
    names = LabelNames(("negative", "Très bien", "STRASSE"))
    for name, position in [
        *(("negative", 0), ("NEGATIVE", 0), (" Negative\t", 0)),
        *(("très BIEN", 1), ("straße", 2)),
        *(("negativ", None), ("tres bien", None), ("", None)),
    ]:
        assert names.position(name) == position, name


def test_names_that_differ_in_case_alone_are_taken_as_they_are():
    names = LabelNames(("Mark", "mark", "other"))
    assert [names.position(name) for name in ("Mark", "mark", "Other")] == [0, 1, 2]
    # Which of the two it stands for is not known.
    assert names.position("MARK") is None


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (("NEGATIVE", "NEUTRAL", "POSITIVE"), [0, 1, 2]),
        (("Positive", "Negative", "Neutral "), [1, 2, 0]),
    ],
)
def test_the_outputs_that_labels_have(theirs, expected):
    labels = ("negative", "neutral", "positive")
    order = match_labels(theirs, labels, "The teacher")
    assert order == expected
    assert [theirs[i].strip().lower() for i in order] == list(labels)


@pytest.mark.parametrize(
    "theirs", [("neg", "positive"), ("POSITIVE", "positive"), ("negative",), ("a", "b", "c")]
)
def test_other_labels_are_refused_with_both_sides(theirs):
    with pytest.raises(TinyBertError) as caught:
        match_labels(theirs, ("negative", "positive"), "The teacher")
    listed = ", ".join(map(repr, theirs))
    assert f"The teacher names its labels {listed}," in str(caught.value)
    assert "the task's are 'negative', 'positive'" in str(caught.value)


def test_labels_in_a_file(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,NO\nb, yes\nc,No\nd,yes\n", "utf-8")
    task = Task("answers", ("text",), "label", ("no", "yes"))
    assert read_table(task, str(path)).labels.tolist() == [0, 1, 0, 1]
    path.write_text("text,label\na,NO\nb,nope\n", "utf-8")
    with pytest.raises(TinyBertError, match="unknown label 'nope', expected one of: no, yes"):
        read_table(task, str(path))
