"""Reads the weights of a `pytorch_model.bin` without PyTorch and without running it.

PyTorch (1.6 and later) saves a state dict as an uncompressed zip archive:

    <root>/data.pkl      a pickle: a dictionary of names to descriptions of tensors
    <root>/data/<key>    the raw bytes of one storage; several tensors may share it
    <root>/byteorder     "little" or "big" (PyTorch 2.1 and later)

Before 1.6 it wrote another format, which `pytorch_legacy` reads. Both hold a pickle, a
program that `pytorch_pickle` reads without running it.

What a description says (shape, strides, offset) is checked against the bytes of the storage
before an array is made from it.

Not supported, on purpose: the tar archives of the first versions of PyTorch, big-endian
files, TorchScript, and tensors that are sparse, quantized, complex or 8-bit floats.
"""

import contextlib
import math
import os
import pathlib
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from tinybert_tf.checkpoints._pytorch_legacy import LEGACY_START, LegacyContent
from tinybert_tf.checkpoints._pytorch_pickle import (
    CONVERT,
    DOWNLOAD_AGAIN,
    MAX_PICKLE_BYTES,
    PickleReader,
    Tensor,
    Unreadable,
    quote,
)
from tinybert_tf.errors import TinyBertError

_ZIP_MAGIC = b"PK\x03\x04"
# Arrays may outgrow the file: two names for tied weights, bfloat16 widened to float32, one
# row expanded with stride 0. A file whose arrays exceed this many times its size (or of
# the floor, for small files) was made to fill the memory.
_MAX_GROWTH = 16
_GROWTH_FLOOR_BYTES = 4 * 2**20
# Keys under which training scripts wrap the state dict, the usual one first.
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def read_pytorch_bin(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch state dict; no code in the file is run.

    The state dict may be the whole content, or stand under `"state_dict"`, `"model"` or
    `"model_state_dict"`. Entries of it that are not tensors are left out. Every array is
    contiguous and owns its memory, also when the file shares a storage between tensors.

    Args:
        path: str or path. A file that `torch.save` wrote, in the zip format of PyTorch 1.6
            and later or in the format before it.

    Returns:
        A dictionary of arrays by name, in the order of the file. bfloat16 becomes float32,
        every other dtype is kept.

    Raises:
        TinyBertError: if the file cannot be read, is in another format, is damaged, asks to
            run something, or describes tensors that its bytes do not hold.
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            content = _open_content(file)
            return _make_arrays(content, _find_state_dict(content.described))
    except OSError as error:
        raise TinyBertError(f"Cannot read the weights {path}: {error.strerror}.") from error
    except Unreadable as error:
        raise TinyBertError(f"{path} {error}") from error


class _ZipContent:
    """The entries of the zip file below its root folder.

    Attributes:
        size: int. Bytes of the file.
        described: what the pickle describes.
    """

    def __init__(self, file: BinaryIO):
        self.size = file.seek(0, os.SEEK_END)
        with _zip_errors():
            self._zip = zipfile.ZipFile(file)
        entries = self._zip.infolist()
        self._check_sizes(entries)
        names = [entry.filename for entry in entries]
        roots = [name for name in names if re.fullmatch(r"([^/]+/)?data\.pkl", name)]
        if len(roots) != 1:
            raise Unreadable(
                "is a zip file, but not of PyTorch: expected one entry data.pkl, found "
                f"{len(roots)}. {CONVERT}"
            )
        self._root = roots[0].removesuffix("data.pkl")
        self._entries = {entry.filename: entry for entry in entries}
        self._check_byte_order()
        self.described = PickleReader().read(self._read("data.pkl"))

    def read_storage(self, key: str) -> bytes:
        """Returns the bytes of one storage."""
        return self._read(f"data/{key}")

    def _read(self, name: str) -> bytes:
        """Returns the bytes of one entry; zipfile compares their checksum."""
        entry = self._entries.get(self._root + name)
        if entry is None:
            raise Unreadable(f"lacks the entry {quote(name)}. {DOWNLOAD_AGAIN}")
        if name == "data.pkl" and entry.file_size > MAX_PICKLE_BYTES:
            raise Unreadable(
                f"describes its tensors in {entry.file_size} bytes, at most "
                f"{MAX_PICKLE_BYTES} were expected. {CONVERT}"
            )
        with _zip_errors():
            return self._zip.read(entry)

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        # PyTorch stores entries as they are. A compressed or overlapping one could unfold
        # to any size.
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not stored or sum(entry.file_size for entry in entries) > self.size:
            raise Unreadable(
                "holds compressed or overlapping zip entries, which PyTorch does not write. "
                f"{CONVERT}"
            )

    def _check_byte_order(self) -> None:
        # Files of PyTorch before 2.1 do not say; they are little-endian on every common host.
        if self._root + "byteorder" in self._entries:
            order = self._read("byteorder").decode("latin-1")
            if order != "little":
                raise Unreadable(f"has byte order {quote(order)}, expected 'little'. {CONVERT}")


@contextlib.contextmanager
def _zip_errors() -> Iterator[None]:
    """Names every way in which zipfile fails on a damaged archive."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise Unreadable(f"is incomplete or damaged ({reason}). {DOWNLOAD_AGAIN}") from error


def _open_content(file: BinaryIO) -> _ZipContent | LegacyContent:
    """Tells the two formats apart by the first bytes."""
    head = file.read(len(_ZIP_MAGIC))
    if head == _ZIP_MAGIC:
        return _ZipContent(file)
    if head.startswith(LEGACY_START):
        return LegacyContent(file)
    if not head:
        raise Unreadable(f"is empty. {DOWNLOAD_AGAIN}")
    if _ZIP_MAGIC.startswith(head):
        raise Unreadable(f"is incomplete. {DOWNLOAD_AGAIN}")
    raise Unreadable(
        "is not a file of `torch.save`: neither a zip file, the format of PyTorch 1.6 and "
        f"later, nor in the format before it. {DOWNLOAD_AGAIN}"
    )


# === From descriptions to arrays ===


def _find_state_dict(content: Any) -> dict[str, Tensor]:
    """Returns the named tensors of the content or of the dictionary it wraps."""
    if not isinstance(content, dict):
        raise Unreadable(f"holds no state dict but something else. {CONVERT}")
    for candidate in (*(content.get(wrapper) for wrapper in _WRAPPERS), content):
        if isinstance(candidate, dict):
            tensors = {
                name: tensor
                for name, tensor in candidate.items()
                if isinstance(name, str) and isinstance(tensor, Tensor)
            }
            if tensors:
                return tensors
    names = [quote(name) for name in content if isinstance(name, str)]
    raise Unreadable(
        "holds no tensor. Expected a state dict, on its own or under one of "
        f"{', '.join(map(repr, _WRAPPERS))}; found {', '.join(names[:8]) or 'no names'}."
    )


def _make_arrays(
    content: _ZipContent | LegacyContent, tensors: dict[str, Tensor]
) -> dict[str, np.ndarray]:
    """Reads each storage once and makes the arrays of all its tensors."""
    room = _MAX_GROWTH * max(content.size, _GROWTH_FLOOR_BYTES)
    names_by_storage: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        # An empty tensor counts too: numpy limits the product of its other dimensions.
        elements = math.prod(max(dimension, 1) for dimension in tensor.size)
        room -= elements * tensor.storage.returned.itemsize
        if room < 0:
            raise Unreadable(
                f"describes tensors of more than {_MAX_GROWTH} times its own size, up to "
                f"{quote(name)}. {CONVERT}"
            )
        names_by_storage.setdefault(tensor.storage.key, []).append(name)
    arrays = {}
    for key, names in names_by_storage.items():
        storage = content.read_storage(key)
        for name in names:
            arrays[name] = _make_array(name, tensors[name], storage)
    return {name: arrays[name] for name in tensors}


def _make_array(name: str, tensor: Tensor, content: bytes) -> np.ndarray:
    """Copies the elements of a tensor out of its storage.

    Element `(i_0, ..., i_n)` is number `offset + sum_k i_k * stride_k` of the storage.
    """
    storage = tensor.storage
    itemsize = storage.stored.itemsize
    if storage.length * itemsize > len(content):
        raise Unreadable(
            f"has {len(content)} bytes for tensor {quote(name)}, expected "
            f"{storage.length * itemsize}. {DOWNLOAD_AGAIN}"
        )
    if 0 in tensor.size:
        return np.zeros(tensor.size, storage.returned)
    # PyTorch leaves any number as the stride of a dimension of one, which is never stepped.
    strides = [
        0 if dimension == 1 else stride
        for dimension, stride in zip(tensor.size, tensor.stride, strict=True)
    ]
    last = tensor.offset + sum(
        (dimension - 1) * stride for dimension, stride in zip(tensor.size, strides, strict=True)
    )
    if last >= storage.length:
        raise Unreadable(
            f"describes tensor {quote(name)} with shape {tensor.size}, stride "
            f"{tensor.stride} and offset {tensor.offset}, which does not fit its storage of "
            f"{storage.length} elements. {DOWNLOAD_AGAIN}"
        )
    view = np.ndarray(
        tensor.size,
        storage.stored,
        content,
        tensor.offset * itemsize,
        tuple(stride * itemsize for stride in strides),
    )
    return view.astype(storage.returned, order="C")
