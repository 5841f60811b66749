"""What the page of a run shows of single examples."""

import re

import numpy as np

from tinybert_tf.data import Examples
from tinybert_tf.evaluation.answers import AnsweredQuestion, save_answers
from tinybert_tf.evaluation.attention_maps import AttentionMaps, save_attention_maps
from tinybert_tf.evaluation.predictions import Predictions, save_predictions
from tinybert_tf.reports.run_page import write_report
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

# What HTML or Jinja would make something else of.
NASTY = "a<b>&'\"{{ {% {#"


def say(run, labels, teacher, student, texts=None):
    """Saves predictions of examples, from the log-odds of the second label."""
    texts = texts or tuple(f"text {i}" for i in range(len(labels)))
    outputs = [np.stack([np.zeros(len(odds)), odds], axis=1) for odds in (teacher, student)]
    examples = Examples((tuple(texts),), np.array(labels, "int32"))
    save_predictions(
        run.predictions, run.config().resolved_task(), Predictions(examples, *outputs)
    )


def test_confusions_are_counted(run, read_page):
    # Of four negative ones the student finds three, of three positive ones one.
    odds = [-1.0, -2.0, -3.0, 1.0, 1.0, -1.0, -2.0]
    labels = [0, 0, 0, 0, 1, 1, 1]
    say(run, labels, [8.0 * label - 4.0 for label in labels], odds)
    page = read_page(write_report(run))
    found = page.tables("Predictions")
    assert found["Confusion matrix of the student"] == [
        ["true", "negative", "positive"],
        ["negative", "3", "1"],
        ["positive", "2", "1"],
    ]
    assert [row[1:] for row in found["Confusion matrix of the teacher"][1:]] == [
        ["4", "0"],
        ["0", "3"],
    ]
    cells = [td for td in page.sections()["Predictions"].iter("td") if td.get("style")]
    shares = [cell.get("style").removeprefix("--share: ") for cell in cells]
    assert shares[:4] == ["0.750", "0.250", "0.667", "0.333"]


def test_classes_are_scored(run, read_page):
    odds = [-1.0, -2.0, -3.0, 1.0, 1.0, -1.0, -2.0]
    labels = [0, 0, 0, 0, 1, 1, 1]
    say(run, labels, [8.0 * label - 4.0 for label in labels], odds)
    found = read_page(write_report(run)).tables("Predictions")
    # Of five "negative" three are, of four negative ones three are found; 2 pr / (p + r).
    assert found["Scores of each class"] == [
        ["class", "examples", "precision", "recall", "F1", "teacher's F1"],
        ["positive", "3", "0.50", "0.33", "0.40", "1.00"],
        ["negative", "4", "0.60", "0.75", "0.67", "1.00"],
    ]
    assert found["What the student takes for what"][1:] == [
        ["positive", "negative", "2"],
        ["negative", "positive", "1"],
    ]


def test_many_classes_have_numbers(tiny_values, read_page):
    """Of 77 classes each has one example; every seventh is taken for the next."""
    labels = [f"class {i}" for i in range(77)]
    tiny_values["task"]["labels"] = labels
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    truth = np.arange(77, dtype="int32")
    answers = np.where(truth % 7 == 6, (truth + 1) % 77, truth)
    examples = Examples((tuple(map(str, truth)),), truth)
    both = Predictions(examples, 9.0 * np.eye(77), 9.0 * np.eye(77)[answers])
    save_predictions(run.predictions, run.config().resolved_task(), both)
    found = read_page(write_report(run)).tables("Predictions")
    header, *rows = found["Confusion matrix of the student"]
    assert header == ["true", *map(str, range(1, 78))]
    assert [row[0] for row in rows] == [f"{i + 1} class {i}" for i in range(77)]
    # What did not happen is left out.
    for i, row in enumerate(rows):
        expected = [""] * 77
        expected[answers[i]] = "1"
        assert row[1:] == expected
    assert len(found["What the student takes for what"]) == 1 + 10
    assert len(found["Scores of each class"]) == 1 + 77


def test_errors_of_the_student_alone_are_listed(run, read_page):
    # Log-odds of ln 3 and ln 9: probabilities of 3/4 and 9/10.
    student = [-np.log(3.0), np.log(9.0), 5.0, -5.0]
    say(run, [1, 0, 1, 1], [2.0, -2.0, 1.0, -1.0], student, ["one", NASTY, "three", "four"])
    page = read_page(write_report(run))
    # The last is the teacher's error, too. The probability of e^2 to 1 is 0.8808.
    assert page.tables("Predictions")["Errors of the student alone"] == [
        ["example", "sentence", "true", "student", "teacher"],
        ["2", NASTY, "negative", "positive 90.0%", "negative 88.1%"],
        ["1", "one", "positive", "negative 75.0%", "positive 88.1%"],
    ]
    assert not list(page.iter("b"))
    assert "2 of 2, its most confident answers first." in page.section_text("Predictions")


