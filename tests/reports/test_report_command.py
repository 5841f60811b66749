"""The command `report`, and the report at the end of `run`, as processes."""

import subprocess
import sys

import pytest
import yaml

from tinybert_tf.reports.run_page import write_report
from tinybert_tf.reports.sweep import write_sweep
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

FIGURES = {"accuracy": 0.76, "parameters": 4_321_000}
ROW = {"accuracy": 0.75, "agreement": 1.0, "sequence_length": 16}


def run_command(*arguments, **options):
    command = [sys.executable, "-m", "tinybert_tf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture
def figured(run):
    """A run with curves, tables and plots of exported files."""
    run.add_results(
        evaluation={"teacher": FIGURES, "student": FIGURES, "retention": 1.0, "examples": 32},
        export={
            name: {**ROW, "megabytes": megabytes, "milliseconds": 2.5}
            for name, megabytes in (("float32", 17.25), ("dynamic_int8", 4.5))
        },
    )
    for step in (1, 2, 3):
        run.log("intermediate", step, {"attention": 1 / step, "hidden": 2.0, "loss": 1.5})
        run.log("prediction", step, {"loss": 1 / step, "dev_accuracy": step / 4})
    return run


@pytest.mark.slow
def test_report_from_the_command_line(figured):
    expected = write_report(figured).read_bytes()
    before = figured.read_results()
    (figured.path / "report.html").unlink()
    done = run_command("report", "--run", figured.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {figured.path / 'report.html'}"
    # Another process hashes strings otherwise.
    assert (figured.path / "report.html").read_bytes() == expected
    assert figured.read_results() == before


@pytest.mark.slow
def test_several_runs_from_the_command_line(figured, make_tiny_values, tmp_path):
    values = make_tiny_values(tmp_path / "other") | {"seed": 7}
    other = RunDirectory.create(parse_config(values, "values"), resume=False)
    expected = write_sweep([figured, other], tmp_path / "expected.html").read_text("utf-8")
    flags = [f"--run={run.path}" for run in (figured, other)]
    done = run_command("report", *flags, "--output=sweep.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "report: sweep.html\n"
    page = (tmp_path / "sweep.html").read_text("utf-8")
    assert page == expected
    assert "<td>0.7600</td>" in page and '<th scope="col">seed</th>' in page


@pytest.mark.slow
def test_a_run_ends_with_its_report(tiny_values, tmp_path, read_page):
    tiny_values["export"] = {"profiles": []}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_values), "utf-8")
    done = run_command("run", "--config", tmp_path / "config.yaml")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "run" / "report.html"
    assert done.stdout.splitlines()[-1] == f"report: {path}"
    page = read_page(path)
    assert page.texts("Training", "h3") == ["finetune", "intermediate", "prediction"]
    assert len(page.texts("Summary", "tr")) == 3
    counts = page.tables("Predictions")["Confusion matrix of the student"]
    assert sum(int(count) for row in counts[1:] for count in row[1:]) == 32
    # The one block of the student beside the teacher's last.
    assert [name.split(":")[0] for name in page.drawings("Attention")] == [
        "Teacher, block 2",
        "Student, block 1",
    ]
    content = path.read_bytes()
    assert write_report(RunDirectory.open(path.parent)).read_bytes() == content
