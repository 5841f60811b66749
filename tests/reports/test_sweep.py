"""Several runs as one table: what differs, and the figures of each."""

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.reports.sweep import sweep_tables, write_sweep
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

FIGURES = {
    "teacher": {"dev": {"accuracy": 0.9}},
    # Not the student's: the last stage is `prediction`.
    "intermediate": {"best_dev": {"accuracy": 0.1}},
    "prediction": {"dev": {"accuracy": 0.7}, "best_dev": {"accuracy": 0.85}},
    "evaluation": {
        "teacher": {"accuracy": 0.8, "parameters": 12_345_678},
        "student": {"accuracy": 0.76, "parameters": 4_321_000},
        "retention": 0.95,
    },
    "export": {"dynamic_int8": {"accuracy": 0.75, "megabytes": 4.56, "milliseconds": 1.23}},
}
COLUMNS = (
    *("metric", "teacher dev", "student dev", "teacher test", "student test", "retained"),
    "student params",
)
SCORES = ("accuracy", "0.9000", "0.8500", "0.8000", "0.7600", "95.0%", "4.32 M")


@pytest.fixture
def make_run(make_tiny_values, tmp_path):
    def make(name, change=lambda values: None, **figures):
        values = make_tiny_values(tmp_path / name)
        change(values)
        run = RunDirectory.create(parse_config(values, "values"), resume=False)
        run.add_results(**figures)
        return run

    return make


def with_seed(values):
    values["seed"] = 7


def with_other_student(values):
    values["student"]["start"] = "random"
    values["distillation"]["stages"][1]["fit"]["optimizer"]["learning_rate"] = 2e-4


def test_a_row_has_what_differs_and_what_came_of_it(make_run):
    runs = [
        make_run("a", with_seed, **FIGURES),
        make_run("b", with_other_student),
    ]
    scores, exports = sweep_tables(runs)
    rate = "distillation.stages.1.fit.optimizer.learning_rate"
    assert scores.columns[:8] == ("run", *COLUMNS)
    assert set(scores.columns[8:]) == {"seed", "student.start", rate}
    first, second = (dict(zip(scores.columns, row, strict=True)) for row in scores.rows)
    assert (first["run"], first["seed"], first["student.start"]) == ("a", "7", "teacher")
    assert (second["run"], second["seed"], second["student.start"]) == ("b", "42", "random")
    assert (float(first[rate]), float(second[rate])) == (0.01, 0.0002)
    assert tuple(first[column] for column in COLUMNS) == SCORES
    # Nothing is trained: nothing is said but what would be measured.
    assert [second[column] for column in COLUMNS] == ["accuracy", *[""] * 6]
    assert exports.columns == ("run", "dynamic_int8", "dynamic_int8 MB", "dynamic_int8 ms")
    assert exports.rows == (("a", "0.7500", "4.6", "1.2"), ("b", "", "", ""))


def test_a_key_that_one_config_does_not_have(make_run):
    def with_own_width(values):
        values["student"]["overrides"]["max_sequence_length"] = 16

    (table,) = sweep_tables([make_run("a"), make_run("b", with_own_width)])
    assert table.columns[-1] == "student.overrides.max_sequence_length"
    assert [row[-1] for row in table.rows] == ["", "16"]


def test_runs_that_do_not_differ(make_run):
    (table,) = sweep_tables([make_run("a"), make_run("b")])
    assert table.columns == ("run", *COLUMNS)


def test_runs_of_one_name_go_by_their_paths(make_run, tmp_path):
    (table,) = sweep_tables([make_run("x/run"), make_run("y/run")])
    assert [row[0] for row in table.rows] == [str(tmp_path / d / "run") for d in "xy"]


def test_a_run_without_a_task(make_run, tmp_path):
    values = {
        "run_directory": str(tmp_path / "general"),
        "corpus": {"directory": "corpus"},
        "teacher": {"weights": "teacher"},
        "distillation": {
            "stages": [
                {
                    "name": "x",
                    "hidden": 1.0,
                    "fit": {"epochs": 1, "optimizer": {"learning_rate": 1}},
                }
            ]
        },
    }
    general = RunDirectory.create(parse_config(values, "values"), resume=False)
    path = tmp_path / "sweep.html"
    with pytest.raises(TinyBertError, match=r"runs of tasks.*general is that of a general"):
        write_sweep([make_run("a"), general], path)
    assert not path.exists()
