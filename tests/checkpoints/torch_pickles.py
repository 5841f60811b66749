"""Writes files as `torch.save` does, and such as it never would."""

import os
import pickle
import zipfile

import numpy as np

from tinybert_tf.checkpoints._pytorch_bin import read_pytorch_bin
from tinybert_tf.errors import TinyBertError

# === An assembler for the pickles that torch.save writes ===

ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def encode(value):
    """The instructions that push a plain value, without the header and the stop."""
    return pickle.dumps(value, protocol=2)[2:-1]


def function(name):
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def storage(kind="Float", key="0", length=6, view=b""):
    items = function(f"torch.{kind}Storage") + encode(key) + encode("cpu") + encode(length)
    return b"(" + encode("storage") + items + view + b"tQ"


def legacy_storage(*arguments, **options):
    """Before PyTorch 1.6, followed by a None: the storage is no view of another one."""
    return storage(*arguments, **options, view=b"N")


def tensor(source, offset, size, stride, rest=b"\x89" + ORDERED_DICT):
    view = encode(offset) + encode(size) + encode(stride)
    return function("torch._utils._rebuild_tensor_v2") + b"(" + source + view + rest + b"tR"


def dictionary(start=b"}", **entries):
    items = b"".join(encode(name) + value for name, value in entries.items())
    return start + b"(" + items + b"u"


def write_bin(path, content, storages, **options):
    return write_program(path, b"\x80\x02" + content + b".", storages, **options)


def write_program(
    path, program, storages, *, root="archive/", extra=(), compression=zipfile.ZIP_STORED
):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{root}data.pkl", program)
        for name, content in extra:
            archive.writestr(root + name, content)
        for key, array in storages.items():
            archive.writestr(f"{root}data/{key}", np.asarray(array).tobytes())
    return path


def read_one(tmp_path, content, storages):
    path = write_bin(tmp_path / "model.bin", dictionary(x=content), storages)
    return read_pytorch_bin(path)["x"]


MAGIC = 0x1950A86A20F9469CFC6C
LITTLE_ENDIAN_HOST = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 8},
}


def legacy(
    content,
    storages,
    *,
    magic=MAGIC,
    version=1001,
    host=LITTLE_ENDIAN_HOST,
    keys=None,
    counts=None,
    rest=b"",
):
    """The bytes of a file in the format before PyTorch 1.6."""
    header = b"".join(pickle.dumps(value, protocol=2) for value in (magic, version, host))
    keys = pickle.dumps(list(storages) if keys is None else keys, protocol=2)
    counts = {key: len(array) for key, array in storages.items()} | (counts or {})
    raw = (
        counts[key].to_bytes(8, "little", signed=True) + array.tobytes()
        for key, array in storages.items()
    )
    return header + b"\x80\x02" + content + b"." + keys + b"".join(raw) + rest


def write_legacy(path, *arguments, **options):
    path.write_bytes(legacy(*arguments, **options))
    return path


SIX = np.array([0, 1, 2, 3, 4, 5], "<f4")
VIEW = tensor(storage(), 0, (6,), (1,))


# === Hostile values and damage ===


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


def hostile_values(marker):
    touch = f"touch {marker}"
    yield "system", Call(os.system, touch)
    yield "eval", Call(eval, f"open({str(marker)!r}, 'w')")
    yield "getattr", Call(getattr, "text", "upper")
    yield "open", Call(open, str(marker), "w")


def is_readable(path):
    try:
        read_pytorch_bin(path)
    except TinyBertError:
        return False
    return True


def flip(content, generator, start=0):
    content = bytearray(content)
    for position in generator.integers(start, len(content), generator.integers(1, 4)):
        content[position] = generator.integers(256)
    return bytes(content)
