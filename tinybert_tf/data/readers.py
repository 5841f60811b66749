"""Labelled texts from GLUE folders, from tables and from TensorFlow Datasets.

Every reader returns the same `Examples` and passes every row through the same checks. A table
of the user's is read strictly: its first unusable row is an error. The published sets hold a
few unusable rows that nobody can repair, so `read_glue` and `read_tfds` leave up to one row
in a thousand out, with a warning.
"""

import csv
import dataclasses
import io
import json
import operator
import os
import pathlib
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tinybert_tf.data.tasks import GLUE_TASKS, Task
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.files import read_text_file

# What the readers of the formats hand to `_to_examples`, row by row: the line (or example)
# number, the cells (texts, then label), and what makes the row unusable (cells is then `()`)
# or `""`.
_Row = tuple[int, tuple[str, ...], str]

# Quora Question Pairs as GLUE publishes it has some twenty lines cut in two by a line break
# inside a question, and two rows without a second question, in some 364,000 lines.
_MAX_UNUSABLE_SHARE = 1e-3

# How published sets write "no label": the MultiNLI release, and TFDS and GLUE test splits.
_NO_LABEL = ("", "-", "-1")

# What to do about a row with too few or too many fields.
_FIELD_HINTS = {
    ".tsv": "in a .tsv file no text can hold a tab or a line break; .csv and .jsonl can",
    ".csv": "quote the cells that hold a comma",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Texts and their labels, in the order of the source.

    Args:
        texts: tuple of tuples of str. One tuple of n strings per text field of the task.
        labels: array of shape `[n]`. int32 class indices, or float32 scores.

    Raises:
        TinyBertError: if the text fields and the labels are not of one length.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: np.ndarray

    def __post_init__(self):
        lengths = [len(field) for field in self.texts]
        if not lengths or any(self.labels.shape != (length,) for length in lengths):
            raise TinyBertError(
                f"Examples with text fields of lengths {lengths} and labels of shape "
                f"{self.labels.shape}: expected one or more fields, each as long as the labels."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Examples":
        """Returns the examples at `indices`, in that order; an index may come twice.

        Args:
            indices: sequence of int. Positions from 0 to `len(self) - 1`.

        Raises:
            TinyBertError: if an index is not an integer or lies outside.
        """
        indices = np.asarray(indices)
        if indices.size == 0:
            indices = indices.astype(np.int64)
        # A boolean mask would otherwise be taken for the positions 0 and 1.
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TinyBertError(
                f"take() was given indices of type {indices.dtype} and shape {indices.shape}, "
                "expected a flat list of integers. Pass a mask as np.flatnonzero(mask)."
            )
        outside = indices[(indices < 0) | (indices >= len(self))]
        if outside.size:
            raise TinyBertError(
                f"take() was given index {outside[0]}, expected 0 to {len(self) - 1}."
            )
        positions = indices.tolist()
        texts = tuple(tuple(field[i] for i in positions) for field in self.texts)
        return Examples(texts, self.labels[indices])


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
    text = _read_data_file(path)
    rows = rows_of[suffix](path, text, (*task.text_fields, task.label_field))
    return _to_examples(task, f"{path}, line", rows)


@dataclasses.dataclass(frozen=True)
class _GlueLayout:
    """Where a GLUE folder keeps a task: columns are texts in task order, then the label."""

    folder: str
    columns: tuple[str, ...]
    header: tuple[str, ...] | None = None  # given for files that have no header line
    splits: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"train": "train.tsv", "dev": "dev.tsv"}
    )
    test_splits: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"test": "test.tsv"}
    )


_GLUE_LAYOUTS = {
    "cola": _GlueLayout(
        "CoLA", ("sentence", "label"), header=("source", "label", "mark", "sentence")
    ),
    "sst2": _GlueLayout("SST-2", ("sentence", "label")),
    "mrpc": _GlueLayout("MRPC", ("#1 String", "#2 String", "Quality")),
    "stsb": _GlueLayout("STS-B", ("sentence1", "sentence2", "score")),
    "qqp": _GlueLayout("QQP", ("question1", "question2", "is_duplicate")),
    "mnli": _GlueLayout(
        "MNLI",
        ("sentence1", "sentence2", "gold_label"),
        splits={
            "train": "train.tsv",
            "dev": "dev_matched.tsv",
            "dev_matched": "dev_matched.tsv",
            "dev_mismatched": "dev_mismatched.tsv",
        },
        test_splits={
            "test_matched": "test_matched.tsv",
            "test_mismatched": "test_mismatched.tsv",
        },
    ),
    "qnli": _GlueLayout("QNLI", ("question", "sentence", "label")),
    "rte": _GlueLayout("RTE", ("sentence1", "sentence2", "label")),
    "wnli": _GlueLayout("WNLI", ("sentence1", "sentence2", "label")),
}


