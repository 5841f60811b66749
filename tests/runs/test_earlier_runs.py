"""Run directories of earlier versions stay readable.

`golden/earlier_run` is the tiny run of `conftest.py` as version 842c4ba left it, in November
2026, without its models; its paths are shortened.
"""

import json
import shutil

import pytest

from tinybert_tf.reports.run_page import write_report
from tinybert_tf.runs import RunDirectory
from tinybert_tf.runs.config_file import parse_config


@pytest.fixture
def earlier_run(golden, tmp_path):
    return RunDirectory.open(shutil.copytree(golden / "earlier_run", tmp_path / "run"))


def test_config_and_figures(earlier_run):
    config = earlier_run.config()
    assert config.resolved_task().name == "things" and config.data.max_tokens == 16
    assert [stage.fit.epochs for stage in config.distillation.stages] == [1, 2]
    assert config.distillation.attention_scores == "raw"
    assert earlier_run.read_results()["evaluation"]["retention"] == 1.0
    logged = earlier_run.read_metrics()
    steps = {line["stage"]: line["step"] for line in logged}
    assert steps == {"finetune": 20, "intermediate": 4, "prediction": 8}


def test_its_report(earlier_run):
    page = write_report(earlier_run).read_text("utf-8")
    sentences = [
        json.loads(line)["texts"][0]
        for line in earlier_run.predictions.read_text("utf-8").splitlines()
    ]
    assert len(sentences) == 32
    # The attention of this one is shown.
    tokens = json.loads(earlier_run.attention.read_text("utf-8"))["tokens"]
    assert " ".join(tokens[1:-1]) in sentences and tokens[1] in page
    assert "same label" in page and "dynamic_int8" in page


def test_it_is_gone_on_with(earlier_run, capsys):
    """With another export profile: all but the export stays."""
    before = earlier_run.read_results()
    values = earlier_run.config().to_dict()
    values |= {"run_directory": str(earlier_run.path), "export": {"profiles": ["float16"]}}
    run = RunDirectory.create(parse_config(values, "values"), resume=True)
    assert "export of " in capsys.readouterr().out
    kept = {name: value for name, value in before.items() if name not in ("export", "latency")}
    assert run.read_results() == kept and len(kept) == len(before) - 2
    assert run.config().export.profiles == ("float16",)
    assert len(run.read_metrics()) == 19
    assert run.predictions.exists() and run.attention.exists()
