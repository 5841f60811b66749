"""The page of a run: its numbers are the run's, and it is one file that fetches nothing."""

import json
import re
import shutil
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import yaml

from tinybert_tf.errors import TinyBertError
from tinybert_tf.reports import plots
from tinybert_tf.reports.run_page import write_report
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

# What HTML, a shell, Jinja or Matplotlib's formulas would make something else of.
NASTY = "a<b>&'\"$x_{{$"


def exported(megabytes, milliseconds, agreement, accuracy, **multi):
    return {
        "sequence_length": 16,
        "megabytes": megabytes,
        "milliseconds": milliseconds,
        "agreement": agreement,
        "accuracy": accuracy,
        **multi,
    }


RESULTS = {
    "commands": [
        {
            "command": f"python -m tinybert_tf {step} --config <x>.yaml",
            "python": "3.11.7",
            "versions": {"keras": "3.15.1"},
            "machine": {"system": "Linux-6", "processor": "P", "cores": cores},
            "started": "2026-01-02T03:04:05+0000",
            "seed": 42,
        }
        for step, cores in (("finetune", 2), ("distill", 2), ("run", 8))
    ],
    "finetune": {
        "best_dev": {"accuracy": 0.9375},
        "best_step": 12,
        "dev": {"accuracy": 0.90625},
        "step": 20,
        "seconds": 90.0,
    },
    "teacher": {"dev": {"accuracy": 0.9375}},
    "student_start": {"dev": {"accuracy": 0.53125}},
    "evaluation": {
        "teacher": {"accuracy": 0.96875, "parameters": 12_345_678},
        "student": {"accuracy": 0.90625, "parameters": 4_321_000},
        "retention": 0.93548,
        "agreement": 0.875,
        "examples": 32,
    },
    "latency": {
        "teacher": {"milliseconds": 21.25, "megabytes": 49.4},
        "student": {"milliseconds": 8.75, "megabytes": 17.3},
    },
    "export": {
        "float32": exported(
            17.25, 6.5, 1.0, 0.90625, multi_megabytes=17.75, multi_milliseconds=2.25
        ),
        "dynamic_int8": exported(
            4.5, 1.75, 0.96875, 0.84375, multi_megabytes=4.75, multi_milliseconds=0.5
        ),
        NASTY: exported(4.25, 3.0, 0.9375, 0.875),
    },
}
LOSSES = [(1, 8.0), (5, 2.0), (9, 3.0), (14, 1.0)]


@pytest.fixture(scope="module")
def figured(make_tiny_values, tmp_path_factory, draw_once):
    """A run with figures of every kind, and names that are hard to print; not to be changed."""
    values = make_tiny_values(tmp_path_factory.mktemp("figured") / "run")
    values["task"]["name"] = NASTY
    values["student"]["overrides"]["name"] = NASTY
    values["distillation"]["stages"][0] |= {"name": NASTY, "attention": 2.5}
    run = RunDirectory.create(parse_config(values, "values"), resume=False)
    run.add_results(**RESULTS)
    run.log("finetune", 12, {"loss": 0.5, "learning_rate": 0.01})
    run.log("finetune", 12, {"dev_accuracy": 0.9375})
    run.log("finetune", 20, {"dev_accuracy": 0.90625})
    for step, loss in LOSSES:
        run.log(NASTY, step, {"attention": loss / 2, "hidden": loss - 1, "loss": loss})
    run.log("prediction", 8, {"loss": 0.25, "prediction": 0.25})
    run.log("prediction", 8, {"dev_accuracy": 0.875})
    with pytest.MonkeyPatch.context() as patch:
        draw_once(patch)
        write_report(run)
    return run


@pytest.fixture(scope="module")
def page(figured, read_page):
    """Its page."""
    return read_page(figured.path / "report.html")


