"""What a finished run says can be done with it."""

import json
import shlex

import pytest

from tinybert_tf.commands._next_steps import next_steps
from tinybert_tf.commands.command_line import MODULE, parse
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory


@pytest.fixture
def exported(tiny_values, tmp_path, monkeypatch):
    """A run with two bundles, of which there is only what the lines depend on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    tiny_values["run_directory"] = "runs/my run"
    run = RunDirectory.create(parse_config(tiny_values, "values"), resume=False)
    run.add_results(export={"float32": {"megabytes": 4.0}, "small": {"megabytes": 1.0}})
    (run.exports / "small").mkdir(parents=True)
    write_info(run, labels=["negative", "positive"])
    run.predictions.write_text(json.dumps({"texts": ['it\'s "good"']}) + "\n")
    return run


def write_info(run, **info):
    (run.exports / "small" / "bundle.json").write_text(json.dumps(info))


def lines_of(run):
    return [line.split("  # ")[0] for line in next_steps(run.config(), run)]


def test_the_lines_can_be_pasted(exported):
    lines = lines_of(exported)
    programs = [shlex.split(line)[0] for line in lines]
    assert programs == ["source", "tinybert-tf", "python", "tinybert-tf"]
    for line in lines:
        program, *arguments = shlex.split(line)
        if program == "tinybert-tf":
            assert parse(arguments, MODULE).command in ("classify", "init")
        if program == "python":
            compile(arguments[1], "line", "exec")
    classify = shlex.split(lines[1])
    assert classify[3:] == ["runs/my run/export/small", 'it\'s "good"']


def test_the_app_is_offered_where_it_is(exported, tmp_path):
    (tmp_path / "android_demo").mkdir()
    assert [line for line in lines_of(exported) if line.startswith("make demo-apk BUNDLE=")]


@pytest.mark.parametrize("info", [{"labels": ["a"], "mediapipe": {}}, {"labels": []}])
def test_mediapipe_is_offered_where_it_is_right(exported, info):
    write_info(exported, **info)
    assert not [line for line in lines_of(exported) if line.startswith("python")]


def test_without_a_bundle(exported):
    exported.add_results(export={})
    assert [shlex.split(line)[0] for line in lines_of(exported)] == ["source", "tinybert-tf"]
