"""Reads the index of a TensorFlow checkpoint: a sorted table of names and what lies where.

TensorFlow's own reader ends the process on a shape that is none, and takes the memory that an
index asks for. So what an index says is read and compared with the files here, before it.

    blocks of entries   shared and own length of the key, length of the value, key, value
    index block         where each of the blocks is
    footer              48 bytes: where the index block is, and a magic number

The first value is a `BundleHeaderProto`, the others are `BundleEntryProto`s.
"""

import math
import pathlib
import struct
from collections.abc import Iterator

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import tensor_bundle_pb2

from tinybert_tf.errors import TinyBertError

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER_BYTES = 48
# Of BERT-large with its optimizer: 100 kB, 1,200 tensors.
_MOST_BYTES = 16 * 2**20
_MOST_ENTRIES = 100_000
_MOST_ELEMENTS = 2**40
# What TensorFlow 2 writes beside the weights: how its objects hang together.
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# The dtypes that weights and counters have, and their bytes.
_ITEM_BYTES = {
    types_pb2.DT_FLOAT: 4,
    types_pb2.DT_DOUBLE: 8,
    types_pb2.DT_HALF: 2,
    types_pb2.DT_BFLOAT16: 2,
    types_pb2.DT_INT32: 4,
    types_pb2.DT_INT64: 8,
    types_pb2.DT_BOOL: 1,
}


def read_index(prefix: pathlib.Path) -> list[str]:
    """Returns the names of a checkpoint's tensors, sorted, all of which lie in its data files.

    Args:
        prefix: path. The checkpoint's, without `.index`.

    Raises:
        TinyBertError: if a file is missing or damaged, or they do not fit each other.
    """
    path = prefix.with_name(f"{prefix.name}.index")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes")
        entries = dict(_read_entries(path.read_bytes()))
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(entries.pop(b""))
        tensors = {
            name.decode(): tensor_bundle_pb2.BundleEntryProto.FromString(value)
            for name, value in entries.items()
        }
        _check_tensors(tensors, _data_sizes(prefix, header.num_shards))
    except TinyBertError:
        raise
    except (ValueError, IndexError, KeyError, struct.error, DecodeError, OSError) as error:
        raise TinyBertError(
            f"{path} is incomplete or damaged ({str(error)[:200]}). Download or copy the "
            "checkpoint again."
        ) from error
    return sorted(tensors)


def _read_entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(content) < _FOOTER_BYTES or not content.endswith(_MAGIC):
        raise ValueError("its last bytes are not those of an index")
    position = len(content) - _FOOTER_BYTES
    for _ in range(2):
        _, position = _read_number(content, position)
    count = 0
    for _, where in _read_block(content, position):
        for entry in _read_block(where, 0, content):
            count += 1
            if count > _MOST_ENTRIES:
                raise ValueError(f"more than {_MOST_ENTRIES:,} tensors")
            yield entry


def _read_block(
    where: bytes, position: int, content: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a block.

    Args:
        where: bytes. Hold offset and size of the block, from `position` on.
        position: int.
        content: bytes, or `None` if they are `where`. The whole file.
    """
    content = where if content is None else content
    offset, position = _read_number(where, position)
    size, _ = _read_number(where, position)
    # After it come a byte that says how it is compressed, and a checksum.
    if offset + size + 5 > len(content) or content[offset + size] != 0:
        raise ValueError("a block is outside of the file, or compressed")
    block = content[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * restarts
    key, position = b"", 0
    while position < end:
        shared, position = _read_number(block, position)
        own, position = _read_number(block, position)
        length, position = _read_number(block, position)
        if shared > len(key) or shared + own > 1000 or position + own + length > end:
            raise ValueError("an entry is longer than its block, or its name than 1,000 bytes")
        key = key[:shared] + block[position : position + own]
        position += own + length
        yield key, block[position - length : position]


def _read_number(content: bytes, position: int) -> tuple[int, int]:
    """Returns a number of seven bits a byte, the lowest first, and where it ends."""
    number = 0
    for shift in range(0, 63, 7):
        byte = content[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
    raise ValueError("a number has more than nine bytes")


def _data_sizes(prefix: pathlib.Path, num_shards: int) -> list[int]:
    """Returns the bytes of each data file."""
    if not 1 <= num_shards <= 1000:
        raise ValueError(f"{num_shards} data files")
    names = [f"{prefix.name}.data-{i:05d}-of-{num_shards:05d}" for i in range(num_shards)]
    paths = [prefix.with_name(name) for name in names]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise TinyBertError(
            f"{prefix}.index is there, {missing[0]} beside it is not. Copy all files of the "
            "checkpoint."
        )
    return [path.stat().st_size for path in paths]


def _check_tensors(tensors: dict, sizes: list[int]) -> None:
    """Raises ValueError if tensors are not, each by itself, in the data files."""
    for name, tensor in tensors.items():
        dimensions = [dimension.size for dimension in tensor.shape.dim]
        elements = math.prod(dimensions)
        if tensor.shape.unknown_rank or min(dimensions, default=0) < 0 or tensor.slices:
            raise ValueError(f"{name!a} has no shape, or is in parts")
        if max([elements, *dimensions]) > _MOST_ELEMENTS or len(dimensions) > 8:
            raise ValueError(f"{name!a} is declared with shape {dimensions[:9]}")
        if name == OBJECT_GRAPH:
            continue
        if tensor.dtype not in _ITEM_BYTES:
            raise ValueError(f"{name!a} has dtype number {tensor.dtype}, which no weight has")
        if tensor.size != elements * _ITEM_BYTES[tensor.dtype]:
            raise ValueError(f"{name!a} of shape {dimensions} has {tensor.size:,} bytes")
        if not 0 <= tensor.shard_id < len(sizes):
            raise ValueError(f"{name!a} is in data file {tensor.shard_id} of {len(sizes)}")
        end = tensor.offset + tensor.size
        if min(tensor.offset, tensor.size) < 0 or end > sizes[tensor.shard_id]:
            raise ValueError(
                f"{name!a} ends at byte {end:,} of data file {tensor.shard_id}, which has "
                f"{sizes[tensor.shard_id]:,}"
            )
    declared = sum(tensor.size for tensor in tensors.values())
    if declared > sum(sizes):
        raise ValueError(f"{declared:,} bytes of tensors in {sum(sizes):,} bytes")
