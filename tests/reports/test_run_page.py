"""The page of a run: its numbers are the run's, and it is one file that fetches nothing."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import yaml

from tinybert_tf.data import Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation.attention_maps import AttentionMaps, save_attention_maps
from tinybert_tf.evaluation.predictions import Predictions, save_predictions
from tinybert_tf.reports import plots
from tinybert_tf.reports.run_page import write_report
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

VOID = {"meta", "link"}
# What HTML, a shell or Matplotlib's formulas would make something else of.
NASTY = "a<b>&'\"$x_{$"


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


class TreeParser(HTMLParser):
    """Makes a tree of a page in which every element that is opened is closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.builder = ElementTree.TreeBuilder()

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.builder.start(tag, dict(attrs))
        self.open.append(tag)
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.builder.end(tag)

    def handle_data(self, data):
        if self.open:
            self.builder.data(data)


def read_page(path):
    content = path.read_text("utf-8")
    assert content.startswith("<!DOCTYPE html>\n<html")
    parser = TreeParser()
    parser.feed(content)
    parser.close()
    assert not parser.open
    return parser.builder.close()


def text_of(element):
    return "".join(element.itertext())


def section(page, title):
    (found,) = (s for s in page.iter("section") if text_of(s.find("h2")) == title)
    return found


def figures(page, title):
    """The plots of a page that have a caption, and what they say."""
    return {text_of(f[0]): f.find("svg") for f in section(page, title).iter("figure")}


def texts(svg):
    return [text_of(text) for text in svg.iter("text")]


def axes_of(svg):
    (axes,) = (g for g in svg.iter("g") if g.get("id", "").endswith("-axes_1"))
    return axes


def marks(svg, colour="first"):
    """Where the dots of a colour are, in the order they were drawn."""
    uses = [u for u in axes_of(svg).iter("use") if f"fill: var(--{colour})" in u.get("style")]
    return np.array([(float(use.get("x")), float(use.get("y"))) for use in uses])


def bar_widths(svg, colour):
    paths = [p for p in axes_of(svg).iter("path") if f"fill: var(--{colour})" in p.get("style")]
    widths = []
    for path in paths:
        left, right = (float(x) for x in re.findall(r"[ML] (\S+)", path.get("d"))[:2])
        widths.append(right - left)
    return np.array(widths)


def assert_linear(positions, values):
    """Drawn on a linear scale: the positions are a line through the values."""
    assert abs(np.corrcoef(positions, values)[0, 1]) == pytest.approx(1.0, abs=1e-9)


@pytest.fixture
def run(tiny_values):
    """A run of the tiny config that has trained nothing."""
    return RunDirectory.create(parse_config(tiny_values, "values"), resume=False)


@pytest.fixture
def whole(tiny_values):
    """A run with figures of every kind, and names that are hard to print."""
    tiny_values["task"]["name"] = NASTY
    tiny_values["student"]["overrides"]["name"] = NASTY
    tiny_values["distillation"]["stages"][0] |= {"name": NASTY, "attention": 2.5}
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    run.add_results(**RESULTS)
    run.log("finetune", 12, {"loss": 0.5, "learning_rate": 0.01})
    run.log("finetune", 12, {"dev_accuracy": 0.9375})
    run.log("finetune", 20, {"dev_accuracy": 0.90625})
    for step, loss in LOSSES:
        run.log(NASTY, step, {"attention": loss / 2, "hidden": loss - 1, "loss": loss})
    run.log("prediction", 8, {"loss": 0.25, "prediction": 0.25})
    run.log("prediction", 8, {"dev_accuracy": 0.875})
    return run


# === The numbers ===


