"""How a file of delimited text is written: its delimiter, its quotes, its line ends."""

import csv
import io
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tinybert_tf.errors import TinyBertError

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
"""Those that are told from a header, and what they are called."""

# Excel writes and reads this line before the header.
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?', re.IGNORECASE)


class Dialect(NamedTuple):
    """How rows are written.

    Args:
        delimiter: str. The character between cells.
        is_quoted: bool. Whether `"` around a cell is none of its text.
        leading_lines: int. Lines before the header.
    """

    delimiter: str
    is_quoted: bool
    leading_lines: int = 0

    @property
    def hint(self) -> str:
        """What to do about a row with too few or too many fields."""
        if not self.is_quoted:
            return "in a .tsv file no text can hold a tab or a line break; .csv and .jsonl can"
        name = DELIMITERS.get(self.delimiter, repr(self.delimiter))
        return f"quote the cells that hold a {name}"


def check_delimiter(delimiter: str) -> None:
    """Raises TinyBertError if a character cannot stand between cells."""
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise TinyBertError(
            f"The delimiter is {delimiter!r}, expected one character, such as ';' or a tab "
            '("\\t" in YAML).'
        )


def find_dialect(
    text: str,
    suffix: str = ".csv",
    columns: Sequence[str] = (),
    delimiter: str | None = None,
) -> Dialect:
    """Tells from the first lines of a file how it is written.

    The delimiter is that of Excel's line `sep=;`, else the one that divides the header into
    the columns looked for, or where none does into most columns. Tabs in a `.tsv` file come
    without quoting, as GLUE's files have it.

    Args:
        text: str. The whole file or its beginning.
        suffix: str. The end of the file's name: `.tsv`, or another.
        columns: sequence of str. Columns that the header should have; empty if unknown.
        delimiter: str or `None`. What is known already.

    Raises:
        TinyBertError: if the delimiter cannot be one.
    """
    if delimiter is not None:
        check_delimiter(delimiter)
    lines = split_lines(text[:1_000_000])
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    match = _SEPARATOR_LINE.fullmatch(lines[first].strip("\r \n"))
    leading = 0
    if match:
        leading, delimiter = first + 1, delimiter or match[1]
        first = next((i for i, line in enumerate(lines) if i > first and line.strip()), first)
    if delimiter is None:
        delimiter = _told_by_header(lines[first], suffix, columns)
    return Dialect(delimiter, not (suffix == ".tsv" and delimiter == "\t"), leading)


def _told_by_header(header: str, suffix: str, columns: Sequence[str]) -> str:
    usual = "\t" if suffix == ".tsv" else ","

    def fitness(delimiter: str) -> tuple[bool, int, bool]:
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            names = []
        names = [name.strip() for name in names]
        return bool(columns) and set(columns) <= {*names}, len(names), delimiter == usual

    return max(DELIMITERS, key=fitness)


class Rows(NamedTuple):
    """A file of delimited text that was opened.

    Args:
        dialect: `Dialect`.
        header: list of str. Names of the columns.
        records: iterator of line number and fields of each row that is not blank.
    """

    dialect: Dialect
    header: list[str]
    records: Iterator[tuple[int, list[str]]]


def open_rows(
    path: pathlib.Path, text: str, columns: Sequence[str] = (), delimiter: str | None = None
) -> Rows:
    """Tells how a file is written and reads its header.

    Args:
        path: path. The end of its name counts.
        text: str. The whole file.
        columns: sequence of str. See `find_dialect`.
        delimiter: str or `None`. See `find_dialect`.

    Raises:
        TinyBertError: if the delimiter cannot be one or the quoting is broken.
    """
    dialect = find_dialect(text, path.suffix.lower(), columns, delimiter)
    records = read_records(path, text, dialect)
    header = [name.strip() for name in next(records, (1, []))[1]]
    return Rows(dialect, header, records)


def read_records(
    path: pathlib.Path, text: str, dialect: Dialect
) -> Iterator[tuple[int, list[str]]]:
    """Yields first line number and fields of every record that is not blank.

    The first one is the header. Excel's rows of empty cells are blank, too.

    Args:
        path: path. For messages.
        text: str. The whole file.
        dialect: `Dialect`.

    Raises:
        TinyBertError: if the quoting is broken; the line is named.
    """
    if dialect.is_quoted:
        records = _quoted_records(path, text, dialect.delimiter)
    else:
        records = tsv_records(text)
    for line, fields in records:
        if line > dialect.leading_lines and any(map(str.strip, fields)):
            yield line, fields


def split_lines(text: str) -> list[str]:
    """Splits at line feeds; at carriage returns if there are no line feeds.

    `str.splitlines` would also break at U+0085, U+2028 and others that occur inside of texts.
    """
    return text.split("\n" if "\n" in text else "\r")


def tsv_records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and fields, without quoting, of every line that is not empty."""
    for line, record in enumerate(split_lines(text), start=1):
        record = record.removesuffix("\r")
        if record:
            yield line, record.split("\t")


def _quoted_records(
    path: pathlib.Path, text: str, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    # The whole file is in memory: no cell is too long. The module knows one limit for all.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
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
        yield line, fields
