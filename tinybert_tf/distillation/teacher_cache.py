"""What a teacher says of the training examples, computed once and read from then on.

A teacher is not trained: of an example it says the same in every epoch and stage. A cache is a
directory that belongs to one teacher, its examples and the layers that a student learns from:

- `predictions`, float32;
- hidden states and attention scores of these layers, float16, without padding.

It is written piece by piece, so that a killed process goes on, and checked when it is opened.
"""

import bisect
import dataclasses
import functools
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from safetensors import safe_open
from safetensors.numpy import save_file

from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.distillation._kinds import kind_of
from tinybert_tf.distillation.stages import Stage
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file, hash_file
from tinybert_tf.models import encoder_of
from tinybert_tf.resumable import Format, Piece, ResumableDirectory, WrittenFile
from tinybert_tf.strict import strict_keyword_dataclass
from tinybert_tf.waiting import PassProgress

Contents = Literal["outputs", "predictions"]

FORMAT_VERSION = 2
# How much a killed process may lose, of the disk and of a large teacher's time; each piece is a
# few open files.
_PIECE_BYTES = 128 << 20
_PIECE_TOKENS = 1 << 17
_TOKENS_PER_BATCH = 4096


@dataclasses.dataclass(frozen=True)
class _Column:
    """An output of the teacher: of an example of n tokens, `[*before, n, ..., *after]`.

    Args:
        name: str. Of the output; of one of several predictions, `predictions.start`.
        axes: int. How many axes are as long as the example.
        before: tuple of int. The axes before them.
        after: tuple of int. The axes behind them.
        dtype: str.
    """

    name: str
    axes: int
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    dtype: str = "float16"

    def shape(self, length) -> tuple:
        return (*self.before, *[length] * self.axes, *self.after)

    def sizes(self, lengths: np.ndarray) -> np.ndarray:
        """Returns how many numbers examples of these lengths have."""
        return lengths.astype("int64") ** self.axes * int(np.prod(self.before + self.after))

    def cut(self, values: np.ndarray, length: int) -> np.ndarray:
        """Returns what an example of `length` tokens has of padded values."""
        return values[(slice(None),) * len(self.before) + (slice(length),) * self.axes]


@strict_keyword_dataclass
class Header:
    """What decides the content of a cache.

    Args:
        version: int. Of the format.
        teacher_sha256: str. Of its weights.
        examples: int. How many.
        examples_sha256: str. Of their token ids.
        contents: `"outputs"` or `"predictions"`.
        layers: tuple of int. Of the hidden states, 0 being the embedding output.
        precision: str. The teacher's policy.
    """

    version: int
    teacher_sha256: str
    examples: int
    examples_sha256: str
    contents: Contents
    layers: tuple[int, ...]
    precision: str


@strict_keyword_dataclass
class Manifest:
    """`manifest.json`: what a finished cache is and holds."""

    header: Header
    pieces: tuple[WrittenFile, ...]


FORMAT = Format(
    name="teacher cache",
    command="python -m tinybert_tf distill",
    version=FORMAT_VERSION,
    header=Header,
    summary=WrittenFile,
    manifest=Manifest,
    summary_name="piece-{:05d}.json",
)


