"""Reads the weights of a `pytorch_model.bin` without PyTorch and without running it.

PyTorch (1.6 and later) saves a state dict as an uncompressed zip archive:

    <root>/data.pkl      a pickle: a dictionary of names to descriptions of tensors
    <root>/data/<key>    the raw bytes of one storage; several tensors may share it
    <root>/byteorder     "little" or "big" (PyTorch 2.1 and later)

A pickle is a program, and a hostile one can run any command when it is unpickled. Here it
is never unpickled: `_PickleReader` follows the few instructions that describe a dictionary
of tensors and refuses the rest. The functions the program names are never looked up, so
nothing outside this module can run. `pickle.Unpickler` with an allow-list in `find_class`
would not be enough: it still lets a file set attributes of the allowed functions, and
allocate gigabytes with one instruction of five bytes.

What a description says (shape, strides, offset) is checked against the bytes of the storage
before an array is made from it.

Not supported, on purpose: the format before PyTorch 1.6, big-endian files, TorchScript, and
tensors that are sparse, quantized, complex or 8-bit floats.
"""

import contextlib
import dataclasses
import math
import os
import pathlib
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from tinybert_tf.errors import TinyBertError

# The first bytes of a file written before PyTorch 1.6: a pickle of this magic number.
_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_ZIP_MAGIC = b"PK\x03\x04"
# The pickle of BERT-large has 60 kB. One of nothing but one-byte instructions (an empty
# dictionary each) grows seventyfold in memory.
_MAX_PICKLE_BYTES = 4 * 2**20
# Arrays may outgrow the file: two names for tied weights, bfloat16 widened to float32, one
# row expanded with stride 0. A file whose arrays exceed this many times its size (or of
# the floor, for small files) was made to fill the memory.
_MAX_GROWTH = 16
_GROWTH_FLOOR_BYTES = 4 * 2**20
_MAX_DIMENSIONS = 32
# Keys under which training scripts wrap the state dict, the usual one first.
_WRAPPERS = ("state_dict", "model", "model_state_dict")

_DOWNLOAD_AGAIN = "Download or copy it again."
_CONVERT = (
    "If you trust the file, convert it where PyTorch is installed: "
    "safetensors.torch.save_file(torch.load('pytorch_model.bin', weights_only=True), "
    "'model.safetensors')."
)


def read_pytorch_bin(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch state dict; no code in the file is run.

    The state dict may be the whole content, or stand under `"state_dict"`, `"model"` or
    `"model_state_dict"`. Entries of it that are not tensors are left out. Every array is
    contiguous and owns its memory, also when the file shares a storage between tensors.

    Args:
        path: str or path. A file that `torch.save` of PyTorch 1.6 or later wrote.

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
            archive = _Archive(file)
            content = _PickleReader().read(archive.read("data.pkl"))
            return _make_arrays(archive, _find_state_dict(content))
    except OSError as error:
        raise TinyBertError(f"Cannot read the weights {path}: {error.strerror}.") from error
    except _Unreadable as error:
        raise TinyBertError(f"{path} {error}") from error


class _Unreadable(Exception):
    """Why a file cannot be used, as a sentence that follows the name of the file."""


class _Archive:
    """The entries of the zip file below its root folder."""

    def __init__(self, file: BinaryIO):
        head = file.read(200)
        if not head.startswith(_ZIP_MAGIC):
            raise _Unreadable(_explain_other_format(head))
        self.size = file.seek(0, os.SEEK_END)
        with _zip_errors():
            self._zip = zipfile.ZipFile(file)
        entries = self._zip.infolist()
        self._check_sizes(entries)
        names = [entry.filename for entry in entries]
        roots = [name for name in names if re.fullmatch(r"([^/]+/)?data\.pkl", name)]
        if len(roots) != 1:
            raise _Unreadable(
                "is a zip file, but not of PyTorch: expected one entry data.pkl, found "
                f"{len(roots)}. {_CONVERT}"
            )
        self._root = roots[0].removesuffix("data.pkl")
        self._entries = {entry.filename: entry for entry in entries}
        self._check_byte_order()

    def read(self, name: str) -> bytes:
        """Returns the bytes of one entry; zipfile compares their checksum."""
        entry = self._entries.get(self._root + name)
        if entry is None:
            raise _Unreadable(f"lacks the entry {_quote(name)}. {_DOWNLOAD_AGAIN}")
        if name == "data.pkl" and entry.file_size > _MAX_PICKLE_BYTES:
            raise _Unreadable(
                f"describes its tensors in {entry.file_size} bytes, at most "
                f"{_MAX_PICKLE_BYTES} were expected. {_CONVERT}"
            )
        with _zip_errors():
            return self._zip.read(entry)

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        # PyTorch stores entries as they are. A compressed or overlapping one could unfold
        # to any size.
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not stored or sum(entry.file_size for entry in entries) > self.size:
            raise _Unreadable(
                "holds compressed or overlapping zip entries, which PyTorch does not write. "
                f"{_CONVERT}"
            )

    def _check_byte_order(self) -> None:
        # Files of PyTorch before 2.1 do not say; they are little-endian on every common host.
        if self._root + "byteorder" in self._entries:
            order = self.read("byteorder").decode("latin-1")
            if order != "little":
                raise _Unreadable(
                    f"has byte order {_quote(order)}, expected 'little'. {_CONVERT}"
                )


@contextlib.contextmanager
def _zip_errors() -> Iterator[None]:
    """Names every way in which zipfile fails on a damaged archive."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise _Unreadable(f"is incomplete or damaged ({reason}). {_DOWNLOAD_AGAIN}") from error


def _explain_other_format(head: bytes) -> str:
    if not head:
        return f"is empty. {_DOWNLOAD_AGAIN}"
    if head.startswith(_LEGACY_MAGIC):
        return f"is in the format of PyTorch before 1.6, which is not supported. {_CONVERT}"
    if len(head) < len(_ZIP_MAGIC) and _ZIP_MAGIC.startswith(head):
        return f"is incomplete. {_DOWNLOAD_AGAIN}"
    return (
        "is not a zip file, the format of PyTorch 1.6 and later. "
        f"{_DOWNLOAD_AGAIN} If it is an older format: {_CONVERT}"
    )


def _quote(text: str) -> str:
    """Returns text of the file, which may be anything, as a short printable literal."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")