@pytest.fixture
def whole(figured, tmp_path):
    """A copy of it, which a test may change."""
    shutil.copytree(figured.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


# === The numbers ===


def test_the_summary_has_the_figures_of_the_run(figured, page):
    ((caption, (header, *rows)),) = page.tables("Summary").items()
    assert caption == f"{NASTY}: 32 test examples"
    assert header[:4] == ["model", "accuracy", "retained", "same label"]
    results = json.loads((figured.path / "results.json").read_text("utf-8"))
    evaluation, latency = results["evaluation"], results["latency"]
    expected = {
        "teacher": {**evaluation["teacher"], **latency["teacher"]},
        "student": {**evaluation["student"], **latency["student"], "agreement": 0.875},
        **results["export"],
    }
    assert [row[0] for row in rows] == list(expected)
    for (_, *cells), row in zip(rows, expected.values(), strict=True):
        accuracy, retained, same, _, size, milliseconds = (
            cell.rstrip(" %MB") for cell in cells
        )
        assert float(accuracy) == pytest.approx(row["accuracy"], abs=5e-5)
        assert float(retained) == pytest.approx(100 * row["accuracy"] / 0.96875, abs=0.05)
        assert float(size) == pytest.approx(row["megabytes"], abs=0.0501)
        assert float(milliseconds) == pytest.approx(row["milliseconds"], abs=0.0501)
        if "agreement" in row:
            assert float(same) == pytest.approx(100 * row["agreement"], abs=0.0501)
    assert [row[4] for row in rows] == ["12.35 M", *["4.32 M"] * 4]


@pytest.mark.parametrize(
    ("title", "figure", "order"),
    [
        ("Size in MB", "megabytes", [NASTY, "dynamic_int8", "float32"]),
        ("Latency in ms", "milliseconds", ["dynamic_int8", NASTY, "float32"]),
    ],
)
def test_bars_are_sorted_and_as_long_as_their_values(page, title, figure, order):
    svg = page.drawings("Exported files")[title]
    static = [RESULTS["export"][name][figure] for name in order]
    multi = [RESULTS["export"][name].get(f"multi_{figure}") for name in order]
    multi = [value for value in multi if value is not None]
    for colour, values in (("first", static), ("second", multi)):
        widths = svg.bar_widths(colour)
        np.testing.assert_allclose(widths / values, widths[0] / values[0], rtol=1e-5)
        assert [f"{value:.1f}" for value in values] == [
            text for text in svg.texts if text in {f"{value:.1f}" for value in values}
        ]
    assert [text for text in svg.texts if text in order] == order
    said = svg.said
    for name, value in zip(order, static, strict=True):
        assert f"{name} {value:.1f}" in said


def test_a_run_of_one_length_has_one_series(whole, read_page, drawn_once):
    one = {
        name: {key: value for key, value in row.items() if not key.startswith("multi_")}
        for name, row in RESULTS["export"].items()
    }
    whole.add_results(export=one)
    svg = read_page(write_report(whole)).drawings("Exported files")["Size in MB"]
    assert len(svg.bar_widths("first")) == 3 and len(svg.bar_widths("second")) == 0
    assert "model.tflite" not in svg.texts


def test_scores_stand_beside_the_keras_student_s(page, assert_linear):
    plot = page.drawings("Exported files")
    order = ["float32", NASTY, "dynamic_int8"]
    accuracies = [RESULTS["export"][name]["accuracy"] for name in order]
    dots = plot["Accuracy"]
    assert [text for text in dots.texts if text in order] == order
    assert "Keras student 0.9062" in dots.texts
    assert [t for t in dots.texts if re.fullmatch(r"0\.\d{4}", t)] == [
        f"{accuracy:.4f}" for accuracy in accuracies
    ]
    assert_linear(dots.marks()[:, 0], accuracies)
    # The line goes through the file that scores as the student does.
    (line,) = (
        path
        for path in dots.axes.iter("path")
        if "stroke-dasharray" in path.get("style") and "--muted" in path.get("style")
    )
    assert float(line.get("d").split()[1]) == pytest.approx(dots.marks()[0, 0])

    scatter = plot["Accuracy against size of model.tflite"]
    rows = RESULTS["export"].values()
    assert_linear(scatter.marks()[:, 0], [row["megabytes"] for row in rows])
    assert_linear(scatter.marks()[:, 1], [row["accuracy"] for row in rows])
    assert set(order) <= set(scatter.texts)


def test_curves_go_through_what_was_logged(page, assert_linear):
    assert page.texts("Training", "h3") == ["finetune", NASTY, "prediction"]
    plot = [page.drawings("Training", grid) for grid in range(3)]
    assert list(plot[0]) == ["Dev accuracy", "Loss", "Learning rate"]
    assert list(plot[1]) == ["Loss", "Attention, weight 2.5", "Hidden, weight 1"]
    # The loss of the last stage is its one term.
    assert list(plot[2]) == ["Dev accuracy", "Loss"]
    steps, losses = zip(*LOSSES, strict=True)
    for name, values in (("Loss", losses), ("Hidden, weight 1", np.array(losses) - 1)):
        points = plot[1][name].marks()
        assert_linear(points[:, 0], steps)
        assert_linear(-points[:, 1], values)
    assert "step 12: 0.9375" in plot[0]["Dev accuracy"].texts
    assert "teacher 0.9375" in plot[2]["Dev accuracy"].texts
    assert "teacher 0.9375" not in plot[0]["Dev accuracy"].texts
    said = page.section_text("Training")
    assert "Accuracy 0.9062 at step 20; best accuracy 0.9375 at step 12; 1.5 min." in said
    assert "The student began with accuracy 0.5312." in said


def test_what_a_killed_process_logged_is_overwritten(run, read_page, assert_linear):
    """Killed after step 14, resumed from a state of step 7."""
    for step, loss in [(5, 4.0), (9, 70.0), (14, 50.0), (8, 3.0), (12, 1.0), (16, 2.0)]:
        run.log("finetune", step, {"loss": loss})
    svg = read_page(write_report(run)).drawings("Training")["Loss"]
    points = svg.marks()
    assert_linear(points[:, 0], [5, 8, 12, 16])
    assert_linear(points[:, 1], [4.0, 3.0, 1.0, 2.0])


def test_several_metrics(tiny_values, read_page):
    tiny_values["task"]["metrics"] = ["f1", "accuracy"]
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    models = {
        name: {"f1": f1, "accuracy": 0.75, "parameters": 1000}
        for name, f1 in (("teacher", 0.0), ("student", 0.5))
    }
    row = exported(4.5, 1.5, 1.0, 0.75)
    run.add_results(evaluation={**models, "examples": 4}, export={"small": {**row, "f1": 0.5}})
    page = read_page(write_report(run))
    assert list(page.drawings("Exported files")) == [
        "Size in MB",
        "Latency in ms",
        "F1",
        "Accuracy",
        "F1 against size of model.tflite",
    ]
    ((_, rows),) = page.tables("Summary").items()
    # Of a teacher that scores 0 nothing is a share.
    assert [row[3] for row in rows] == ["retained", "", "", ""]


def test_commands_and_the_machines_they_ran_on(page):
    lists = page.sections()["Commands"].iter("ol")
    assert [[code.text for code in steps.iter("code")] for steps in lists] == [
        [
            "python -m tinybert_tf finetune --config <x>.yaml",
            "python -m tinybert_tf distill --config <x>.yaml",
        ],
        ["python -m tinybert_tf run --config <x>.yaml"],
    ]
    machines = page.texts("Commands", "p")
    assert machines[0] == "Seed 42; Python 3.11.7, keras 3.15.1; P, 2 cores, Linux-6."
    assert "8 cores" in machines[1] and len(machines) == 2


# === The page ===


def test_text_stays_text(figured, page):
    assert not list(page.iter("b"))
    (config,) = page.texts("Config", "code")
    assert config == figured.config_file.read_text("utf-8")
    assert yaml.safe_load(config)["task"]["name"] == NASTY
    assert NASTY in page.text("body/header")


def test_nothing_comes_from_elsewhere(page):
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) > 100
    names = set()
    for element in page.iter():
        assert element.tag not in ("script", "img", "iframe", "object", "base")
        assert not {"src", "srcset"} & element.attrib.keys()
        names |= {element.get("href", "").removeprefix("#")} - {"", "data:,"}
        for value in (*element.attrib.values(), element.text if element.tag == "style" else ""):
            assert "http:" not in value and "https:" not in value and "@import" not in value
            names |= set(re.findall(r"url\(#?(.*?)\)", value))
        names |= set(element.get("aria-labelledby", "").split())
    assert len(names) > 20 and names <= set(ids)
    (policy,) = (m for m in page.iter("meta") if m.get("http-equiv"))
    assert policy.get("content").startswith("default-src 'none';")


