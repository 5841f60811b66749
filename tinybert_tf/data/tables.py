"""Labelled texts from files with named columns: delimited text, JSON lines, Parquet."""

import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from tinybert_tf.data import _arrow
from tinybert_tf.data._dialect import Dialect, open_rows, split_lines
from tinybert_tf.data.examples import Examples, Row, find_columns, to_examples
from tinybert_tf.data.labels import several_labels
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import missing_hint, read_text_file

DELIMITED = (".tsv", ".csv", ".txt")
JSON_LINES = (".jsonl", ".ndjson")
# The first bytes of Excel's workbooks, new and old.
_WORKBOOK_MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# What Excel shows and saves in place of a text that begins with "=", "+" or "-".
_EXCEL_ERRORS = {"#NAME?", "#VALUE!", "#REF!", "#DIV/0!", "#N/A", "#NULL!", "#NUM!"}


def read_table(task: Task, path: str | os.PathLike, delimiter: str | None = None) -> Examples:
    """Reads a file with the task's columns: delimited text, JSON lines, Parquet.

    Columns are found by name; further columns are ignored, as are blank rows. Text is UTF-8,
    or UTF-16 with a byte order mark.

    - `.csv`, `.txt`: comma, tab, semicolon or pipe, told from the header or from Excel's line
      `sep=;`; `"` quotes.
    - `.tsv`: the same, but between tabs there is no quoting: a quote is a character like any
      other, and a text cannot hold a tab or a line break.
    - `.jsonl`, `.ndjson`: an object a line.
    - `.parquet`, or the folder of a split that `save_to_disk` of Hugging Face's `datasets`
      wrote; these need pyarrow.

    A class label is one of `task.labels`, or an index into them if all labels of the file are
    such indices and the names themselves are not integers. A score lies in
    `task.score_range`.

    Args:
        task: Task. The columns to read and the labels to expect.
        path: str or path. The file.
        delimiter: str or `None`. The character between cells; `None` tells it from the header.

    Raises:
        TinyBertError: if the file cannot be read, lacks a column, or has a row without a
            usable text or label (with its line).
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if _arrow.is_arrow(path):
        return to_examples(task, f"{path}, row", _arrow.read_rows(task, path))
    if suffix not in (*DELIMITED, *JSON_LINES) and not os.path.isdir(path):
        kinds = ", ".join((*DELIMITED, *JSON_LINES, ".parquet"))
        raise TinyBertError(
            f"{path} ends in '{suffix}', expected one of: {kinds}. Convert it, or rename it if "
            "only the name is wrong."
        )
    text = read_data_file(path)
    if suffix in JSON_LINES:
        rows = _read_jsonl_table(task, path, text)
    else:
        rows = _read_delimited_table(task, path, text, delimiter)
    return to_examples(task, f"{path}, line", rows)


def read_texts(
    path: str | os.PathLike, columns: Sequence[str], delimiter: str | None = None
) -> tuple[tuple[str, ...], ...]:
    """Reads texts without labels from what `read_table` takes.

    Args:
        path: str or path. The file.
        columns: sequence of str. Those of the texts.
        delimiter: str or `None`. See `read_table`.

    Returns:
        tuple of tuples of str, one for each column.

    Raises:
        TinyBertError: if the file cannot be read, lacks a column, or has a row without text.
    """
    path, columns = pathlib.Path(path), tuple(columns)
    if _arrow.is_arrow(path):
        rows = _arrow.read_text_rows(path, columns)
    elif path.suffix.lower() in JSON_LINES:
        rows = (
            (number, _json_texts(where, row, columns), "")
            for number, where, row in json_objects(path, read_data_file(path), columns)
        )
    else:
        text = read_data_file(path)
        dialect, header, records = open_rows(path, text, columns, delimiter)
        rows = pick_columns(path, header, columns, records, dialect)
    texts = []
    for number, cells, problem in rows:
        if problem or not all(map(str.strip, cells)):
            unit = "row" if _arrow.is_arrow(path) else "line"
            raise TinyBertError(f"{path}, {unit} {number}: {problem or 'a text is empty'}.")
        texts.append(cells)
    if not texts:
        raise TinyBertError(f"{path}: there are no rows, expected one or more.")
    return tuple(zip(*texts, strict=True))


# === Files and columns ===


def read_data_file(path: pathlib.Path) -> str:
    """Returns the text of a file without a byte order mark; refuses what holds no text."""
    if os.path.isdir(path):
        raise TinyBertError(f"{path} is a folder, expected a data file. Name the file in it.")
    if not os.path.exists(path):
        raise TinyBertError(f"There is no data file {path}.{missing_hint(path)}")
    with open(path, "rb") as file:
        if file.read(4) in _WORKBOOK_MAGIC:
            raise TinyBertError(
                f"{path} is a workbook of Excel, expected text. Save it as 'CSV UTF-8'."
            )
    # Excel and the original MRPC files begin with a byte order mark; left in, it would be
    # part of the first column's name.
    text = read_text_file(path, "data file").removeprefix("\ufeff")
    if not text.strip():
        raise TinyBertError(f"{path} is empty, expected rows of text and label.")
    if "\0" in text:
        raise TinyBertError(
            f"{path} holds zero bytes: it is UTF-16 without a byte order mark, or no text. "
            "Save it as UTF-8."
        )
    return text


def pick_columns(
    path: pathlib.Path,
    header: Sequence[str],
    wanted: Sequence[str],
    records: Iterable[tuple[int, list[str]]],
    dialect: Dialect,
) -> Iterator[Row]:
    """Yields the wanted cells of each record, or how its number of fields is wrong."""
    positions = find_columns(path, tuple(header), wanted)
    width = len(header)
    for line, fields in records:
        if len(fields) == width:
            yield line, tuple(fields[i] for i in positions), ""
        else:
            much = "few" if len(fields) < width else "many"
            problem = f"too {much} fields: {len(fields)}, expected {width} ({dialect.hint})"
            yield line, (), problem


def _read_delimited_table(
    task: Task, path: pathlib.Path, text: str, delimiter: str | None
) -> Iterator[Row]:
    wanted = (*task.text_fields, task.label_field)
    dialect, header, records = open_rows(path, text, wanted, delimiter)
    _check_label_column(task, path, header)
    for line, cells, problem in pick_columns(path, header, wanted, records, dialect):
        lost = next((cell for cell in cells[:-1] if cell in _EXCEL_ERRORS), None)
        if lost:
            problem = (
                f"a text is {lost}, which Excel writes in place of one that begins with '=', "
                "'+' or '-'; the text itself is lost"
            )
        yield line, cells, problem


def _check_label_column(task: Task, where: object, names: Sequence[str]) -> None:
    """Raises TinyBertError if there is a column a label in place of one for all."""
    columns = [label for label in task.labels or () if label in names]
    if task.label_field not in names and len(columns) > 1:
        raise TinyBertError(
            f"{where}: there is no column '{task.label_field}', but columns "
            f"{', '.join(map(repr, columns))}, one a label. A text has one label here; tasks "
            f"of several labels a text are not supported yet. Write one column "
            f"'{task.label_field}' with the name of the label."
        )


def _read_jsonl_table(task: Task, path: pathlib.Path, text: str) -> Iterator[Row]:
    wanted = (*task.text_fields, task.label_field)
    for number, where, row in json_objects(path, text, wanted):
        _check_label_column(task, where, tuple(row))
        texts = _json_texts(where, row, task.text_fields)
        find_columns(where, tuple(row), wanted)
        yield number, (*texts, _json_label(task, where, row[task.label_field])), ""


def json_objects(
    path: pathlib.Path, text: str, wanted: Sequence[str] = ()
) -> Iterator[tuple[int, str, dict]]:
    """Yields line number, place for messages, and object of every line that is not blank.

    Args:
        path: path. For messages.
        text: str. The whole file.
        wanted: sequence of str. The members that are looked for, for messages.

    Raises:
        TinyBertError: if a line is not a JSON object.
    """
    for number, record in enumerate(split_lines(text), start=1):
        if not record.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(record)
        except (ValueError, RecursionError) as error:
            raise TinyBertError(
                f"{where}: not valid JSON ({error}). Write one complete object per line."
            ) from error
        if not isinstance(row, dict):
            raise TinyBertError(
                f"{where}: holds a {type(row).__name__}, expected an object"
                f"{' with ' * bool(wanted)}{', '.join(map(repr, wanted))}."
            )
        yield number, where, row


def _json_texts(where: str, row: dict, columns: Sequence[str]) -> tuple[str, ...]:
    find_columns(where, tuple(row), columns)
    for name in columns:
        _check_json_text(where, name, row[name])
    return tuple(row[name] for name in columns)


def _check_json_text(where: str, name: str, cell: object) -> None:
    if not isinstance(cell, str):
        raise TinyBertError(
            f"{where}: '{name}' is {json.dumps(cell)[:80]}, expected a string. Quote it."
        )
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError as error:
        # Half of a surrogate pair is valid JSON, but no tokenizer can take it.
        raise TinyBertError(
            f"{where}: '{name}' holds {cell[error.start]!r}, half a character. "
            "Write both halves of the surrogate pair, or the character itself."
        ) from error


def _json_label(task: Task, where: str, cell: object) -> str:
    """Returns a JSON value as the text a table would hold, null as no label."""
    if cell is None:
        return ""
    if isinstance(cell, list | dict):
        raise TinyBertError(
            f"{where}: '{task.label_field}' is {json.dumps(cell)[:80]}, expected a string or a "
            f"number.{several_labels(task.labels, cell)}"
        )
    return json.dumps(cell) if isinstance(cell, bool) else str(cell)
