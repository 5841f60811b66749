"""Reads the format in which `torch.save` wrote before PyTorch 1.6, without running it.

The file is a sequence of five pickles and the raw storages:

    a number that marks the format
    the version of the format
    about the host: a dictionary with its byte order and its widths of C integers
    the saved object, whose tensors refer to storages by key
    the keys of all storages, in the order in which they follow
    for each storage, the number of its elements (8 bytes) and the elements

Nothing says where a storage begins: that follows from the lengths of those before it. And
nothing has a checksum, so a changed weight cannot be noticed. What can be compared is: the
keys, the count in front of every storage, and that the last one ends with the file.
"""

import io
import os
from collections.abc import Iterable
from typing import Any, BinaryIO

from tinybert_tf.checkpoints._pytorch_pickle import (
    CONVERT,
    DOWNLOAD_AGAIN,
    MAX_PICKLE_BYTES,
    PickleReader,
    Storage,
    Unreadable,
    quote,
)

# Every pickle of protocol 2, which `torch.save` uses unless told otherwise, or later.
LEGACY_START = b"\x80"
_FORMAT_NUMBER = 0x1950A86A20F9469CFC6C
_FORMAT_VERSION = 1001
_COUNT_BYTES = 8


class LegacyContent:
    """The saved object of a file and access to its storages.

    Args:
        file: binary file. It is read from its start, and again by `read_storage`.

    Attributes:
        size: int. Bytes of the file.
        described: what the pickle of the saved object describes.

    Raises:
        Unreadable: if the file is damaged, of another format or of a big-endian host, or
            asks to run something.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        # A pickle may give a string the length of four gigabytes. This way all pickles
        # together have no more than the bytes that are read here.
        pickles = io.BytesIO(file.read(MAX_PICKLE_BYTES))
        _check_header(pickles)
        self.described, references = _read_pickle(pickles)
        keys, _ = _read_pickle(pickles)
        self._positions = self._find_storages(pickles.tell(), keys, _by_key(references))

    def read_storage(self, key: str) -> bytes:
        """Returns the bytes of one storage."""
        start, size = self._positions[key]
        self._file.seek(start)
        return self._file.read(size)

    def _find_storages(
        self, position: int, keys: Any, storages: dict[str, Storage]
    ) -> dict[str, tuple[int, int]]:
        """Returns where every storage starts in the file, and how many bytes it has."""
        are_names = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not are_names or sorted(keys) != sorted(storages):
            raise Unreadable(
                "does not list the storages that its tensors refer to, each one once. "
                f"{DOWNLOAD_AGAIN}"
            )
        positions = {}
        for key in keys:
            size = _count_bytes(storages[key])
            start = position + _COUNT_BYTES
            position = start + size
            if position > self.size:
                raise Unreadable(
                    f"is incomplete: it has {self.size} bytes, and storage {quote(key)} ends "
                    f"at {position}. {DOWNLOAD_AGAIN}"
                )
            self._file.seek(start - _COUNT_BYTES)
            count = int.from_bytes(self._file.read(_COUNT_BYTES), "little", signed=True)
            if count != storages[key].length:
                raise Unreadable(
                    f"is damaged: storage {quote(key)} has {count} elements, expected "
                    f"{storages[key].length}. {DOWNLOAD_AGAIN}"
                )
            positions[key] = start, size
        if position != self.size:
            raise Unreadable(
                f"is damaged: {self.size - position} bytes follow its last storage. "
                f"{DOWNLOAD_AGAIN}"
            )
        return positions


def _check_header(pickles: BinaryIO) -> None:
    """Reads the three pickles before the saved object."""
    number, _ = _read_pickle(pickles)
    if number != _FORMAT_NUMBER:
        raise Unreadable(
            "is a pickle, but not of `torch.save`, which writes a number of its own first. "
            "Save the state dict of the model with PyTorch."
        )
    version, _ = _read_pickle(pickles)
    if version != _FORMAT_VERSION:
        raise Unreadable(
            f"is not of version {_FORMAT_VERSION} of the format before PyTorch 1.6. {CONVERT}"
        )
    host, _ = _read_pickle(pickles)
    # The widths of C integers play no part: all numbers of the format have fixed widths.
    if not isinstance(host, dict) or host.get("little_endian") is not True:
        raise Unreadable(f"was not written on a little-endian host. {CONVERT}")


def _read_pickle(pickles: BinaryIO) -> tuple[Any, list[Storage]]:
    """Returns what the next pickle describes and the storages that it refers to."""
    reader = PickleReader()
    try:
        return reader.read(pickles), reader.storages
    except Unreadable as error:
        if pickles.tell() == MAX_PICKLE_BYTES:
            raise Unreadable(
                f"is damaged or describes its tensors in more than {MAX_PICKLE_BYTES} bytes. "
                f"{DOWNLOAD_AGAIN} If that does not help: {CONVERT}"
            ) from error
        raise


def _by_key(references: Iterable[Storage]) -> dict[str, Storage]:
    """Merges the references to the same storage, which must agree on its bytes."""
    storages: dict[str, Storage] = {}
    for storage in references:
        first = storages.setdefault(storage.key, storage)
        if first.length != storage.length or _count_bytes(first) != _count_bytes(storage):
            raise Unreadable(
                f"gives storage {quote(storage.key)} two different sizes. {DOWNLOAD_AGAIN}"
            )
    return storages


def _count_bytes(storage: Storage) -> int:
    return storage.length * storage.stored.itemsize