def test_plots_are_drawn_in_the_page_s_colours_and_say_what_they_show(figured, page):
    plot = [figure.find("svg") for figure in page.iter("figure")]
    assert len(plot) == 12
    style = page.text("head/style")
    for svg in plot:
        assert svg.get("role") == "img" and svg[0].tag == "title" and svg[0].text
        drawn = " ".join(element.get("style", "") for element in svg.iter())
        assert not re.search(r"#[0-9a-f]{3}", drawn)
        colours = set(re.findall(r"var\(--(\w+)\)", drawn))
        assert {"ink", "first"} <= colours
        for colour in colours:
            # One for light, one for dark.
            assert len(re.findall(rf"--{colour}: #", style)) == 2
    # As XML, too: what is in the page is a whole drawing.
    content = (figured.path / "report.html").read_text("utf-8")
    drawings = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert len(drawings) == 12
    assert all(ElementTree.fromstring(drawing).get("viewBox") for drawing in drawings)


def test_the_same_run_makes_the_same_bytes(whole):
    content = (whole.path / "report.html").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        assert write_report(whole).read_bytes() == content
        assert dict(matplotlib.rcParams) == before


def test_what_is_logged_changes_the_page(whole, drawn_once):
    before = (whole.path / "report.html").read_bytes()
    whole.log("prediction", 9, {"loss": 0.125})
    assert write_report(whole).read_bytes() != before