class TeacherCache:
    """The outputs of a teacher for examples, on disk.

    Args:
        distiller: `TinyBertDistiller`. Whose teacher, and whose layer mapping.
        examples: `EncodedExamples`. What there will be batches of; those of the first of them
            may be asked for alone.
        contents: `"outputs"` is everything that the stages of a distillation ask for;
            `"predictions"` leaves hidden states and attention scores out.

    Example:
    ```python
    cache = TeacherCache(distiller, encoded, "outputs")
    cache.write("teacher_cache")
    batches = BucketedBatches(encoded, seed=42, further=cache.of_stage(INTERMEDIATE))
    ```
    """

    def __init__(self, distiller, examples: EncodedExamples, contents: Contents):
        self.contents = contents
        self._teacher = distiller.teacher
        self._examples = examples
        self._layers = cached_layers(distiller.layer_mapping)
        self._columns = {column.name: column for column in self._list_columns()}
        self._directory = ""
        self._files: dict[int, Any] = {}

    @property
    def bytes(self) -> int:
        """How much it takes on disk."""
        return sum(int(sizes.sum()) for sizes in self._bytes_by_example())

    def write(self, directory: str) -> None:
        """Computes what is not in a directory yet.

        Args:
            directory: str. On a local disk; made if it is missing.

        Raises:
            TinyBertError: if it holds something else, or an output is too large for float16.
        """
        header = self._header()
        work = ResumableDirectory(FORMAT, directory, header, self._pieces)
        manifest = work.manifest()
        if manifest and any(piece.find_fault(work.directory) for piece in manifest.pieces):
            shutil.rmtree(directory)
            work = ResumableDirectory(FORMAT, directory, header, self._pieces)
            manifest = None
        missing = work.open_pieces() if manifest is None else []
        left = sum(len(piece.content) for piece in missing)
        total = len(self._examples)
        with PassProgress("teacher's outputs", total, done=total - left) as progress:
            for piece in missing:
                for count in self._write_piece(work.directory, piece):
                    progress.advance(count)
        if manifest is None:
            work.finish(functools.partial(_make_manifest, header))
        self._directory = work.directory

    def of_stage(self, stage: Stage) -> "StageOutputs | None":
        """Returns what a stage asks for, for `BucketedBatches`; `None` if not all is here."""
        names = [name for name in self._columns if name.startswith("predictions")]
        names += stage.layer_outputs
        if not all(name in self._columns for name in names):
            return None
        return StageOutputs(self, [self._columns[name] for name in names])

    def length(self, row: int) -> int:
        """Returns the tokens of an example."""
        return int(self._examples.lengths[row])

    # === What there is of each example ===

    def _list_columns(self) -> Iterator[_Column]:
        encoder = encoder_of(self._teacher)
        if kind_of(self._teacher).has_predictions:
            predictions = self._teacher.output
            if isinstance(predictions, dict):
                for name in predictions:
                    yield _Column(f"predictions.{name}", 1, dtype="float32")
            else:
                yield _Column("predictions", 0, after=(predictions.shape[-1],), dtype="float32")
        if self.contents == "outputs":
            count = len(self._layers)
            yield _Column("hidden_states", 1, (count,), (encoder.hidden_dim,))
            yield _Column("attention_scores", 2, (count - 1, encoder.num_heads))

    def _bytes_by_example(self) -> Iterator[np.ndarray]:
        for column in self._columns.values():
            yield column.sizes(self._examples.lengths) * np.dtype(column.dtype).itemsize

    @functools.cached_property
    def _pieces(self) -> list[range]:
        """The examples of each piece."""
        # Of either there is a most.
        totals = (
            (np.cumsum(sum(self._bytes_by_example())), _PIECE_BYTES),
            (np.cumsum(self._examples.lengths), _PIECE_TOKENS),
        )
        pieces, start = [], 0
        while start < len(self._examples):
            stops = []
            for ends, most in totals:
                before = ends[start - 1] if start else 0
                stops.append(int(np.searchsorted(ends, before + most, "right")))
            stop = max(min(stops), start + 1)
            pieces.append(range(start, stop))
            start = stop
        return pieces

    def _header(self) -> Header:
        tokens = (self._examples.token_ids, self._examples.segment_ids)
        return Header(
            version=FORMAT_VERSION,
            teacher_sha256=_hash_arrays(self._teacher.get_weights()),
            examples=len(self._examples),
            examples_sha256=_hash_arrays((*tokens, self._examples.row_splits)),
            contents=self.contents,
            layers=self._layers,
            precision=self._teacher.dtype_policy.name,
        )

    # === Writing ===

    def _write_piece(self, directory: str, piece: Piece) -> Iterator[int]:
        """Writes the file of a piece and its summary; yields how many examples are done."""
        part = self._examples.part(piece.content)
        ends = {name: np.cumsum(c.sizes(part.lengths)) for name, c in self._columns.items()}
        values = {
            name: np.empty(ends[name][-1], column.dtype)
            for name, column in self._columns.items()
        }
        for rows in BucketedBatches(part, _TOKENS_PER_BATCH).plan(0):
            outputs = self._compute(part.batch(rows)[0])
            for name, column in self._columns.items():
                for padded, row in zip(outputs[name].numpy(), rows, strict=True):
                    example = column.cut(padded, part.lengths[row]).ravel()
                    _check_range(name, example, column.dtype)
                    values[name][ends[name][row] - example.size : ends[name][row]] = example
            yield len(rows)
        name = f"piece-{piece.number:05d}.safetensors"
        with atomic_file(f"{directory}/{name}") as path:
            save_file(values, path)
            summary = WrittenFile(name=name, size=os.path.getsize(path), sha256=hash_file(path))
        FORMAT.write_summary(directory, piece.number, summary)

    @functools.cached_property
    def _compute(self):
        with_layers = self.contents == "outputs"
        model = self._teacher.expose(hidden_states=with_layers, attention_scores=with_layers)
        ids = tf.TensorSpec((None, None), tf.int32)
        names = ("token_ids", "segment_ids", "padding_mask")

        @tf.function(input_signature=[dict.fromkeys(names, ids)])
        def compute(inputs):
            outputs = model(inputs, training=False)
            columns = {}
            predictions = outputs.get("predictions")
            if isinstance(predictions, dict):
                columns |= {f"predictions.{name}": x for name, x in predictions.items()}
            elif predictions is not None:
                columns["predictions"] = predictions
            if with_layers:
                hidden = [outputs["hidden_states"][g] for g in self._layers]
                scores = [outputs["attention_scores"][g - 1] for g in self._layers if g]
                columns["hidden_states"] = tf.stack(hidden, axis=1)
                columns["attention_scores"] = tf.stack(scores, axis=1)
            # float16 is left to the check of its range.
            return {name: tf.cast(x, tf.float32) for name, x in columns.items()}

        return compute

    # === Reading ===

    @functools.cached_property
    def _first_examples(self) -> list[int]:
        return [examples.start for examples in self._pieces]

    @functools.cached_property
    def _ends(self) -> dict[str, np.ndarray]:
        lengths = self._examples.lengths
        return {name: np.cumsum(c.sizes(lengths)) for name, c in self._columns.items()}

    def _file(self, number: int):
        if number not in self._files:
            path = f"{self._directory}/piece-{number:05d}.safetensors"
            self._files[number] = safe_open(path, "np")
        return self._files[number]

    def read(self, name: str, row: int) -> np.ndarray:
        """Returns an output of an example, without padding."""
        column, ends = self._columns[name], self._ends[name]
        number = bisect.bisect_right(self._first_examples, row) - 1
        first = self._first_examples[number]
        before = ends[first - 1] if first else 0
        start = ends[row - 1] if row else 0
        values = self._file(number).get_slice(name)[start - before : ends[row] - before]
        return values.reshape(column.shape(self._examples.lengths[row]))