def test_the_summary_has_the_figures_of_the_run(whole):
    page = read_page(write_report(whole))
    (table,) = section(page, "Summary").iter("table")
    assert text_of(table.find("caption")) == f"{NASTY}: 32 test examples"
    header, *rows = ([text_of(cell) for cell in row] for row in table.iter("tr"))
    assert header[:4] == ["model", "accuracy", "retained", "same label"]
    results = json.loads((whole.path / "results.json").read_text("utf-8"))
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
def test_bars_are_sorted_and_as_long_as_their_values(whole, title, figure, order):
    svg = figures(read_page(write_report(whole)), "Exported files")[title]
    static = [RESULTS["export"][name][figure] for name in order]
    multi = [RESULTS["export"][name].get(f"multi_{figure}") for name in order]
    multi = [value for value in multi if value is not None]
    for colour, values in (("first", static), ("second", multi)):
        widths = bar_widths(svg, colour)
        np.testing.assert_allclose(widths / values, widths[0] / values[0], rtol=1e-5)
        assert [f"{value:.1f}" for value in values] == [
            text for text in texts(svg) if text in {f"{value:.1f}" for value in values}
        ]
    assert [text for text in texts(svg) if text in order] == order
    said = text_of(svg.find("title"))
    for name, value in zip(order, static, strict=True):
        assert f"{name} {value:.1f}" in said


def test_a_run_of_one_length_has_one_series(whole):
    one = {
        name: {key: value for key, value in row.items() if not key.startswith("multi_")}
        for name, row in RESULTS["export"].items()
    }
    whole.add_results(export=one)
    svg = figures(read_page(write_report(whole)), "Exported files")["Size in MB"]
    assert len(bar_widths(svg, "first")) == 3 and len(bar_widths(svg, "second")) == 0
    assert "model.tflite" not in texts(svg)


def test_scores_stand_beside_the_keras_student_s(whole):
    plot = figures(read_page(write_report(whole)), "Exported files")
    order = ["float32", NASTY, "dynamic_int8"]
    accuracies = [RESULTS["export"][name]["accuracy"] for name in order]
    dots = plot["Accuracy"]
    assert [text for text in texts(dots) if text in order] == order
    assert "Keras student 0.9062" in texts(dots)
    assert [t for t in texts(dots) if re.fullmatch(r"0\.\d{4}", t)] == [
        f"{accuracy:.4f}" for accuracy in accuracies
    ]
    assert_linear(marks(dots)[:, 0], accuracies)
    # The line goes through the file that scores as the student does.
    (line,) = (
        path
        for path in axes_of(dots).iter("path")
        if "stroke-dasharray" in path.get("style") and "--muted" in path.get("style")
    )
    assert float(line.get("d").split()[1]) == pytest.approx(marks(dots)[0, 0])

    scatter = plot["Accuracy against size of model.tflite"]
    rows = RESULTS["export"].values()
    assert_linear(marks(scatter)[:, 0], [row["megabytes"] for row in rows])
    assert_linear(marks(scatter)[:, 1], [row["accuracy"] for row in rows])
    assert set(order) <= set(texts(scatter))


def test_names_of_close_points_do_not_cover_each_other():
    points = {f"profile_{i}": (14.0 + i / 10, 0.9) for i in range(6)}
    svg = plots.scatter("key", "Accuracy", "MB", points, ("Keras student", 0.9))
    boxes = []
    for text in svg.iter("text"):
        if "".join(text.itertext()) in points:
            anchor = re.search(r"text-anchor: (\w+)", text.get("style"))[1]
            # Ten letters of DejaVu Sans at 11 points are 60 wide and 8 high without descenders.
            left = float(text.get("x")) - {"start": 0, "middle": 30, "end": 60}[anchor]
            boxes.append((left, float(text.get("y"))))
    assert len(boxes) == 6
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - left) >= 58 or abs(y - base) >= 8 for left, base in boxes[:i])


def test_curves_go_through_what_was_logged(whole):
    training = section(read_page(write_report(whole)), "Training")
    assert [text_of(h3) for h3 in training.iter("h3")] == ["finetune", NASTY, "prediction"]
    grids = [grid for grid in training.iter("div") if grid.get("class") == "grid"]
    plot = [{text_of(f[0]): f.find("svg") for f in grid} for grid in grids]
    assert list(plot[0]) == ["Dev accuracy", "Loss", "Learning rate"]
    assert list(plot[1]) == ["Loss", "Attention, weight 2.5", "Hidden, weight 1"]
    # The loss of the last stage is its one term.
    assert list(plot[2]) == ["Dev accuracy", "Loss"]
    steps, losses = zip(*LOSSES, strict=True)
    for name, values in (("Loss", losses), ("Hidden, weight 1", np.array(losses) - 1)):
        points = marks(plot[1][name])
        assert_linear(points[:, 0], steps)
        assert_linear(-points[:, 1], values)
    assert "step 12: 0.9375" in texts(plot[0]["Dev accuracy"])
    assert "teacher 0.9375" in texts(plot[2]["Dev accuracy"])
    assert "teacher 0.9375" not in texts(plot[0]["Dev accuracy"])
    said = text_of(training)
    assert "Accuracy 0.9062 at step 20; best accuracy 0.9375 at step 12; 1.5 min." in said
    assert "The student began with accuracy 0.5312." in said


