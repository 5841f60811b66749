"""`init`: a config for a file that somebody brings."""

import collections
import json

import pytest

from tinybert_tf.commands.command_line import main
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs import initial_config
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.runs.initial_config import write_initial_config


@pytest.fixture
def quick(monkeypatch):
    """The lengths are not what most tests are about, and the vocabulary takes seconds."""
    monkeypatch.setattr(initial_config, "_find_length", lambda table, fields: 32)


@pytest.fixture
def tickets(tmp_path):
    """Three classes; the first ten texts stand twice."""
    rows = [(f"ticket {i} about {k}", k) for k in ("no", "yes", "1") for i in range(40)]
    path = tmp_path / "tickets.csv"
    lines = [f"{i},{body},{queue}\n" for i, (body, queue) in enumerate(rows + rows[:10])]
    path.write_text("".join(["id,body,queue\n", *lines]))
    return path


def read_rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_one_file_is_cut_in_three(quick, tickets, tmp_path):
    output = tmp_path / "mine"
    look = write_initial_config(output, tickets)
    assert sorted(path.name for path in output.iterdir()) == [
        *("config.yaml", "dev.jsonl", "test.jsonl", "train.jsonl")
    ]
    rows = {split: read_rows(output / f"{split}.jsonl") for split in ("train", "dev", "test")}
    assert sum(map(len, rows.values())) == 130
    assert look.rows == {split: len(part) for split, part in rows.items()}
    for split in ("dev", "test"):
        counts = collections.Counter(row["queue"] for row in rows[split])
        assert counts.keys() == {"no", "yes", "1"} and min(counts.values()) >= 3
    texts = [{row["body"] for row in part} for part in rows.values()]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]


def test_the_config_says_what_was_found(quick, tickets, tmp_path):
    write_initial_config(tmp_path / "mine", tickets)
    config = load_config(tmp_path / "mine" / "config.yaml")
    task = config.resolved_task()
    assert (task.text_fields, task.label_field) == (("body",), "queue")
    assert task.labels == ("1", "no", "yes")
    assert config.data.train == str(tmp_path / "mine" / "train.jsonl")
    assert config.data.max_tokens == 32
    assert config.run_directory == "runs/mine"


def test_the_same_file_is_cut_the_same_way(quick, tickets, tmp_path):
    for name in ("one", "two"):
        write_initial_config(tmp_path / name, tickets)
    one, two = ((tmp_path / name / "dev.jsonl").read_bytes() for name in ("one", "two"))
    assert one == two


def test_scores_and_files_of_their_own(quick, tmp_path):
    for name in ("train", "dev"):
        rows = "".join(f"left {i}\tright {i}\t{i / 4}\n" for i in range(21))
        (tmp_path / f"{name}.tsv").write_text("text1\ttext2\tscore\n" + rows)
    files = [tmp_path / f"{name}.tsv" for name in ("train", "dev")]
    look = write_initial_config(tmp_path / "mine", files[0], dev=files[1])
    config = load_config(tmp_path / "mine" / "config.yaml")
    task = config.resolved_task()
    assert task.is_regression and task.score_range == (0.0, 5.0)
    assert task.metrics == ("pearson", "spearman")
    assert config.data.dev == str(files[1]) and config.data.test is None
    assert look.rows == {"train": 21, "dev": 21}


def test_lengths_of_tokens(tmp_path, tickets):
    """`ticket 12 about yes`: 4 tokens and 2 special ones; every tenth has 30 more."""
    lines = tickets.read_text().splitlines()
    longer = [
        line.replace("about", "about" + " very" * 30 if i % 10 == 0 else "about")
        for i, line in enumerate(lines)
    ]
    (tmp_path / "longer.csv").write_text("\n".join(longer))
    assert write_initial_config(tmp_path / "a", tickets).max_tokens == 16
    assert write_initial_config(tmp_path / "b", tmp_path / "longer.csv").max_tokens == 64


def test_too_few_to_be_cut(quick, tmp_path):
    rows = "".join(f"t {i},{i % 2}\n" for i in range(9))
    (tmp_path / "few.csv").write_text("text,label\n" + rows)
    with pytest.raises(TinyBertError, match="9 different labelled texts, too few"):
        write_initial_config(tmp_path / "mine", tmp_path / "few.csv")
    assert not (tmp_path / "mine").exists()


def test_a_dev_file_of_other_columns(quick, tickets, tmp_path):
    (tmp_path / "dev.csv").write_text("body,kind\na,no\nb,yes\n")
    with pytest.raises(TinyBertError, match=r"dev.csv has no column 'queue'"):
        write_initial_config(tmp_path / "mine", tickets, dev=tmp_path / "dev.csv")


def test_from_the_command_line(quick, tickets, tmp_path, capsys):
    output = tmp_path / "mine"
    arguments = ["--train", str(tickets), "--output", str(output), "--label_field", "queue"]
    main(["init", *arguments])
    printed = capsys.readouterr().out
    assert "texts in 'body', 3 labels in 'queue', up to 32 tokens" in printed
    assert f"tinybert-tf check --config {output}/config.yaml" in printed
