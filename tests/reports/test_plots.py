"""Plots as drawings: where their marks and names are."""

import re

from tinybert_tf.reports import plots
from tinybert_tf.reports.run_page import write_report


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


def test_losses_that_are_no_numbers(run, read_page, assert_linear):
    for step, loss in [(1, 2.0), (2, 1.0), (3, float("nan")), (4, float("inf")), (5, 1.5)]:
        run.log("finetune", step, {"loss": loss})
    svg = read_page(write_report(run)).drawings("Training")["Loss"]
    assert_linear(svg.marks()[:, 0], [1, 2, 5])
    assert_linear(svg.marks()[:, 1], [2.0, 1.0, 1.5])