# === What the pickle describes ===


@dataclasses.dataclass(frozen=True)
class _Global:
    """The name of a function or class in the pickle. It is never looked up."""

    name: str


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A run of elements in the archive.

    Args:
        key: str. The entry `data/<key>`.
        stored: np.dtype. The dtype of the bytes.
        returned: np.dtype. The dtype of the arrays made from them.
        length: int. How many elements the pickle says there are.
    """

    key: str
    stored: np.dtype
    returned: np.dtype
    length: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A strided view of a storage, all numbers in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _OrderedDict(dict):
    """A `collections.OrderedDict`, which unlike a plain dict may carry attributes."""


# Name of the storage class: dtype of its bytes, dtype of the array.
_STORAGES = {
    f"torch.{name}Storage": (np.dtype(stored), np.dtype(returned))
    for name, stored, returned in (
        ("Float", "<f4", np.float32),
        ("Half", "<f2", np.float16),
        ("BFloat16", ml_dtypes.bfloat16, np.float32),
        ("Double", "<f8", np.float64),
        ("Long", "<i8", np.int64),
        ("Int", "<i4", np.int32),
        ("Short", "<i2", np.int16),
        ("Char", "i1", np.int8),
        ("Byte", "u1", np.uint8),
        # Read as bytes: numpy assumes that a bool is 0 or 1 and misbehaves on others.
        ("Bool", "u1", np.bool_),
    )
}


def _describe_storage(identity: Any) -> _Storage:
    """Reads the persistent id `("storage", type, key, location, length)`."""
    match identity:
        case ("storage", _Global(name), str(key), str(), int(length)) if name in _STORAGES:
            if _is_count(length):
                return _Storage(key, *_STORAGES[name], length)
    raise _Unreadable(f"refers to a storage in an unknown way. {_CONVERT}")


def _describe_tensor(arguments: tuple) -> _Tensor:
    """Reads `(storage, offset, size, stride, requires_grad, hooks[, metadata])`."""
    if len(arguments) not in (6, 7):
        raise _Unreadable(f"describes a tensor in an unknown way. {_CONVERT}")
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, _Storage) or not _is_count(offset):
        raise _Unreadable(f"describes a tensor in an unknown way. {_CONVERT}")
    for numbers in (size, stride):
        if not isinstance(numbers, tuple) or not all(map(_is_count, numbers)):
            raise _Unreadable(f"gives a tensor an impossible shape or stride. {_CONVERT}")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise _Unreadable(
            f"gives a tensor {len(size)} dimensions and {len(stride)} strides, expected as "
            f"many of both and at most {_MAX_DIMENSIONS}. {_CONVERT}"
        )
    # The metadata marks values that are to be negated or conjugated when they are read.
    if arguments[6:] not in ((), (None,), ({},)):
        raise _Unreadable(f"holds a tensor with a pending operation. {_CONVERT}")
    return _Tensor(storage, offset, size, stride)


def _describe_parameter(arguments: tuple) -> _Tensor:
    """Reads `(tensor, requires_grad, hooks)`."""
    if len(arguments) != 3 or not isinstance(arguments[0], _Tensor):
        raise _Unreadable(f"describes a parameter in an unknown way. {_CONVERT}")
    return arguments[0]


def _describe_ordered_dict(arguments: tuple) -> _OrderedDict:
    """Reads `()`: a pickle creates the dictionary empty and then fills it."""
    if arguments:
        raise _Unreadable(f"describes a dictionary in an unknown way. {_CONVERT}")
    return _OrderedDict()


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**63


_CALLS: dict[str, Callable[[tuple], Any]] = {
    "collections.OrderedDict": _describe_ordered_dict,
    "torch._utils._rebuild_parameter": _describe_parameter,
    "torch._utils._rebuild_tensor_v2": _describe_tensor,
}


# === The instructions of the pickle ===


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}


class _PickleReader:
    """A stack machine for the pickle instructions that make up a state dict.

    `MARK` opens a new stack, and the instructions that take "everything since the mark"
    close it again.
    """

    def __init__(self):
        self._stack: list[Any] = []
        self._enclosing_stacks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def read(self, program: bytes) -> Any:
        """Returns the value that the program describes."""
        try:
            for instruction, argument, _ in pickletools.genops(program):
                self._step(instruction.name, argument)
            return self._stack.pop()
        # genops raises ValueError on bytes that are no pickle; a program that takes from
        # an empty stack or an unknown memo is a LookupError.
        except (LookupError, ValueError) as error:
            raise _Unreadable(f"holds a damaged pickle. {_DOWNLOAD_AGAIN}") from error

    def _step(self, instruction: str, argument: Any) -> None:
        stack = self._stack
        match instruction:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "BINFLOAT":
                stack.append(argument)
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "LONG4":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append(_CONSTANTS[instruction]())
            case "MARK":
                self._enclosing_stacks.append(stack)
                self._stack = []
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._make_tuple(instruction)
            case "SETITEM" | "SETITEMS" | "APPEND" | "APPENDS":
                self._fill(instruction)
            case "GLOBAL" | "STACK_GLOBAL" | "REDUCE" | "BUILD" | "BINPERSID":
                self._refer(instruction, argument)
            case _:
                shown = f" {_quote(argument)}" if isinstance(argument, str) else ""
                raise _Unreadable(
                    f"was refused: its pickle has the instruction {instruction}{shown}, "
                    f"which a state dict does not need. {_CONVERT}"
                )

    def _refer(self, instruction: str, argument: Any) -> None:
        stack = self._stack
        match instruction:
            case "GLOBAL":
                stack.append(_allowed_global(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                if not isinstance(name, str) or not isinstance(module, str):
                    raise ValueError("a name that is not a string")
                stack.append(_allowed_global(f"{module}.{name}"))
            case "BINPERSID":
                stack.append(_describe_storage(stack.pop()))
            case "REDUCE":
                arguments, target = stack.pop(), stack.pop()
                stack.append(_call(target, arguments))
            case "BUILD":
                # The attributes of a state dict (`_metadata`, the versions of its modules)
                # say nothing about the weights.
                stack.pop()
                if not isinstance(stack[-1], _OrderedDict):
                    raise _Unreadable(
                        "was refused: its pickle sets attributes of something that is not "
                        f"a dictionary. {_CONVERT}"
                    )

    def _make_tuple(self, instruction: str) -> None:
        if instruction == "TUPLE":
            items = self._pop_to_mark()
        else:
            items = [self._stack.pop() for _ in range(int(instruction[-1]))][::-1]
        self._stack.append(tuple(items))

    def _fill(self, instruction: str) -> None:
        if instruction.endswith("S"):
            items = self._pop_to_mark()
        else:
            items = [self._stack.pop() for _ in range(2 if instruction == "SETITEM" else 1)]
            items.reverse()
        target = self._stack[-1]
        if instruction.startswith("APPEND") and isinstance(target, list):
            target.extend(items)
        elif instruction.startswith("SETITEM") and isinstance(target, dict):
            # Hashing a key that is a deeply nested tuple would overflow the C stack.
            if len(items) % 2 or not all(isinstance(key, str | int) for key in items[::2]):
                raise _Unreadable(f"has a dictionary with unusual keys. {_CONVERT}")
            target.update(zip(items[::2], items[1::2], strict=True))
        else:
            raise _Unreadable(f"fills something that is no dictionary or list. {_CONVERT}")

    def _pop_to_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._enclosing_stacks.pop()
        return items


def _allowed_global(name: str) -> _Global:
    if name not in _CALLS and name not in _STORAGES:
        raise _Unreadable(
            f"was refused and nothing of it was run: it asks for {_quote(name)}, which a "
            f"dictionary of plain tensors does not need. {_CONVERT}"
        )
    return _Global(name)


def _call(target: Any, arguments: Any) -> Any:
    is_function = isinstance(target, _Global) and target.name in _CALLS
    if not is_function or not isinstance(arguments, tuple):
        raise _Unreadable(f"was refused: it calls something that is no function. {_CONVERT}")
    return _CALLS[target.name](arguments)


# === From descriptions to arrays ===


def _find_state_dict(content: Any) -> dict[str, _Tensor]:
    """Returns the named tensors of the content or of the dictionary it wraps."""
    if not isinstance(content, dict):
        raise _Unreadable(f"holds no state dict but something else. {_CONVERT}")
    for candidate in (*(content.get(wrapper) for wrapper in _WRAPPERS), content):
        if isinstance(candidate, dict):
            tensors = {
                name: tensor
                for name, tensor in candidate.items()
                if isinstance(name, str) and isinstance(tensor, _Tensor)
            }
            if tensors:
                return tensors
    names = [_quote(name) for name in content if isinstance(name, str)]
    raise _Unreadable(
        "holds no tensor. Expected a state dict, on its own or under one of "
        f"{', '.join(map(repr, _WRAPPERS))}; found {', '.join(names[:8]) or 'no names'}."
    )


def _make_arrays(archive: _Archive, tensors: dict[str, _Tensor]) -> dict[str, np.ndarray]:
    """Reads each storage once and makes the arrays of all its tensors."""
    room = _MAX_GROWTH * max(archive.size, _GROWTH_FLOOR_BYTES)
    names_by_storage: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        # An empty tensor counts too: numpy limits the product of its other dimensions.
        elements = math.prod(max(dimension, 1) for dimension in tensor.size)
        room -= elements * tensor.storage.returned.itemsize
        if room < 0:
            raise _Unreadable(
                f"describes tensors of more than {_MAX_GROWTH} times its own size, up to "
                f"{_quote(name)}. {_CONVERT}"
            )
        names_by_storage.setdefault(tensor.storage.key, []).append(name)
    arrays = {}
    for key, names in names_by_storage.items():
        content = archive.read(f"data/{key}")
        for name in names:
            arrays[name] = _make_array(name, tensors[name], content)
    return {name: arrays[name] for name in tensors}


def _make_array(name: str, tensor: _Tensor, content: bytes) -> np.ndarray:
    """Copies the elements of a tensor out of its storage.

    Element `(i_0, ..., i_n)` is number `offset + sum_k i_k * stride_k` of the storage.
    """
    storage = tensor.storage
    itemsize = storage.stored.itemsize
    if storage.length * itemsize > len(content):
        raise _Unreadable(
            f"has {len(content)} bytes for tensor {_quote(name)}, expected "
            f"{storage.length * itemsize}. {_DOWNLOAD_AGAIN}"
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
        raise _Unreadable(
            f"describes tensor {_quote(name)} with shape {tensor.size}, stride "
            f"{tensor.stride} and offset {tensor.offset}, which does not fit its storage of "
            f"{storage.length} elements. {_DOWNLOAD_AGAIN}"
        )
    view = np.ndarray(
        tensor.size,
        storage.stored,
        content,
        tensor.offset * itemsize,
        tuple(stride * itemsize for stride in strides),
    )
    return view.astype(storage.returned, order="C")
