"""Files whose columns are not known yet: what there is in them, and which is what."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from tinybert_tf.data._dialect import open_rows
from tinybert_tf.data.tables import DELIMITED, JSON_LINES, json_objects, read_data_file
from tinybert_tf.errors import TinyBertError

# What people call such columns, the usual first. Case does not count.
_TEXT_NAMES = ("text", "sentence", "utterance", "query", "message", "review", "content", "body")
_LABEL_NAMES = ("label", "intent", "class", "category", "sentiment", "topic", "target", "score")
_PAIRS = (
    *(("sentence1", "sentence2"), ("text1", "text2"), ("question1", "question2")),
    *(("premise", "hypothesis"), ("query", "passage")),
)
# A column with more values than this, or than a third of the rows, has no classes.
_MOST_CLASSES = 500
# Numbers of more values than this are scores.
_MOST_GRADES = 12


@dataclasses.dataclass(frozen=True)
class Table:
    """A file as text, column by column.

    Args:
        path: path. Where it comes from.
        columns: dict of lists of str, all of one length, by name.
    """

    path: pathlib.Path
    columns: dict[str, list[str]]

    def __len__(self):
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[str]:
        """Returns the cells of a column.

        Raises:
            TinyBertError: if there is no such column; those that there are are named.
        """
        if name not in self.columns:
            raise TinyBertError(
                f"{self.path} has no column '{name}'. It has: {', '.join(self.columns)}."
            )
        return self.columns[name]


def read_columns(path: str | os.PathLike) -> Table:
    """Reads all columns of a file of delimited text or JSON lines.

    Args:
        path: str or path. `.csv`, `.tsv`, `.txt`, `.jsonl` or `.ndjson`.

    Raises:
        TinyBertError: if it cannot be read, or rows differ in their number of cells.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix in DELIMITED:
        rows = _delimited_rows(path)
    elif suffix in JSON_LINES:
        rows = _json_rows(path)
    else:
        raise TinyBertError(
            f"{path} ends in '{suffix}', expected .csv, .tsv, .txt or .jsonl. Save it as one."
        )
    if not rows:
        raise TinyBertError(f"{path} has a header and no rows.")
    return Table(path, {name: [row.get(name, "") for row in rows] for name in rows[0]})


def _delimited_rows(path: pathlib.Path) -> list[dict[str, str]]:
    dialect, header, records = open_rows(path, read_data_file(path))
    rows = []
    for line, cells in records:
        if len(cells) != len(header):
            raise TinyBertError(
                f"{path}, line {line}: {len(cells)} cells, expected {len(header)} "
                f"({', '.join(header)}): {dialect.hint}."
            )
        rows.append(dict(zip(header, cells, strict=True)))
    return rows


def _json_rows(path: pathlib.Path) -> list[dict[str, str]]:
    rows = []
    for _, _, row in json_objects(path, read_data_file(path)):
        # Lists and objects are neither text nor label.
        plain = {name: cell for name, cell in row.items() if not isinstance(cell, list | dict)}
        rows.append({name: _as_text(cell) for name, cell in plain.items()})
    return rows


def _as_text(cell: object) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else json.dumps(cell)


# === Which is what ===


def find_label_field(table: Table) -> str:
    """Tells which column holds the labels or scores.

    Args:
        table: `Table`.

    Raises:
        TinyBertError: if that cannot be told.
    """
    candidates = [name for name in table.columns if _may_be_labels(table.columns[name])]
    named = sorted(
        (name for name in candidates if name.lower() in _LABEL_NAMES),
        key=lambda name: _LABEL_NAMES.index(name.lower()),
    )
    if named or len(candidates) == 1:
        return (named or candidates)[0]
    raise TinyBertError(
        f"{table.path}: which column holds the labels? {_describe(table)} Name it with "
        "--label_field."
    )


def find_text_fields(table: Table, label_field: str) -> tuple[str, ...]:
    """Tells which column holds the texts, or which two hold pairs of them.

    Args:
        table: `Table`.
        label_field: str. The column of the labels.

    Raises:
        TinyBertError: if that cannot be told.
    """
    others = {name.lower(): name for name in table.columns if name != label_field}
    for pair in _PAIRS:
        if set(pair) <= others.keys():
            return tuple(others[name] for name in pair)
    named = [others[name] for name in _TEXT_NAMES if name in others]
    lengths = {name: sum(map(len, table.columns[name])) for name in others.values()}
    longest = sorted(lengths, key=lengths.get, reverse=True)
    if named or len(longest) == 1:
        return ((named or longest)[0],)
    if longest and lengths[longest[0]] > 2 * lengths[longest[1]]:
        return (longest[0],)
    raise TinyBertError(
        f"{table.path}: which column holds the texts? {_describe(table)} Name it with "
        "--text_fields (two names with a comma between them for pairs of texts)."
    )


def find_score_range(labels: Sequence[str]) -> tuple[float, float] | None:
    """Returns the lowest and highest score, or `None` where labels are classes.

    Args:
        labels: sequence of str.
    """
    values = {label for label in labels if label}
    try:
        scores = [float(value) for value in values]
    except ValueError:
        return None
    if len(values) <= _MOST_GRADES or not np.isfinite(scores).all():
        return None
    return min(scores), max(scores)


def _may_be_labels(cells: Sequence[str]) -> bool:
    values = {cell for cell in cells if cell}
    if 2 <= len(values) <= min(_MOST_CLASSES, max(len(cells) / 3, 2)):
        return True
    # Whole numbers that are all different count the rows.
    is_count = len(values) == len(cells) and all(value.isdecimal() for value in values)
    return not is_count and find_score_range(cells) is not None


def _describe(table: Table) -> str:
    parts = [
        f"'{name}' ({len(set(cells)):,} different values, such as {cells[0][:40]!r})"
        for name, cells in table.columns.items()
    ]
    return f"It has {len(table):,} rows and the columns {', '.join(parts)}."