class StageOutputs:
    """What `BucketedBatches` adds to the inputs of a batch, as `teacher_outputs`.

    Args:
        cache: `TeacherCache`.
        columns: sequence of `_Column`.
    """

    def __init__(self, cache: TeacherCache, columns: Sequence[_Column]):
        self._cache = cache
        self._columns = columns

    @property
    def signature(self) -> dict:
        """The `tf.TensorSpec`s of `batch`."""
        specs = {
            column.name: tf.TensorSpec((None, *column.shape(None)), tf.as_dtype(column.dtype))
            for column in self._columns
        }
        return {"teacher_outputs": specs}

    def batch(self, rows: np.ndarray, length: int) -> dict:
        """Returns the outputs of some examples, padded with zeros.

        Args:
            rows: int array [batch]. Which examples.
            length: int. To pad to.
        """
        outputs = {}
        for column in self._columns:
            padded = np.zeros((len(rows), *column.shape(length)), column.dtype)
            for i, row in enumerate(rows):
                example = self._cache.read(column.name, row)
                column.cut(padded[i], self._cache.length(row))[...] = example
            outputs[column.name] = padded
        return {"teacher_outputs": outputs}


def cached_layers(layer_mapping: Sequence[int]) -> tuple[int, ...]:
    """Returns the hidden states of a teacher that a cache has, in their order.

    Args:
        layer_mapping: sequence of int. The teacher layer of each student layer, 0 first.
    """
    return tuple(sorted({0, *layer_mapping}))


def encoder_inputs(x: dict) -> dict:
    """Returns the inputs of a batch without what a cache has added."""
    return {name: value for name, value in x.items() if name != "teacher_outputs"}


def as_outputs(cached: dict, layer_mapping: Sequence[int]) -> dict:
    """Returns what a cache has of a batch as the teacher itself would output it.

    Args:
        cached: dict of tensors. The `teacher_outputs` of a batch.
        layer_mapping: sequence of int. See `cached_layers`.

    Returns:
        dict. Hidden states and attention scores are dicts, by number of what a teacher has in
        a list: only those of the mapping are there.
    """
    outputs, parts = {}, {}
    for name, value in cached.items():
        if name.startswith("predictions."):
            parts[name.removeprefix("predictions.")] = value
        elif name == "predictions":
            outputs[name] = value
    if parts:
        outputs["predictions"] = parts
    layers = cached_layers(layer_mapping)
    if "hidden_states" in cached:
        hidden = cached["hidden_states"]
        outputs["hidden_states"] = {g: hidden[:, i] for i, g in enumerate(layers)}
    if "attention_scores" in cached:
        scores = cached["attention_scores"]
        outputs["attention_scores"] = {g - 1: scores[:, i] for i, g in enumerate(layers[1:])}
    return outputs


def _hash_arrays(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _make_manifest(header: Header, pieces: Sequence[WrittenFile]) -> Manifest:
    return Manifest(header=header, pieces=tuple(pieces))


def _check_range(name: str, values: np.ndarray, dtype: str) -> None:
    largest = np.abs(values).max()
    if not largest <= np.finfo(dtype).max:
        raise TinyBertError(
            f"The teacher's {name.replace('_', ' ')} reach {largest:g}, which {dtype} cannot "
            "hold. Let the cache have its predictions alone (teacher_cache: predictions)."
        )
