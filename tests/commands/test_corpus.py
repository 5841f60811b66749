"""`python -m tinybert_tf corpus`: what it takes and what it refuses."""

import importlib.util

import pytest

from tinybert_tf.commands import command_line
from tinybert_tf.corpus import CorpusBatches


@pytest.fixture
def without_beam(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "apache_beam" else find(name)
    )


def test_a_file_that_is_not_there(tmp_path, vocabulary_file, mistake):
    files = ("--input", tmp_path / "none.txt", "--output", tmp_path / "out")
    message = mistake("corpus", *files, "--vocabulary", vocabulary_file)
    assert "none.txt: there is no such file" in message
    assert not (tmp_path / "out").exists()


def test_several_inputs_each_once(tmp_path, vocabulary_file, capsys):
    (tmp_path / "1.txt").write_text("a b\n", "utf-8")
    (tmp_path / "2.txt").write_text("c\n", "utf-8")
    command_line.main(
        [
            *("corpus", "--input", str(tmp_path / "2.txt"), f"{tmp_path}/*.txt"),
            *("--output", str(tmp_path / "corpus"), "--vocabulary", str(vocabulary_file)),
            *("--runner", "in_process", "--held_out", "0"),
        ]
    )
    assert "2 documents, 2 paragraphs" in capsys.readouterr().out


def test_a_teacher_brings_its_vocabulary(tmp_path, tiny_bert, capsys):
    (tmp_path / "text.txt").write_text("good thing 7\n", "utf-8")
    arguments = ["corpus", "--input", str(tmp_path / "text.txt"), "--held_out", "0"]
    arguments += ["--output", str(tmp_path / "corpus"), "--runner", "in_process"]
    command_line.main([*arguments, "--teacher", str(tiny_bert)])
    (batch,) = CorpusBatches(tmp_path / "corpus").dataset().as_numpy_iterator()
    # [CLS] good thing 7 [SEP]; "0" has id 8.
    assert batch["token_ids"].tolist() == [[2, 5, 7, 15, 3, 0, 0, 0]]


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--sequence_length", 3, "sequence_length is 3"),
        ("--held_out", 1, "held_out is 1.0"),
        ("--mask_probability", -0.1, "mask_probability is -0.1"),
        ("--shard_megabytes", 0, "shard_megabytes is 0.0"),
        ("--sequence_length", "x", "invalid int value: 'x'"),
        ("--vocabulary", "nowhere.txt", "nowhere.txt"),
    ],
)
def test_options_that_cannot_be(tmp_path, mistake, option, value, message):
    (tmp_path / "text.txt").write_text("a\n", "utf-8")
    files = ("--input", tmp_path / "text.txt", "--output", tmp_path / "corpus")
    assert message in mistake("corpus", *files, f"{option}={value}")
    assert not (tmp_path / "corpus").exists()


def test_an_output_that_is_a_file(tmp_path, vocabulary_file, mistake):
    (tmp_path / "text.txt").write_text("a\n", "utf-8")
    path = tmp_path / "text.txt"
    files = ("--input", path, "--output", path, "--vocabulary", vocabulary_file)
    assert "text.txt" in mistake("corpus", *files, "--runner", "in_process")
    assert path.read_text("utf-8") == "a\n"


def test_runners_need_beam(without_beam, mistake):
    files = ("--input", "a", "--output", "b")
    message = mistake("corpus", *files, "--runner", "FlinkRunner")
    assert "--runner FlinkRunner needs Apache Beam: pip install 'tinybert-tf[beam]'" in message
    message = mistake("corpus", *files, "--", "--flink_master=x")
    assert "--flink_master=x: options of a runner" in message
    assert "Beam is not installed" in message