def test_what_a_killed_process_logged_is_overwritten(run):
    """Killed after step 14, resumed from a state of step 7."""
    for step, loss in [(5, 4.0), (9, 70.0), (14, 50.0), (8, 3.0), (12, 1.0), (16, 2.0)]:
        run.log("finetune", step, {"loss": loss})
    svg = figures(read_page(write_report(run)), "Training")["Loss"]
    points = marks(svg)
    assert_linear(points[:, 0], [5, 8, 12, 16])
    assert_linear(points[:, 1], [4.0, 3.0, 1.0, 2.0])


def test_several_metrics(tiny_values):
    tiny_values["task"]["metrics"] = ["f1", "accuracy"]
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    models = {
        name: {"f1": f1, "accuracy": 0.75, "parameters": 1000}
        for name, f1 in (("teacher", 0.0), ("student", 0.5))
    }
    row = exported(4.5, 1.5, 1.0, 0.75)
    run.add_results(evaluation={**models, "examples": 4}, export={"small": {**row, "f1": 0.5}})
    page = read_page(write_report(run))
    assert list(figures(page, "Exported files")) == [
        "Size in MB",
        "Latency in ms",
        "F1",
        "Accuracy",
        "F1 against size of model.tflite",
    ]
    (table,) = section(page, "Summary").iter("table")
    # Of a teacher that scores 0 nothing is a share.
    assert [text_of(row[3]) for row in table.iter("tr")] == ["retained", "", "", ""]


def test_losses_that_are_no_numbers(run):
    for step, loss in [(1, 2.0), (2, 1.0), (3, float("nan")), (4, float("inf")), (5, 1.5)]:
        run.log("finetune", step, {"loss": loss})
    svg = figures(read_page(write_report(run)), "Training")["Loss"]
    assert_linear(marks(svg)[:, 0], [1, 2, 5])
    assert_linear(marks(svg)[:, 1], [2.0, 1.0, 1.5])


def test_commands_and_the_machines_they_ran_on(whole):
    commands = section(read_page(write_report(whole)), "Commands")
    assert [[text_of(code) for code in ol.iter("code")] for ol in commands.iter("ol")] == [
        [
            "python -m tinybert_tf finetune --config <x>.yaml",
            "python -m tinybert_tf distill --config <x>.yaml",
        ],
        ["python -m tinybert_tf run --config <x>.yaml"],
    ]
    machines = [text_of(p) for p in commands.iter("p")]
    assert machines[0] == "Seed 42; Python 3.11.7, keras 3.15.1; P, 2 cores, Linux-6."
    assert "8 cores" in machines[1] and len(machines) == 2


# === The page ===


def test_text_stays_text(whole):
    page = read_page(write_report(whole))
    assert not list(page.iter("b"))
    config = text_of(section(page, "Config").find("details/pre/code"))
    assert config == whole.config_file.read_text("utf-8")
    assert yaml.safe_load(config)["task"]["name"] == NASTY
    assert NASTY in text_of(page.find("body/header"))


def test_nothing_comes_from_elsewhere(whole):
    path = write_report(whole)
    page = read_page(path)
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


def test_plots_are_drawn_in_the_page_s_colours_and_say_what_they_show(whole):
    path = write_report(whole)
    page = read_page(path)
    plot = [figure.find("svg") for figure in page.iter("figure")]
    assert len(plot) == 12
    style = text_of(page.find("head/style"))
    for svg in plot:
        assert svg.get("role") == "img" and svg[0].tag == "title" and text_of(svg[0])
        drawn = " ".join(element.get("style", "") for element in svg.iter())
        assert not re.search(r"#[0-9a-f]{3}", drawn)
        colours = set(re.findall(r"var\(--(\w+)\)", drawn))
        assert {"ink", "first"} <= colours
        for colour in colours:
            # One for light, one for dark.
            assert len(re.findall(rf"--{colour}: #", style)) == 2
    # As XML, too: what is in the page is a whole drawing.
    content = path.read_text("utf-8")
    drawings = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert len(drawings) == 12
    assert all(ElementTree.fromstring(drawing).get("viewBox") for drawing in drawings)