def read_glue(task: Task, directory: str | os.PathLike, split: str) -> Examples:
    """Reads a split of a GLUE task from the TSV files GLUE publishes.

    Args:
        task: Task. One of `GLUE_TASKS`, or a copy of one with its labels in another order
            (that of a teacher, say): labels are matched by name.
        directory: str or path. The folder of the task ("SST-2", "MRPC", ...).
        split: str. "train" or "dev"; for MNLI also "dev_matched", which "dev" stands for, and
            "dev_mismatched".

    Raises:
        TinyBertError: if the task is none of GLUE's, the file cannot be read, lacks a column,
            or has more than one row in a thousand without a usable text, or any row without a
            usable label.
    """
    layout, official = _glue_layout(task)
    path = _glue_path(layout, layout.splits, pathlib.Path(directory), split)
    records = _tsv_records(_read_data_file(path))
    header = layout.header or next(records)[1]
    rows = _pick_columns(path, header, layout.columns, records)
    # Where the files hold 0 and 1, these count in GLUE's order of the labels.
    by_glue = dataclasses.replace(task, labels=official.labels)
    examples = _to_examples(by_glue, f"{path}, line", rows, _MAX_UNUSABLE_SHARE)
    if task.labels == official.labels:
        return examples
    order = np.array([task.labels.index(name) for name in official.labels], np.int32)
    return Examples(examples.texts, order[examples.labels])


def read_glue_test(task: Task, directory: str | os.PathLike, split: str = "test") -> Examples:
    """Reads a test set of GLUE, whose labels are not public: every row, in its order.

    Args:
        task: Task. One of `GLUE_TASKS`, or a copy of one with its labels in another order.
        directory: str or path. The folder of the task ("SST-2", "MRPC", ...).
        split: str. "test"; for MNLI "test_matched" or "test_mismatched".

    Returns:
        `Examples`. Their labels are -1, or for regression `nan`.

    Raises:
        TinyBertError: if the task is none of GLUE's, the file cannot be read, lacks a column,
            or has a row of too few or too many fields. None is left out: a prediction is
            wanted for each.
    """
    layout, _ = _glue_layout(task)
    path = _glue_path(layout, layout.test_splits, pathlib.Path(directory), split)
    # Unlike the other files of CoLA, its test file has a header too.
    records = _tsv_records(_read_data_file(path))
    header = next(records)[1]
    columns = _find_columns(path, tuple(header), layout.columns[:-1])
    rows = []
    for line, fields in records:
        if len(fields) != len(header):
            raise TinyBertError(
                f"{path}, line {line}: {len(fields)} fields, expected {len(header)}. Get the "
                "file of GLUE again: a prediction is wanted for each of its rows."
            )
        rows.append([fields[column] for column in columns])
    if not rows:
        raise TinyBertError(f"{path}: there are no rows, expected one or more.")
    labels = np.full(len(rows), np.nan if task.is_regression else -1)
    dtype = np.float32 if task.is_regression else np.int32
    return Examples(tuple(zip(*rows, strict=True)), labels.astype(dtype))


def further_dev_splits(task: Task, source: str) -> dict[str, str]:
    """Returns the labelled splits to report beside `dev`: the mismatched one of MNLI.

    Args:
        task: Task.
        source: str. `"glue"` or `"tfds"`; whose names of splits.

    Returns:
        dict of str by str. What its figures are called, and the split.
    """
    if task.name != "mnli":
        return {}
    names = {"glue": "dev_mismatched", "tfds": "validation_mismatched"}
    return {"mismatched": names[source]} if source in names else {}


