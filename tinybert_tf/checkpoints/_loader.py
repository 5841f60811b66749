"""Tensors by name into a model's variables: what every format's table is loaded with.

A tensor that a model needs and the file lacks, has in another shape, or that nobody knows, is
an error that names it: weights are never left random in silence.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from tinybert_tf.errors import TinyBertError

# Lines of a message; hundreds of tensors have one cause.
_MOST_PROBLEMS = 12


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tensor of a checkpoint and the variable that it is for.

    Args:
        name: str. The tensor's.
        variable: `keras.Variable`.
        is_kernel: bool. Whether it is that of a dense layer [outputs, inputs], which Keras has
            the other way round.
        is_table: bool. Whether it has a row for each token: rows beyond the variable's, which
            pad the table to a round number, are left out.
        select: function of the tensor that returns what the variable gets, or `None`.
    """

    name: str
    variable: Any
    is_kernel: bool = False
    is_table: bool = False
    select: Callable[[np.ndarray], np.ndarray] | None = None

    def shape(self) -> tuple[int, ...]:
        """Returns the shape that the tensor is to have."""
        shape = tuple(self.variable.shape)
        return shape[::-1] if self.is_kernel else shape

    def value(self, tensor: np.ndarray) -> np.ndarray:
        """Returns what the variable gets, before its shape is looked at."""
        if self.select is not None:
            tensor = self.select(tensor)
        return tensor[: self.shape()[0]] if self.is_table else tensor


def dense_entries(prefix: str, layer) -> Iterator[Entry]:
    """Yields the entries of a dense layer, named as PyTorch does."""
    yield Entry(f"{prefix}.weight", layer.kernel, is_kernel=True)
    yield Entry(f"{prefix}.bias", layer.bias)


def norm_entries(prefix: str, layer) -> Iterator[Entry]:
    """Yields the entries of a LayerNorm, named as PyTorch does."""
    yield Entry(f"{prefix}.weight", layer.gamma)
    yield Entry(f"{prefix}.bias", layer.beta)


def take_off_prefix(
    tensors: dict[str, np.ndarray], landmark: str, base: str, source
) -> dict[str, np.ndarray]:
    """Returns tensors by names without what wrappers have put before them.

    Args:
        tensors: dict of arrays.
        landmark: str. The name, without any prefix, of a tensor that every encoder has.
        base: str. What the encoder's names begin with where there is a head, such as `"bert."`.
        source: path. For messages.

    Raises:
        TinyBertError: if there are several encoders.
    """
    prefixes = sorted(
        name.removesuffix(landmark)
        for name in tensors
        if name == landmark or name.endswith(f".{landmark}")
    )
    if len(prefixes) > 1:
        raise TinyBertError(
            f"{source} holds {len(prefixes)} encoders: {', '.join(map(repr, prefixes))}. Save "
            "the one that is to be loaded by itself."
        )
    wrapper = prefixes[0].removesuffix(base) if prefixes else ""
    if wrapper:
        logging.info("%s: names begin with '%s', which is taken off.", source, wrapper)
    return {
        name.removeprefix(wrapper).removeprefix(base): tensor
        for name, tensor in tensors.items()
    }


def assign(
    entries: Iterable[Entry],
    tensors: dict[str, np.ndarray],
    source,
    unused: Sequence[str] = (),
) -> None:
    """Assigns every entry, after all names and shapes were found right.

    Args:
        entries: iterable of `Entry`.
        tensors: dict of arrays by name.
        source: path. For messages.
        unused: sequence of str. What the names of tensors begin with that are left aside.

    Raises:
        TinyBertError: if a tensor is missing, unknown, of another shape, or has values that
            are no numbers.
    """
    entries = list(entries)
    problems = _problems(entries, tensors, tuple(unused))
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        lines = problems[:_MOST_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise TinyBertError(f"{source} does not fit:\n  " + "\n  ".join(lines))
    for entry in entries:
        value = entry.value(tensors[entry.name])
        if entry.is_table and len(value) < len(tensors[entry.name]):
            logging.info(
                "%s: %s has %d rows, %d of them for tokens.",
                source,
                entry.name,
                len(tensors[entry.name]),
                len(value),
            )
        entry.variable.assign(value.T if entry.is_kernel else value)


def _problems(
    entries: Sequence[Entry], tensors: dict[str, np.ndarray], unused: tuple[str, ...]
) -> list[str]:
    """Returns a line for each tensor that is missing, unknown or cannot be assigned."""
    problems = []
    for entry in entries:
        expected, tensor = entry.shape(), tensors.get(entry.name)
        if tensor is None:
            problems.append(f"missing: {entry.name} {expected}")
        elif tensor.dtype.kind not in "fiu":
            problems.append(f"wrong dtype: {entry.name} is {tensor.dtype}, expected numbers")
        elif tensor.ndim != len(expected) or entry.value(tensor).shape != expected:
            problems.append(
                f"wrong shape: {entry.name} is {tensor.shape}, the config says {expected}"
            )
        elif tensor.dtype.kind == "f" and not np.isfinite(entry.value(tensor)).all():
            problems.append(f"damaged: {entry.name} has values that are no numbers")
    known = {entry.name for entry in entries}
    for name, tensor in tensors.items():
        if name not in known and not name.startswith(unused):
            problems.append(f"unknown: {name} {tensor.shape}")
    return problems