def test_the_same_run_makes_the_same_bytes(whole):
    content = write_report(whole).read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        assert write_report(whole).read_bytes() == content
        assert dict(matplotlib.rcParams) == before
    whole.log("prediction", 9, {"loss": 0.125})
    assert write_report(whole).read_bytes() != content


# === Runs that are not finished ===


def test_a_run_that_has_only_begun(run):
    page = read_page(write_report(run))
    notes = {
        text_of(s.find("h2")): text_of(s.find("p"))
        for s in page.iter("section")
        if s.find("p") is not None
    }
    assert notes == {
        "Summary": "Teacher and student are not evaluated yet.",
        "Predictions": "No predictions of the test examples are saved; `evaluate` saves them.",
        "Attention": "No attention is saved; `evaluate` and `report --text` save it.",
        "Exported files": "No file is exported yet.",
        "Training": "Nothing is logged yet.",
        "Commands": "No command is recorded.",
    }
    assert not list(page.iter("figure")) and not list(page.iter("table"))
    assert "max_tokens: 16" in text_of(section(page, "Config"))


@pytest.mark.parametrize("missing", [*RESULTS, "metrics"])
def test_without_a_part(whole, missing):
    """Whatever a run lacks, the page has the rest."""
    (whole.path / "results.json").unlink()
    whole.add_results(**{key: value for key, value in RESULTS.items() if key != missing})
    if missing == "metrics":
        (whole.path / "metrics.jsonl").unlink()
    page = read_page(write_report(whole))
    has = {text_of(s.find("h2")): len(list(s.iter("svg"))) for s in page.iter("section")}
    assert has["Exported files"] == (0 if missing == "export" else 4)
    assert has["Training"] == (0 if missing == "metrics" else 8)
    assert bool(list(section(page, "Summary").iter("table"))) == (missing != "evaluation")
    # A line for a student that was not scored would be an invention.
    assert ("Keras student" in text_of(page)) == (missing not in ("evaluation", "export"))


def test_a_line_that_was_left_half_written(run):
    for step, loss in [(1, 4.0), (2, 2.0), (3, 3.0)]:
        run.log("finetune", step, {"loss": loss})
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"time": 1.0, "stage": "finetune", "st')
    svg = figures(read_page(write_report(run)), "Training")["Loss"]
    assert_linear(marks(svg)[:, 0], [1, 2, 3])


def test_a_line_of_something_else(run):
    run.log("finetune", 1, {"loss": 1.0})
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write("[1, 2]\n")
    with pytest.raises(TinyBertError, match=r"metrics\.jsonl, line 2: .*got '\[1, 2\]'"):
        write_report(run)


# === What teacher and student say ===


def say(run, labels, teacher, student, texts=None):
    """Saves predictions of examples, from the log-odds of the second label."""
    texts = texts or tuple(f"text {i}" for i in range(len(labels)))
    outputs = [np.stack([np.zeros(len(odds)), odds], axis=1) for odds in (teacher, student)]
    examples = Examples((tuple(texts),), np.array(labels, "int32"))
    save_predictions(
        run.predictions, run.config().resolved_task(), Predictions(examples, *outputs)
    )


def tables(page, title):
    return {
        text_of(table.find("caption")): [
            [text_of(cell) for cell in row] for row in table.iter("tr")
        ]
        for table in section(page, title).iter("table")
    }


def test_confusions_are_counted(run):
    # Of four negative ones the student finds three, of three positive ones one.
    odds = [-1.0, -2.0, -3.0, 1.0, 1.0, -1.0, -2.0]
    labels = [0, 0, 0, 0, 1, 1, 1]
    say(run, labels, [8.0 * label - 4.0 for label in labels], odds)
    page = read_page(write_report(run))
    found = tables(page, "Predictions")
    assert found["Confusion matrix of the student"] == [
        ["true", "negative", "positive"],
        ["negative", "3", "1"],
        ["positive", "2", "1"],
    ]
    assert [row[1:] for row in found["Confusion matrix of the teacher"][1:]] == [
        ["4", "0"],
        ["0", "3"],
    ]
    cells = [td for td in section(page, "Predictions").iter("td") if td.get("style")]
    shares = [cell.get("style").removeprefix("--share: ") for cell in cells]
    assert shares[:4] == ["0.750", "0.250", "0.667", "0.333"]


