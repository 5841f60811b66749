"""Rows of Parquet files and of Hugging Face `datasets` on disk, read by pyarrow."""

import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from tinybert_tf.data.examples import Row, find_columns
from tinybert_tf.data.labels import several_labels
from tinybert_tf.data.tasks import Task
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import missing_hint

_INSTALL = "pip install 'tinybert-tf[parquet]'"
# What `save_to_disk` leaves in the folder of a split, and in that of several.
_SPLIT, _SPLITS = "state.json", "dataset_dict.json"
_BATCH_ROWS = 4096


def is_arrow(path: pathlib.Path) -> bool:
    """Tells whether a path is a Parquet file or a folder of `datasets`.

    Args:
        path: path.
    """
    if path.is_dir():
        return any((path / name).exists() for name in (_SPLIT, _SPLITS))
    return path.suffix.lower() == ".parquet"


def read_rows(task: Task, path: pathlib.Path) -> Iterator[Row]:
    """Yields the texts and the label of each row; numbers of a `ClassLabel` as its names.

    Args:
        task: Task. The columns to read.
        path: path. See `is_arrow`.

    Raises:
        TinyBertError: if pyarrow is missing or of no use, the file is damaged, or a column is
            missing or of another type.
    """
    table = _open(path)
    wanted = (*task.text_fields, task.label_field)
    find_columns(path, table.column_names, wanted)
    names = _class_names(path, table, task.label_field)
    for number, (*texts, label) in _read(table, wanted):
        cells = (
            *_texts(path, number, task.text_fields, texts),
            _label(task, names, label, path, number),
        )
        yield number, cells, ""


def read_text_rows(path: pathlib.Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """Yields the texts of each row.

    Args:
        path: path. See `is_arrow`.
        columns: tuple of str.

    Raises:
        TinyBertError: see `read_rows`.
    """
    table = _open(path)
    find_columns(path, table.column_names, columns)
    for number, texts in _read(table, columns):
        yield number, _texts(path, number, columns, texts), ""


def _read(table, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple]]:
    """Yields the number, from 1, and the values of each row."""
    numbers = itertools.count(1)
    for batch in table.select(columns).to_batches(_BATCH_ROWS):
        values = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        yield from zip(numbers, values, strict=False)


def _texts(path, number: int, names: tuple[str, ...], values) -> tuple[str, ...]:
    for name, text in zip(names, values, strict=True):
        if text is not None and not isinstance(text, str):
            raise TinyBertError(
                f"{path}, row {number}: '{name}' is {str(text)[:80]!r}, expected text."
            )
    return tuple(text or "" for text in values)


def _label(task: Task, names: list[str] | None, value: Any, path, number: int) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise TinyBertError(
            f"{path}, row {number}: '{task.label_field}' is {str(value)[:80]}, expected a name "
            f"or a number.{several_labels(task.labels, value)}"
        )
    if names is not None and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else str(value)
    return str(value)


def _open(path: pathlib.Path):
    """Returns a table of a file or of a folder of one split."""
    if not path.exists():
        raise TinyBertError(f"There is no data file {path}.{missing_hint(path)}")
    try:
        import pyarrow
        from pyarrow import ipc, parquet
    except ImportError as error:
        raise TinyBertError(
            f"{path} needs pyarrow, which cannot be imported ({error}): {_INSTALL}."
        ) from error
    if (path / _SPLITS).exists():
        splits = _read_json(path / _SPLITS).get("splits", [])
        raise TinyBertError(
            f"{path} holds the splits {', '.join(map(str, splits))} of a data set. Name the "
            f"folder of one: {path / str(splits[0] if splits else 'train')}."
        )
    try:
        if path.is_file():
            return parquet.read_table(path)
        files = [part["filename"] for part in _read_json(path / _SPLIT)["_data_files"]]
        parts = []
        for name in files:
            with pyarrow.memory_map(str(path / pathlib.PurePath(name).name)) as source:
                parts.append(ipc.open_stream(source).read_all())
        return pyarrow.concat_tables(parts)
    except (OSError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise TinyBertError(f"{path} cannot be read: {error}. Save it again.") from error


def _class_names(path: pathlib.Path, table, column: str) -> list[str] | None:
    """Returns the names of a `ClassLabel` in index order, `None` for any other feature."""
    if path.is_dir():
        features = _read_json(path / "dataset_info.json").get("features")
    else:
        stored = (table.schema.metadata or {}).get(b"huggingface", b"{}")
        features = json.loads(stored).get("info", {}).get("features")
    feature = features.get(column) if isinstance(features, dict) else None
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None


def _read_json(path: pathlib.Path) -> dict:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TinyBertError(f"{path} cannot be read: {error}. Save the data again.") from error
    return content if isinstance(content, dict) else {}
