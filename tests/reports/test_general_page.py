"""The page of a run without a task."""

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.reports.run_page import write_report
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

# What HTML or Jinja would make something else of.
NASTY = "a<b>&'\"{{ {% {#"


@pytest.fixture
def general(tmp_path):
    """A general distillation that has only begun."""
    values = {
        "run_directory": str(tmp_path / "run"),
        "corpus": {"directory": "corpus"},
        "teacher": {"weights": NASTY},
        "distillation": {
            "stages": [
                {
                    "name": "general",
                    "hidden": 1.0,
                    "fit": {"epochs": 1, "optimizer": {"learning_rate": 0.1}},
                }
            ]
        },
    }
    return RunDirectory.create(parse_config(values, "values"), resume=False)


def test_a_general_distillation(general, read_page):
    page = read_page(write_report(general))
    assert page.text("body/header/p").startswith("General distillation: ")
    assert page.text("body/header/p").endswith(f" from {NASTY}")
    assert list(page.sections()) == ["Summary", "Training", "Config", "Commands"]
    assert page.texts("Summary", "p") == ["The student is not scored yet."]
    scored = {"step": 4, "dev": {"hidden": 1.5}, "best_step": 3, "best_dev": {"hidden": 1.25}}
    general.add_results(student_start={"dev": {"hidden": 2.0}}, general=scored)
    general.log("general", 3, {"loss": 1.0, "dev_hidden": 1.25})
    page = read_page(write_report(general))
    (rows,) = page.tables("Summary").values()
    assert rows == [["figure", "start", "general, step 3"], ["hidden", "2.0000", "1.2500"]]
    assert list(page.drawings("Training")) == ["Dev hidden", "Loss"]
    said = page.section_text("Training")
    assert "Hidden 1.5000 at step 4; best hidden 1.2500 at step 3." in said
    assert "The student began with hidden 2.0000." in said


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
