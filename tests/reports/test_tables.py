"""What a run prints, to a terminal and to a file."""

import dataclasses

from tinybert_tf.reports.tables import ResultsTable, print_config, print_table
from tinybert_tf.runs.config_file import parse_config

COLUMNS = ("model", "accuracy", "f1", "retained", "same label", "params", "size", "ms")
ROW = ("teacher, matched", "0.8123", "0.8765", "100.0%", "98.7%", "109.48 M", "437.9 MB", "9")


def test_a_table_in_a_file_has_every_digit(capsys, monkeypatch):
    """A file has no width; rich takes 80 columns, and this is wider."""
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(ResultsTable("title", "how to read it", COLUMNS, (ROW,)))
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if "teacher" in line)
    assert tuple(cell.strip() for cell in row.strip("│").split("│")) == ROW
    assert len(row) > 80


def test_a_config_in_a_file_has_whole_lines(capsys, monkeypatch, tiny_values):
    monkeypatch.delenv("COLUMNS", raising=False)
    path = "/".join(["folder"] * 30)
    config = dataclasses.replace(parse_config(tiny_values, "values"), run_directory=path)
    print_config(config)
    assert f"run_directory: {path}" in map(str.rstrip, capsys.readouterr().out.splitlines())
