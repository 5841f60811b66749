"""`check`, and the check that `run`, `finetune` and `distill` begin with."""

import pytest
import yaml

from tinybert_tf.commands import _checking, command_line
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory


@pytest.fixture
def config_file(tiny_values, tmp_path):
    def write():
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(tiny_values), "utf-8")
        return str(path)

    return write


def test_a_good_config(config_file, tmp_path, capsys):
    command_line.main(["check", "--config", config_file()])
    shown = capsys.readouterr().out
    for expected in (
        "devices: ",
        "negative 32, positive 32",
        "2 layers, width 24, 4 heads, 72 tokens",
        "finetune",
        "warning: data.dev",
        "no problem was found",
    ):
        assert expected in shown
    assert not (tmp_path / "run").exists()


def test_a_student_is_compared_before_its_teacher_learns(
    config_file, tiny_values, tmp_path, mistake
):
    tiny_values["student"]["overrides"]["num_heads"] = 2
    tiny_values["data"]["test"] = str(tmp_path / "none.tsv")
    message = mistake("run", "--config", config_file())
    assert "there are 2 problems" in message
    assert "2 attention heads and the teacher 4" in message and "none.tsv" in message
    assert not (tmp_path / "run").exists()


def test_what_is_trained_is_not_checked_again(tiny_values, tmp_path, monkeypatch):
    checked = []
    monkeypatch.setattr(_checking, "check", lambda *arguments: checked.append(arguments))
    config = parse_config(tiny_values, "values")
    run = RunDirectory(tmp_path / "run")
    _checking.check_begun(config, run)
    run.teacher.mkdir(parents=True)
    _checking.check_begun(config, run)
    run.student.mkdir()
    _checking.check_begun(config, run)
    assert checked == [(config, None), (config, str(run.teacher))]
