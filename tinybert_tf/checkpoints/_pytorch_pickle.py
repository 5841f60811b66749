"""Reads the pickle of a PyTorch file without running it.

A pickle is a program, and a hostile one can run any command when it is unpickled. Here it
is never unpickled: `PickleReader` follows the few instructions that describe a dictionary
of tensors and refuses the rest. The functions the program names are never looked up, so
nothing outside this module can run. `pickle.Unpickler` with an allow-list in `find_class`
would not be enough: it still lets a file set attributes of the allowed functions, and
allocate gigabytes with one instruction of five bytes.
"""

import dataclasses
import pickletools
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

# The pickle of BERT-large has 60 kB. One of nothing but one-byte instructions (an empty
# dictionary each) grows seventyfold in memory.
MAX_PICKLE_BYTES = 4 * 2**20
_MAX_DIMENSIONS = 32

DOWNLOAD_AGAIN = "Download or copy it again."
CONVERT = (
    "If you trust the file, convert it where PyTorch is installed: "
    "safetensors.torch.save_file(torch.load('pytorch_model.bin', weights_only=True), "
    "'model.safetensors')."
)


class Unreadable(Exception):
    """Why a file cannot be used, as a sentence that follows the name of the file."""


def quote(text: str) -> str:
    """Returns text of the file, which may be anything, as a short printable literal."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")


# === What the pickle describes ===


@dataclasses.dataclass(frozen=True)
class _Global:
    """The name of a function or class in the pickle. It is never looked up."""

    name: str


@dataclasses.dataclass(frozen=True)
class Storage:
    """A run of elements, which stands in the file apart from the pickle.

    Args:
        key: str. The name of the storage in the file.
        stored: np.dtype. The dtype of the bytes.
        returned: np.dtype. The dtype of the arrays made from them.
        length: int. How many elements the pickle says there are.
    """

    key: str
    stored: np.dtype
    returned: np.dtype
    length: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A strided view of a storage, all numbers in elements."""

    storage: Storage
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


def _describe_storage(identity: Any) -> Storage:
    """Reads the persistent id `("storage", type, key, location, length[, view])`."""
    match identity:
        # In the format before 1.6 a storage may be a view of another one. Only the first
        # versions of PyTorch had such storages; the others wrote None.
        case ("storage", _Global(name), str(key), str(), int(length), *view):
            if view not in ([], [None]):
                raise Unreadable(f"holds a storage that is a part of another one. {CONVERT}")
            if name in _STORAGES and _is_count(length):
                return Storage(key, *_STORAGES[name], length)
    raise Unreadable(f"refers to a storage in an unknown way. {CONVERT}")


def _describe_tensor(arguments: tuple) -> Tensor:
    """Reads `(storage, offset, size, stride, requires_grad, hooks[, metadata])`."""
    if len(arguments) not in (6, 7):
        raise Unreadable(f"describes a tensor in an unknown way. {CONVERT}")
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, Storage) or not _is_count(offset):
        raise Unreadable(f"describes a tensor in an unknown way. {CONVERT}")
    for numbers in (size, stride):
        if not isinstance(numbers, tuple) or not all(map(_is_count, numbers)):
            raise Unreadable(f"gives a tensor an impossible shape or stride. {CONVERT}")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise Unreadable(
            f"gives a tensor {len(size)} dimensions and {len(stride)} strides, expected as "
            f"many of both and at most {_MAX_DIMENSIONS}. {CONVERT}"
        )
    # The metadata marks values that are to be negated or conjugated when they are read.
    if arguments[6:] not in ((), (None,), ({},)):
        raise Unreadable(f"holds a tensor with a pending operation. {CONVERT}")
    return Tensor(storage, offset, size, stride)


def _describe_parameter(arguments: tuple) -> Tensor:
    """Reads `(tensor, requires_grad, hooks)`."""
    if len(arguments) != 3 or not isinstance(arguments[0], Tensor):
        raise Unreadable(f"describes a parameter in an unknown way. {CONVERT}")
    return arguments[0]


def _describe_ordered_dict(arguments: tuple) -> _OrderedDict:
    """Reads `()`: a pickle creates the dictionary empty and then fills it."""
    if arguments:
        raise Unreadable(f"describes a dictionary in an unknown way. {CONVERT}")
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


class PickleReader:
    """A stack machine for the pickle instructions that make up a state dict.

    `MARK` opens a new stack, and the instructions that take "everything since the mark"
    close it again.

    Attributes:
        storages: list of Storage. Those that the program referred to, also outside the state
            dict, in its order and with repetitions.
    """

    def __init__(self):
        self.storages: list[Storage] = []
        self._stack: list[Any] = []
        self._enclosing_stacks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def read(self, program: bytes | BinaryIO) -> Any:
        """Returns the value that the program describes; leaves a file behind its end."""
        try:
            with warnings.catch_warnings():
                # Of escapes that Python does not know, in an instruction that is refused.
                warnings.simplefilter("ignore", DeprecationWarning)
                for instruction, argument, _ in pickletools.genops(program):
                    self._step(instruction.name, argument)
            return self._stack.pop()
        # genops raises ValueError on bytes that are no pickle; a program that takes from
        # an empty stack or an unknown memo is a LookupError.
        except (LookupError, ValueError) as error:
            raise Unreadable(f"holds a damaged pickle. {DOWNLOAD_AGAIN}") from error

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
                shown = f" {quote(argument)}" if isinstance(argument, str) else ""
                raise Unreadable(
                    f"was refused: its pickle has the instruction {instruction}{shown}, "
                    f"which a state dict does not need. {CONVERT}"
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
                self.storages.append(_describe_storage(stack.pop()))
                stack.append(self.storages[-1])
            case "REDUCE":
                arguments, target = stack.pop(), stack.pop()
                stack.append(_call(target, arguments))
            case "BUILD":
                # The attributes of a state dict (`_metadata`, the versions of its modules)
                # say nothing about the weights.
                stack.pop()
                if not isinstance(stack[-1], _OrderedDict):
                    raise Unreadable(
                        "was refused: its pickle sets attributes of something that is not "
                        f"a dictionary. {CONVERT}"
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
                raise Unreadable(f"has a dictionary with unusual keys. {CONVERT}")
            target.update(zip(items[::2], items[1::2], strict=True))
        else:
            raise Unreadable(f"fills something that is no dictionary or list. {CONVERT}")

    def _pop_to_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._enclosing_stacks.pop()
        return items


def _allowed_global(name: str) -> _Global:
    if name not in _CALLS and name not in _STORAGES:
        raise Unreadable(
            f"was refused and nothing of it was run: it asks for {quote(name)}, which a "
            f"dictionary of plain tensors does not need. {CONVERT}"
        )
    return _Global(name)


def _call(target: Any, arguments: Any) -> Any:
    is_function = isinstance(target, _Global) and target.name in _CALLS
    if not is_function or not isinstance(arguments, tuple):
        raise Unreadable(f"was refused: it calls something that is no function. {CONVERT}")
    return _CALLS[target.name](arguments)
