"""The three numbers on top of a report."""

import pytest

from tinybert_tf.reports.headline import find_facts
from tinybert_tf.runs.config_file import parse_config

RESULTS = {
    "evaluation": {"teacher": {"accuracy": 0.8}, "student": {"accuracy": 0.7}},
    "latency": {"teacher": {"milliseconds": 20.0, "megabytes": 90.0}},
    "export": {
        "float32": {"megabytes": 60.0, "milliseconds": 10.0, "accuracy": 0.7},
        "dynamic_int8": {"megabytes": 15.0, "milliseconds": 2.5, "accuracy": 0.72},
    },
}


@pytest.fixture
def config(tiny_values):
    return parse_config(tiny_values, "values")


def test_the_smallest_file_is_compared_with_the_teacher(config):
    facts = find_facts(config, RESULTS)
    assert [(fact.number, fact.about) for fact in facts] == [
        ("6.0 times", "smaller"),
        ("8.0 times", "faster"),
        ("90.0%", "of the teacher's accuracy"),
    ]
    size = facts[0].bars
    assert [(bar.name, bar.value) for bar in size] == [
        ("teacher", "90.0 MB"),
        ("dynamic_int8", "15.0 MB"),
    ]
    assert [bar.share for bar in size] == pytest.approx([1.0, 1 / 6])


def test_what_is_worse_is_called_so(config):
    teacher = {"milliseconds": 2.0, "megabytes": 5.0}
    facts = find_facts(config, RESULTS | {"latency": {"teacher": teacher}})
    assert [(fact.number, fact.about) for fact in facts[:2]] == [
        ("3.0 times", "larger"),
        ("1.2 times", "slower"),
    ]
    assert [bar.share for bar in facts[0].bars] == pytest.approx([1 / 3, 1.0])


@pytest.mark.parametrize("missing", ["evaluation", "latency", "export"])
def test_a_run_that_is_not_done_has_none(config, missing):
    results = {name: value for name, value in RESULTS.items() if name != missing}
    assert find_facts(config, results) == []


def test_a_score_below_zero_is_no_share(config):
    results = RESULTS | {"evaluation": {"teacher": {"accuracy": 0.0}}}
    assert [fact.about for fact in find_facts(config, results)] == ["smaller", "faster"]