def read_tfds(
    task: Task, name: str, split: str, data_dir: str | os.PathLike | None = None
) -> Examples:
    """Reads a split from TensorFlow Datasets, downloading it at the first use.

    Args:
        task: Task. Its fields are features of the data set; its labels are matched with the
            names of the set's `ClassLabel`, whatever their order there.
        name: str. The data set, as "glue/sst2".
        split: str. The split or slice, as "train", "validation" or "train[:10%]".
        data_dir: str or path. Where prepared data sets are kept; None means the default of
            TensorFlow Datasets.

    Raises:
        TinyBertError: if there is no such data set or split, it cannot be prepared, its
            features or label names are not the task's, more than one example in a thousand
            has an empty text, or any has no usable label.
    """
    # Imported here: it takes long, and the other readers do without TensorFlow.
    import tensorflow_datasets as tfds

    source = f"TFDS data set {name!r}"
    builder = tfds_builder(tfds, name, data_dir)
    features = builder.info.features
    _find_columns(source, tuple(features), (*task.text_fields, task.label_field))
    for field in task.text_fields:
        if tfds_scalar_dtype(features[field]) != np.object_:
            raise TinyBertError(
                f"{source}: feature '{field}' is {features[field]}, not a text."
            )
    names = _tfds_label_names(tfds, task, source, features[task.label_field])
    prepare_tfds(builder, source, split)
    rows = _tfds_rows(tfds, task, builder.as_dataset(split=split), names)
    return _to_examples(task, f"{source} ({split}), example", rows, _MAX_UNUSABLE_SHARE)


def check_training_labels(task: Task, examples: Examples, source: str) -> None:
    """Refuses a training set nothing can be learned from.

    Args:
        task: Task. The task of the examples.
        examples: Examples. The training set.
        source: str. Where it comes from, for the message.

    Raises:
        TinyBertError: if all labels, or all scores, are the same.
    """
    found = np.unique(examples.labels)
    if found.size > 1:
        return
    if found.size == 0:
        raise TinyBertError(f"{source}: the training set is empty.")
    if task.is_regression:
        what = f"the score {found[0]:g}, expected different scores"
    else:
        what = f"the label '{task.labels[found[0]]}', expected two or more of: "
        what += ", ".join(task.labels)
    raise TinyBertError(
        f"{source}: all {len(examples)} training examples have {what}. "
        "Check that the file is complete and not sorted and cut."
    )


# === Files and columns ===


def _read_data_file(path: pathlib.Path) -> str:
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