# === Runs that are not finished ===


def test_a_run_that_has_only_begun(run, read_page):
    page = read_page(write_report(run))
    notes = {title: "".join(page.texts(title, "p")) for title in page.sections()}
    assert notes.pop("Config") == ""
    assert notes == {
        "Summary": "Teacher and student are not evaluated yet.",
        "Predictions": "No predictions of the test examples are saved; `evaluate` saves them.",
        "Attention": "No attention is saved; `evaluate` and `report --text` save it.",
        "Exported files": "No file is exported yet.",
        "Training": "Nothing is logged yet.",
        "Commands": "No command is recorded.",
    }
    assert not list(page.iter("figure")) and not list(page.iter("table"))
    assert "max_tokens: 16" in page.section_text("Config")


@pytest.mark.parametrize("missing", [*RESULTS, "metrics"])
def test_without_a_part(whole, missing, read_page, drawn_once):
    """Whatever a run lacks, the page has the rest."""
    (whole.path / "results.json").unlink()
    whole.add_results(**{key: value for key, value in RESULTS.items() if key != missing})
    if missing == "metrics":
        (whole.path / "metrics.jsonl").unlink()
    page = read_page(write_report(whole))
    has = {title: len(list(s.iter("svg"))) for title, s in page.sections().items()}
    assert has["Exported files"] == (0 if missing == "export" else 4)
    assert has["Training"] == (0 if missing == "metrics" else 8)
    assert bool(page.tables("Summary")) == (missing != "evaluation")
    # A line for a student that was not scored would be an invention.
    assert ("Keras student" in page.text()) == (missing not in ("evaluation", "export"))


def test_a_line_that_was_left_half_written(run, read_page, assert_linear):
    for step, loss in [(1, 4.0), (2, 2.0), (3, 3.0)]:
        run.log("finetune", step, {"loss": loss})
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"time": 1.0, "stage": "finetune", "st')
    svg = read_page(write_report(run)).drawings("Training")["Loss"]
    assert_linear(svg.marks()[:, 0], [1, 2, 3])


def test_a_line_of_something_else(run):
    run.log("finetune", 1, {"loss": 1.0})
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write("[1, 2]\n")
    with pytest.raises(TinyBertError, match=r"metrics\.jsonl, line 2: .*got '\[1, 2\]'"):
        write_report(run)


# === Writing ===


def test_the_old_page_stays_until_the_new_one_is_whole(whole, monkeypatch, drawn_once):
    path = whole.path / "report.html"
    old = path.read_bytes()
    whole.log("prediction", 9, {"loss": 0.125})

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", fail)
        with pytest.raises(TinyBertError, match=r"report\.html: No space left on device"):
            write_report(whole)
    assert path.read_bytes() == old
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(plots, "scatter", fail)
        write_report(whole)
    assert path.read_bytes() == old
    assert not list(whole.path.glob(".partial-*"))
    assert write_report(whole).read_bytes() != old
