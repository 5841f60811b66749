"""The command `benchmark`: its file, its tables, and what it takes from a run."""

import json
import pathlib
import re
import sys

import numpy as np
import pytest

from tinybert_tf.checkpoints import load_text_classifier
from tinybert_tf.commands import benchmark as command
from tinybert_tf.commands.benchmark import run_command
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import phone_commands, read_bundles
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory


def test_the_command_s_file_and_tables(exported, recorded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    arguments = [
        "benchmark",
        "float32",
        "--lengths=6,12",
        f"--output={tmp_path / 'new/x.json'}",
    ]
    monkeypatch.setattr(sys, "argv", ["__main__.py", *arguments])
    report = run_command(
        ["float32"], threads=[1, 2], lengths=[6, 12], output=str(tmp_path / "new/x.json")
    )
    content = (tmp_path / "new" / "x.json").read_text("utf-8")
    written = json.loads(content)
    assert written == json.loads(json.dumps(report))
    assert written["command"] == (
        "python -m tinybert_tf.export benchmark float32 --lengths=6,12 --output=x.json"
    )
    assert not [root for root in ("/tmp", "/home", str(tmp_path)) if root in content]
    assert {"tensorflow", "ai-edge-litert"} <= written["versions"].keys()
    assert written["machine"]["cores"] >= 1
    assert written["settings"]["seed"] == 42
    assert len(written["results"]) == 6
    printed = capsys.readouterr().out
    # Percentiles of 12, 36, 12, 13, 39, 13, ..., 16, 48, 16 ms; start, peak and model.
    assert re.search(r"float32 +12 +1 +15\.0 +43\.8 +47\.6 +23\.0 +50\.0 +20\.0 +0\.", printed)
    for line in phone_commands(*read_bundles(["float32"]), [1, 2]):
        assert line in printed


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("runs/x", "runs/x"),
        ("{here}/runs/x", "runs/x"),
        ("--run={here}/runs/x", "--run=runs/x"),
        ("--output=/elsewhere/y.json", "--output=y.json"),
        ("/elsewhere/bundle", "bundle"),
        ("--lengths=16,32", "--lengths=16,32"),
    ],
)
def test_recorded_commands_name_no_place_of_a_machine(argument, shown):
    argument = argument.format(here=pathlib.Path.cwd())
    assert command._portable(argument) == shown


def test_models_and_texts_of_a_run(make_tiny_values, tiny_bert, tmp_path):
    config = parse_config(make_tiny_values(tmp_path / "run"), "test")
    run = RunDirectory.create(config, resume=False)
    student = load_text_classifier(tiny_bert)
    student.save_to_preset(str(run.student))
    loaded = command._load_run(str(run.path), ["pytorch"])
    assert loaded["keras_models"].keys() == {"student"}
    np.testing.assert_array_equal(
        loaded["keras_models"]["student"].output_dense.kernel, student.output_dense.kernel
    )
    lines = pathlib.Path(config.data.test).read_text("utf-8").splitlines()[1:]
    assert loaded["examples"].texts == (tuple(line.split("\t")[0] for line in lines),)
    with pytest.raises(TinyBertError, match="teacher holds no classifier"):
        command._load_run(str(run.path), ["teacher"])