def test_no_more_than_twenty_errors_are_listed(run, read_page):
    odds = np.arange(1.0, 31.0)
    say(run, [0] * 30, -odds, odds)
    page = read_page(write_report(run))
    _, *rows = page.tables("Predictions")["Errors of the student alone"]
    assert [row[0] for row in rows] == [str(i) for i in range(30, 10, -1)]
    assert "20 of 30, " in page.section_text("Predictions")


def test_a_student_without_errors_of_its_own(run, read_page):
    say(run, [0, 1], [-1.0, 1.0], [-2.0, 3.0])
    page = read_page(write_report(run))
    assert "There are none." in page.section_text("Predictions")
    assert "Errors of the student alone" not in page.tables("Predictions")


def test_a_regression_has_scatters(tiny_values, read_page, assert_linear):
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
    plot = page.drawings("Predictions")
    for name, scores in (("student", student), ("teacher", teacher)):
        svg = plot[f"Scores of the {name} against the true ones"]
        points = svg.marks()
        assert_linear(points[:, 0], labels)
        assert_linear(points[:, 1], scores)
    # Of |3 - 1| + |2.25 - 2| + 0 and of 0.5 + 0 + 0.5 a third.
    assert "mean error 0.750" in plot["Scores of the student against the true ones"].said
    assert "mean error 0.333" in plot["Scores of the teacher against the true ones"].said
    (errors,) = page.tables("Predictions").values()
    assert errors[1:] == [
        ["1", "a", "1.00", "3.00", "1.50"],
        ["2", "b", "2.00", "2.25", "2.00"],
    ]


def cells_of(drawing):
    """The shade of each cell that is drawn, by its position in units of a cell."""
    found = {}
    frame = drawing.svg.find("rect")
    left, top, size = (float(frame.get(name)) for name in ("x", "y", "width"))
    side = size / 2
    for path in drawing.svg.iter("path"):
        shade = float(re.search(r"fill-opacity: (\S+)", path.get("style"))[1])
        for x, y in re.findall(r"M(\S+) ([\d.]+)h", path.get("d")):
            found[round((float(y) - top) / side), round((float(x) - left) / side)] = shade
    return found


def test_attention_stands_side_by_side(run, read_page):
    teacher = np.array([[[0.36, 0.64], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])
    student = np.array([[[0.16, 0.84], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]])
    maps = AttentionMaps(("[CLS]", "<b>&"), (3, 6), teacher, student)
    save_attention_maps(run.attention, maps)
    page = read_page(write_report(run))
    plot = page.drawings("Attention")
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
    said = plot["Teacher, block 3"].said
    assert "[CLS] to <b>& 0.64, <b>& to [CLS] 1.00" in said
    assert plot["Teacher, block 3"].texts.count("<b>&") == 2
    assert page.texts("Attention", "blockquote") == ["[CLS] <b>&"]
    assert not list(page.iter("b"))


def test_questions_that_the_student_answers_worse(tiny_values, read_page):
    tiny_values |= {"task": "squad_v1", "data": {"format": "squad", "train": "t", "dev": "d"}}
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)

    def says():
        return read_page(write_report(run)).texts("Answers", "p")

    assert says() == ["No answers to the test questions are saved; `evaluate` saves them."]
    good = AnsweredQuestion("0", "Who?", "c", ["a"], "a", "a", 1.0, 1.0)
    save_answers(run.predictions, [good])
    assert says() == ["There are none."]
    worse = [
        AnsweredQuestion(str(i), NASTY, f"text {i}", ["a", NASTY], "a", "", 1.0, 0.9 - i / 99)
        for i in range(25)
    ]
    save_answers(run.predictions, [good, *worse])
    assert says()[0].startswith("20 of 25 that the student answers worse, by F1, ")
    page = read_page(write_report(run))
    ((header, *rows),) = page.tables("Answers").values()
    assert header == ["question", "context", "true", "student", "teacher"]
    # Where it loses most first.
    assert rows == [
        [NASTY, f"text {i}", f"a | {NASTY}", "(none)", "a"] for i in range(24, 4, -1)
    ]
    assert not list(page.iter("b"))