def test_errors_of_the_student_alone_are_listed(run):
    # Log-odds of ln 3 and ln 9: probabilities of 3/4 and 9/10.
    student = [-np.log(3.0), np.log(9.0), 5.0, -5.0]
    say(run, [1, 0, 1, 1], [2.0, -2.0, 1.0, -1.0], student, ["one", NASTY, "three", "four"])
    page = read_page(write_report(run))
    # The last is the teacher's error, too. The probability of e^2 to 1 is 0.8808.
    assert tables(page, "Predictions")["Errors of the student alone"] == [
        ["example", "sentence", "true", "student", "teacher"],
        ["2", NASTY, "negative", "positive 90.0%", "negative 88.1%"],
        ["1", "one", "positive", "negative 75.0%", "positive 88.1%"],
    ]
    assert not list(page.iter("b"))
    assert "2 of 2, its most confident answers first." in text_of(section(page, "Predictions"))


def test_no_more_than_twenty_errors_are_listed(run):
    odds = np.arange(1.0, 31.0)
    say(run, [0] * 30, -odds, odds)
    page = read_page(write_report(run))
    _, *rows = tables(page, "Predictions")["Errors of the student alone"]
    assert [row[0] for row in rows] == [str(i) for i in range(30, 10, -1)]
    assert "20 of 30, " in text_of(section(page, "Predictions"))


def test_a_student_without_errors_of_its_own(run):
    say(run, [0, 1], [-1.0, 1.0], [-2.0, 3.0])
    page = read_page(write_report(run))
    assert "There are none." in text_of(section(page, "Predictions"))
    assert "Errors of the student alone" not in tables(page, "Predictions")


def test_a_regression_has_scatters(tiny_values):
    tiny_values["task"] |= {"labels": None, "score_range": [0, 5], "metrics": ["pearson"]}
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    labels, teacher, student = (
        np.array(scores, "float32")
        for scores in ([1.0, 2.0, 4.0], [1.5, 2.0, 3.5], [3.0, 2.25, 4.0])
    )
    examples = Examples((("a", "b", "c"),), labels)
    both = Predictions(examples, teacher[:, None], student[:, None])
    save_predictions(run.predictions, run.config().resolved_task(), both)
    page = read_page(write_report(run))
    plot = figures(page, "Predictions")
    for name, scores in (("student", student), ("teacher", teacher)):
        svg = plot[f"Scores of the {name} against the true ones"]
        points = np.array(
            [
                (float(u.get("x")), float(u.get("y")))
                for u in axes_of(svg).iter("use")
                if "var(--first)" in u.get("style")
            ]
        )
        assert_linear(points[:, 0], labels)
        assert_linear(points[:, 1], scores)
    # Of |3 - 1| + |2.25 - 2| + 0 and of 0.5 + 0 + 0.5 a third.
    assert "mean error 0.750" in text_of(plot["Scores of the student against the true ones"])
    assert "mean error 0.333" in text_of(plot["Scores of the teacher against the true ones"])
    (errors,) = tables(page, "Predictions").values()
    assert errors[1:] == [
        ["1", "a", "1.00", "3.00", "1.50"],
        ["2", "b", "2.00", "2.25", "2.00"],
    ]


def cells_of(svg):
    """The shade of each cell that is drawn, by its position in units of a cell."""
    found = {}
    frame = svg.find("rect")
    left, top, size = (float(frame.get(name)) for name in ("x", "y", "width"))
    side = size / 2
    for path in svg.iter("path"):
        shade = float(re.search(r"fill-opacity: (\S+)", path.get("style"))[1])
        for x, y in re.findall(r"M(\S+) ([\d.]+)h", path.get("d")):
            found[round((float(y) - top) / side), round((float(x) - left) / side)] = shade
    return found


