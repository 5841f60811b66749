"""Labelled texts from files with named columns: TSV, CSV, JSON lines."""

import csv
import io
import json
import operator
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from tinybert_tf.data.examples import Examples, Row, find_columns, to_examples
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.files import read_text_file

# What to do about a row with too few or too many fields.
_FIELD_HINTS = {
    ".tsv": "in a .tsv file no text can hold a tab or a line break; .csv and .jsonl can",
    ".csv": "quote the cells that hold a comma",
}


def read_table(task: Task, path: str | os.PathLike) -> Examples:
    """Reads a `.tsv`, `.csv` or `.jsonl` file (UTF-8) with the task's columns.

    Columns are found by name; further columns are ignored, as are empty lines. A `.tsv` file
    has no quoting: a quote is a character like any other, and a text cannot hold a tab or a
    line break. A `.csv` file quotes with `"`. A `.jsonl` file has one object per line.

    A class label is one of `task.labels`, or an index into them if all labels of the file are
    such indices and the names themselves are not integers. A score lies in
    `task.score_range`.

    Args:
        task: Task. The columns to read and the labels to expect.
        path: str or path. The file.

    Raises:
        TinyBertError: if the file cannot be read, lacks a column, or has a row without a
            usable text or label (with its line).
    """
    path = pathlib.Path(path)
    rows_of = {".tsv": _read_tsv_table, ".csv": _read_csv_table, ".jsonl": _read_jsonl_table}
    suffix = path.suffix.lower()
    if suffix not in rows_of and not os.path.isdir(path):
        raise TinyBertError(
            f"{path} ends in '{suffix}', expected one of: {', '.join(rows_of)}. Convert it, or "
            "rename it if only the name is wrong."
        )
    text = read_data_file(path)
    rows = rows_of[suffix](path, text, (*task.text_fields, task.label_field))
    return to_examples(task, f"{path}, line", rows)


# === Files and columns ===


def read_data_file(path: pathlib.Path) -> str:
    """Returns the text of a file without a byte order mark; refuses an empty one."""
    if os.path.isdir(path):
        raise TinyBertError(f"{path} is a folder, expected a data file. Name the file in it.")
    if not os.path.exists(path):
        siblings = [entry.name for entry in path.parent.glob("*")]
        raise TinyBertError(
            f"There is no data file {path}. Check the path.{nearest_name(path.name, siblings)}"
        )
    # Excel and the original MRPC files begin with a byte order mark; left in, it would be
    # part of the first column's name.
    text = read_text_file(path, "data file").removeprefix("\ufeff")
    if not text.strip():
        raise TinyBertError(f"{path} is empty, expected rows of text and label.")
    return text


def pick_columns(
    path: pathlib.Path,
    header: Sequence[str],
    wanted: Sequence[str],
    records: Iterable[tuple[int, list[str]]],
) -> Iterator[Row]:
    """Yields the wanted cells of each record, or how its number of fields is wrong."""
    pick = operator.itemgetter(*find_columns(path, tuple(header), wanted))
    width = len(header)
    hint = _FIELD_HINTS[path.suffix.lower()]
    for line, fields in records:
        if len(fields) == width:
            yield line, pick(fields), ""
        else:
            much = "few" if len(fields) < width else "many"
            yield line, (), f"too {much} fields: {len(fields)}, expected {width} ({hint})"


def tsv_records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and fields of every line that is not empty."""
    # Not str.splitlines: it also breaks lines at U+0085, U+2028 and other characters that
    # occur inside of texts.
    for line, record in enumerate(text.split("\n"), start=1):
        record = record.removesuffix("\r")
        if record:
            yield line, record.split("\t")


def _csv_records(path: pathlib.Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields first line number and fields of every record that is not empty."""
    # The whole file is in memory: no cell is too long. The module knows one limit for all.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TinyBertError(
                f"{path}, line {line}: the quoting is broken in the record that begins here "
                f"({error}). Close every quoted cell, and write a quote inside of one twice."
            ) from error
        if fields:
            yield line, fields


def _read_tsv_table(path: pathlib.Path, text: str, wanted: Sequence[str]) -> Iterator[Row]:
    records = tsv_records(text)
    return pick_columns(path, next(records)[1], wanted, records)


def _read_csv_table(path: pathlib.Path, text: str, wanted: Sequence[str]) -> Iterator[Row]:
    records = _csv_records(path, text)
    return pick_columns(path, next(records)[1], wanted, records)


def _read_jsonl_table(path: pathlib.Path, text: str, wanted: Sequence[str]) -> Iterator[Row]:
    for number, record in enumerate(text.split("\n"), start=1):
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
                f"{where}: holds a {type(row).__name__}, expected an object with "
                f"{', '.join(map(repr, wanted))}."
            )
        find_columns(where, tuple(row), wanted)
        *texts, label = (row[name] for name in wanted)
        for name, cell in zip(wanted, texts, strict=False):
            _check_json_text(where, name, cell)
        yield number, (*texts, _json_label(where, wanted[-1], label)), ""


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


def _json_label(where: str, name: str, cell: object) -> str:
    """Returns a JSON string or number as the text a table would hold, null as no label."""
    if cell is None:
        return ""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        raise TinyBertError(
            f"{where}: '{name}' is {json.dumps(cell)[:80]}, expected a string or a number."
        )
    return str(cell)