def _find_columns(source: object, found: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Returns the position in `found` of every name in `wanted`."""
    for name in wanted:
        if found.count(name) != 1:
            problem = f"there is no column '{name}'"
            hint = nearest_name(name, found)
            if name in found:
                problem, hint = f"column '{name}' is there {found.count(name)} times", ""
            raise TinyBertError(
                f"{source}: {problem}. Columns found: {', '.join(map(repr, found))}.{hint} "
                "Name the columns of the file in the task, or rename them in the file."
            )
    return [found.index(name) for name in wanted]


def _pick_columns(
    path: pathlib.Path,
    header: Sequence[str],
    wanted: Sequence[str],
    records: Iterable[tuple[int, list[str]]],
) -> Iterator[_Row]:
    """Yields the wanted cells of each record, or how its number of fields is wrong."""
    pick = operator.itemgetter(*_find_columns(path, tuple(header), wanted))
    width = len(header)
    hint = _FIELD_HINTS[path.suffix.lower()]
    for line, fields in records:
        if len(fields) == width:
            yield line, pick(fields), ""
        else:
            much = "few" if len(fields) < width else "many"
            yield line, (), f"too {much} fields: {len(fields)}, expected {width} ({hint})"


def _tsv_records(text: str) -> Iterator[tuple[int, list[str]]]:
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


def _read_tsv_table(path: pathlib.Path, text: str, wanted: Sequence[str]) -> Iterator[_Row]:
    records = _tsv_records(text)
    return _pick_columns(path, next(records)[1], wanted, records)


def _read_csv_table(path: pathlib.Path, text: str, wanted: Sequence[str]) -> Iterator[_Row]:
    records = _csv_records(path, text)
    return _pick_columns(path, next(records)[1], wanted, records)


def _read_jsonl_table(path: pathlib.Path, text: str, wanted: Sequence[str]) -> Iterator[_Row]:
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
        _find_columns(where, tuple(row), wanted)
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


# === GLUE and TFDS ===


def _glue_layout(task: Task) -> tuple[_GlueLayout, Task]:
    if task.name not in GLUE_TASKS:
        raise TinyBertError(
            f"'{task.name}' is no GLUE task. Known: {', '.join(GLUE_TASKS)}."
            f"{nearest_name(task.name, GLUE_TASKS)} Read your own files with read_table."
        )
    official = GLUE_TASKS[task.name]
    if task.text_fields != official.text_fields:
        raise TinyBertError(
            f"Task '{task.name}' has text_fields {task.text_fields}, expected "
            f"{official.text_fields} as in GLUE_TASKS. Read your own files with read_table."
        )
    _check_same_labels(task, official.labels, "GLUE")
    return _GLUE_LAYOUTS[task.name], official


def _glue_path(
    layout: _GlueLayout, splits: dict[str, str], directory: pathlib.Path, split: str
) -> pathlib.Path:
    if split not in splits:
        kind = "labelled" if splits is layout.splits else "test"
        raise TinyBertError(
            f"{layout.folder} has no {kind} split '{split}'. Known: "
            f"{', '.join(splits)}.{nearest_name(split, splits)}"
        )
    file = splits[split]
    if not os.path.exists(directory / file):
        inside = directory / layout.folder
        hint = f" Did you mean '{inside}'?" if os.path.exists(inside / file) else ""
        raise TinyBertError(
            f"{directory} holds no {file}, expected the GLUE folder '{layout.folder}' with "
            f"{', '.join(sorted(set(splits.values())))}.{hint}"
        )
    return directory / file


def _check_same_labels(task: Task, names: Sequence[str] | None, source: str) -> None:
    if set(names or ()) != set(task.labels or ()):
        theirs = ", ".join(names) if names else "scores"
        ours = ", ".join(task.labels) if task.labels else "scores"
        raise TinyBertError(
            f"The labels of {source} are not those of task '{task.name}': {theirs} there, "
            f"expected {ours}. Give the task the labels of the data, in any order."
        )


def tfds_builder(tfds, name: str, data_dir: str | os.PathLike | None):
    """Returns the builder of a data set, or raises a `TinyBertError`."""
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        # TFDS prints all of its thousand names here.
        hint = nearest_name(name.split("/")[0].split(":")[0], tfds.list_builders())
        raise TinyBertError(
            f"There is no TFDS data set {name!r}.{hint} Import the module of a builder of your "
            "own first, or read a file with read_table."
        ) from error
    except (ImportError, OSError, ValueError) as error:
        raise TinyBertError(f"TFDS cannot open the data set {name!r}: {error}") from error


def tfds_scalar_dtype(feature) -> type:
    """Returns the NumPy type of a feature (text is `object`), `NoneType` if it is no scalar."""
    info = feature.get_tensor_info()
    # A nested feature answers with a dictionary.
    return info.np_dtype if getattr(info, "shape", None) == () else type(None)


def _tfds_label_names(tfds, task: Task, source: str, feature) -> tuple[str, ...] | None:
    """Returns the names the label feature counts, or None for a score."""
    names = tuple(feature.names) if isinstance(feature, tfds.features.ClassLabel) else None
    if names is None and not np.issubdtype(tfds_scalar_dtype(feature), np.floating):
        raise TinyBertError(
            f"{source}: feature '{task.label_field}' is {feature}, expected a ClassLabel or a "
            "floating point score. Write the set to a file and read it with read_table."
        )
    _check_same_labels(task, names, source)
    return names


def prepare_tfds(builder, source: str, split: str) -> None:
    """Downloads and prepares a data set unless it is, and checks that it has the split."""
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise TinyBertError(
            f"{source} cannot be prepared: {error}. Install the package {error.name!r}."
        ) from error
    except (OSError, ValueError) as error:
        raise TinyBertError(
            f"{source} cannot be downloaded and prepared: {error}. Check the network, or give "
            "the data_dir of a prepared copy."
        ) from error
    try:
        _ = builder.info.splits[split]
    except (KeyError, ValueError) as error:
        known = ", ".join(builder.info.splits)
        raise TinyBertError(
            f"{source} has no split {split!r}. Known: {known}, and slices of them."
            f"{nearest_name(split, builder.info.splits)}"
        ) from error


def _tfds_rows(tfds, task: Task, dataset, names: tuple[str, ...] | None) -> Iterator[_Row]:
    fields = (*task.text_fields, task.label_field)
    # Only the fields needed: others may be ragged, and would not form batches.
    dataset = dataset.map(lambda example: {field: example[field] for field in fields})
    number = 0
    # In batches, because the step from TensorFlow to Python costs more than the example.
    for batch in tfds.as_numpy(dataset.batch(1024)):
        *columns, labels = (batch[field] for field in fields)
        for *texts, label in zip(*columns, labels, strict=True):
            cell = str(label) if names is None else names[label] if label >= 0 else ""
            try:
                yield number, (*(text.decode("utf-8") for text in texts), cell), ""
            except UnicodeDecodeError as error:
                yield number, (), f"its text is not UTF-8 ({error.reason})"
            number += 1


# === Rows ===


def _to_examples(
    task: Task, where: str, rows: Iterable[_Row], max_unusable_share: float = 0.0
) -> Examples:
    """Checks every row and gathers the columns.

    Args:
        task: Task. Gives the names of the cells and the labels to expect.
        where: str. What stands before a row's number in a message ("train.tsv, line").
        rows: iterable of `_Row`.
        max_unusable_share: float. The share of unusable rows that only bring a warning.
    """
    numbers, cells, unusable = [], [], []
    for number, row, problem in rows:
        problem = problem or _empty_text(task, row)
        if problem:
            unusable.append((number, problem))
        else:
            numbers.append(number)
            cells.append(row)
    total = len(cells) + len(unusable)
    if not total:
        raise TinyBertError(
            f"{where.rpartition(', ')[0]}: there are no rows, expected one or more."
        )
    if unusable:
        number, problem = unusable[0]
        if len(unusable) > max_unusable_share * total:
            raise TinyBertError(f"{where} {number}: {problem}. Repair or remove the row.")
        warnings.warn(
            f"{where} {number}: {problem}. {len(unusable)} such row(s) of {total} left out.",
            stacklevel=3,
        )
    *texts, labels = zip(*cells, strict=True)
    to_array = _scores if task.is_regression else _class_indices
    return Examples(tuple(texts), to_array(task, where, numbers, labels))


def _empty_text(task: Task, cells: tuple[str, ...]) -> str:
    """Returns which text of a row is empty, or `""`."""
    for name, text in zip(task.text_fields, cells, strict=False):
        if not text or text.isspace():
            return f"the text in '{name}' is empty"
    return ""


def _class_indices(
    task: Task, where: str, numbers: Sequence[int], labels: Sequence[str]
) -> np.ndarray:
    index = {name: i for i, name in enumerate(task.labels)}
    by_position = {str(i): i for i in range(len(task.labels))}
    if by_position.keys() >= set(labels) and not _has_integer_names(task):
        index = by_position
    for number, label in zip(numbers, labels, strict=True):
        if label not in index:
            raise TinyBertError(f"{where} {number}: {_bad_label(task, label)}")
    return np.fromiter((index[label] for label in labels), np.int32, len(labels))


def _has_integer_names(task: Task) -> bool:
    return any(re.fullmatch(r"[+-]?\d+", name) for name in task.labels)


def _bad_label(task: Task, label: str) -> str:
    known = f"expected one of: {', '.join(task.labels)}"
    if label in _NO_LABEL:
        return (
            f"the row has no label ({task.label_field!r} is {label!r}), {known}. "
            "Remove the row, or name a labelled split."
        )
    indices = f" Indices 0 to {len(task.labels) - 1} do as well, if all rows have them."
    return (
        f"unknown label {label!r}, {known}.{nearest_name(label, task.labels)}"
        f"{'' if _has_integer_names(task) else indices}"
    )


def _scores(
    task: Task, where: str, numbers: Sequence[int], labels: Sequence[str]
) -> np.ndarray:
    low, high = task.score_range
    scores = np.empty(len(labels), np.float32)
    for i, (number, label) in enumerate(zip(numbers, labels, strict=True)):
        expected = f"expected a number from {low:g} to {high:g}"
        if not label:
            raise TinyBertError(
                f"{where} {number}: the row has no score ({task.label_field!r} is empty), "
                f"{expected}. Remove the row, or name a labelled split."
            )
        try:
            score = float(label)
        except ValueError:
            score = float("nan")
        if not low <= score <= high:  # not a number is never within
            raise TinyBertError(
                f"{where} {number}: the score is {label!r}, {expected}. Correct the row, or "
                "the score_range of the task."
            )
        scores[i] = score
    return scores
