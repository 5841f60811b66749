"""What a run prints, to a terminal and to a file."""

from tinybert_tf.reports.tables import ResultsTable, print_table

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