def test_attention_stands_side_by_side(run):
    teacher = np.array([[[0.36, 0.64], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])
    student = np.array([[[0.16, 0.84], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]])
    maps = AttentionMaps(("[CLS]", "<b>&"), (3, 6), teacher, student)
    save_attention_maps(run.attention, maps)
    page = read_page(write_report(run))
    plot = figures(page, "Attention")
    # Rows differ by 0.2 and 1.
    assert list(plot) == [
        "Teacher, block 3",
        "Student, block 1: 0.60 from it",
        "Teacher, block 6",
        "Student, block 2: 0.00 from it",
    ]
    # Square roots.
    assert cells_of(plot["Teacher, block 3"]) == {(0, 0): 0.6, (0, 1): 0.8, (1, 0): 1.0}
    assert cells_of(plot["Student, block 1: 0.60 from it"]) == {
        (0, 0): 0.4,
        (0, 1): 0.92,
        (1, 1): 1.0,
    }
    said = text_of(plot["Teacher, block 3"].find("title"))
    assert "[CLS] to <b>& 0.64, <b>& to [CLS] 1.00" in said
    assert texts(plot["Teacher, block 3"]).count("<b>&") == 2
    assert text_of(section(page, "Attention").find("blockquote")) == "[CLS] <b>&"
    assert not list(page.iter("b"))


def test_a_masked_lm_has_no_report(tmp_path):
    values = {
        "run_directory": str(tmp_path / "run"),
        "corpus": {"directory": "corpus"},
        "encoder": {"weights": "encoder"},
        "fit": {"epochs": 1, "optimizer": {"learning_rate": 0.1}},
    }
    run = RunDirectory.create(parse_config(values, "values"), resume=False)
    with pytest.raises(TinyBertError, match="is that of a masked LM"):
        write_report(run)


# === Writing ===


def test_the_old_page_stays_until_the_new_one_is_whole(whole, monkeypatch):
    path = write_report(whole)
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


# === As processes ===


def run_command(*arguments):
    command = [sys.executable, "-m", "tinybert_tf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_report_from_the_command_line(whole):
    expected = write_report(whole).read_bytes()
    before = whole.read_results()
    (whole.path / "report.html").unlink()
    done = run_command("report", "--run", whole.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {whole.path / 'report.html'}"
    # Another process hashes strings otherwise.
    assert (whole.path / "report.html").read_bytes() == expected
    assert whole.read_results() == before


def test_a_run_ends_with_its_report(tiny_values, tmp_path):
    tiny_values["export"] = {"profiles": []}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_values), "utf-8")
    done = run_command("run", "--config", tmp_path / "config.yaml")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "run" / "report.html"
    assert done.stdout.splitlines()[-1] == f"report: {path}"
    page = read_page(path)
    training = section(page, "Training")
    stages = [text_of(h3) for h3 in training.iter("h3")]
    assert stages == ["finetune", "intermediate", "prediction"]
    assert len(list(section(page, "Summary").iter("tr"))) == 3
    counts = tables(page, "Predictions")["Confusion matrix of the student"]
    assert sum(int(count) for row in counts[1:] for count in row[1:]) == 32
    # The one block of the student beside the teacher's last.
    assert [name.split(":")[0] for name in figures(page, "Attention")] == [
        "Teacher, block 2",
        "Student, block 1",
    ]
    content = path.read_bytes()
    assert write_report(RunDirectory.open(path.parent)).read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report"], "report wants --run, the run directory"),
        (["report", "--run", "x", "--config", "x.yaml"], "and nothing else"),
        (["report", "--run", "x", "--resume"], "and nothing else"),
        (["reports", "--run", "x"], "Did you mean 'report'?"),
        (["evaluate", "--run", "x"], "evaluate wants --config, the run's YAML file"),
        (
            ["run", "--run", "x", "--config", "x.yaml"],
            "--run, --output, --text, --text_pair are flags of report",
        ),
        (
            ["run", "--text", "", "--config", "x.yaml"],
            "--text, --text_pair are flags of report",
        ),
        (["report", "--run", "x", "--output", "y"], "or several of them and --output"),
        (["report", "--run", "x", "--run", "y"], "or several of them and --output"),
        (["report", "--run", "x", "--text_pair", "y"], "(and --text)"),
    ],
)
def test_flags_that_do_not_go_together(arguments, message):
    done = run_command(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert "Traceback" not in done.stderr
