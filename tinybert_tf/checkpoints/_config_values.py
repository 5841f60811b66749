"""What a model's config declares, looked at before a model is made of it.

A config comes from elsewhere: its values may be of any type, and its sizes of any size.
"""

import json
from typing import Any

from tinybert_tf.errors import TinyBertError

# Rows, columns, blocks: an order of magnitude more than any model's.
_MOST = 2**24
# Weights of a config beyond those of its file that are let through, to be told of by name.
_SPARE_WEIGHTS = 2**22


def shown(value: Any) -> str:
    """Returns a value of a JSON file for a message, short and printable."""
    if isinstance(value, str):
        return ascii(value[:80])
    try:
        return json.dumps(value)[:80]
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"


def check_count(value: Any, name: str, path) -> int:
    """Returns a size, which must be an integer of 1 or more.

    Args:
        value: what the file holds.
        name: str. What it is called there.
        path: path. The file, for the message.

    Raises:
        TinyBertError: if it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise _error(value, name, path, f"an integer from 1 to {_MOST:,}")
    return value


def check_rate(value: Any, name: str, path) -> float:
    """Returns a dropout rate; see `check_count`."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise _error(value, name, path, "a number from 0 to 1")
    return value


def check_epsilon(value: Any, name: str, path) -> float:
    """Returns what a LayerNorm adds to a variance; see `check_count`."""
    if not _is_number(value) or not 0 < value <= 1:
        raise _error(value, name, path, "a number above 0, at most 1")
    return value


def check_size(sizes: dict[str, int], num_tensors: int, num_weights: int, source) -> None:
    """Looks whether a file can hold the model that a config describes, before it is made.

    It is no comparison of shapes, which follows and names them, but a bound on memory.

    Args:
        sizes: dict. The arguments of `BertEncoder` that are sizes.
        num_tensors: int. Of the file.
        num_weights: int. Of the file, at most.
        source: path. The file, for the message.

    Raises:
        TinyBertError: if it cannot.
    """
    width, blocks = sizes["hidden_dim"], sizes["num_layers"]
    rows = sum(
        sizes.get(name, 2)
        for name in ("vocabulary_size", "max_sequence_length", "num_segments")
    )
    block = 4 * width * width + 2 * width * sizes["intermediate_dim"]
    bias = sizes.get("relative_attention_buckets") or 0
    declared = rows * (sizes.get("embedding_dim") or width) + bias * sizes["num_heads"]
    declared += blocks * block
    if blocks > max(num_tensors, 1) or declared > 2 * num_weights + _SPARE_WEIGHTS:
        raise TinyBertError(
            f"The config describes a model of {declared:,} weights in {blocks:,} blocks, "
            f"{source} has room for {num_weights:,} in {num_tensors:,} tensors. They are not "
            "of one model; download both again."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _error(value: Any, name: str, path, expected: str) -> TinyBertError:
    return TinyBertError(
        f"{path}: {name} is {shown(value)}, expected {expected}. Correct it or download the "
        "config again."
    )
