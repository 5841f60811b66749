"""Reads a directory in the Hugging Face layout: `config.json` and a file of tensors."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from tinybert_tf.checkpoints._model_garden import (
    PARAMS_NAME,
    is_model_garden,
    read_model_garden,
    read_params,
)
from tinybert_tf.checkpoints._pytorch_bin import read_pytorch_bin
from tinybert_tf.checkpoints._tf1 import CONFIG_NAME as TF1_CONFIG_NAME
from tinybert_tf.checkpoints._tf1 import read_tf1_tensors
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file

_CONFIG_NAME = "config.json"
# The first that exists is read.
_WEIGHTS = tuple(
    name + end
    for name in ("model.safetensors", "pytorch_model.bin")
    for end in ("", ".index.json")
)
# The dtypes that numpy and ml_dtypes hold, as safetensors spells them. The 4-, 6- and 8-bit
# floats are left out: they need scales that a plain tensor does not have.
_SAFETENSORS_DTYPES = frozenset(
    ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")
)
# safetensors returns bfloat16 as the dtype that ml_dtypes registers with numpy.
_OTHER_FLOATS = (np.float16, np.float64, ml_dtypes.bfloat16)
_LFS_POINTER = b"version https://git-lfs"


def read_checkpoint(
    directory: str | os.PathLike,
) -> tuple[dict[str, Any], dict[str, np.ndarray], pathlib.Path]:
    """Reads the config and the tensors of a checkpoint, without PyTorch.

    A directory of Google's original BERT or of TF Model Garden (`*.index` beside
    `bert_config.json` or `params.yaml`) is read as if it were in that layout. Else the weights
    are the first of these that exists: `model.safetensors`, `model.safetensors.index.json`
    (shards), `pytorch_model.bin`, `pytorch_model.bin.index.json` (shards).

    Args:
        directory: str or path. The directory, such as
            `huggingface_hub.snapshot_download` or `save_pretrained` make it.

    Returns:
        The content of `config.json`, the tensors by name, and the path of the weight file
        (of the index, if there are shards). Floats of any width come as float32, integers
        and booleans as they are. The arrays share no memory with each other or the file.

    Raises:
        TinyBertError: if the directory or one of its files is missing, damaged or in
            another format, or if a float64 does not fit float32.
    """
    directory = pathlib.Path(directory)
    if not os.path.exists(directory):
        raise TinyBertError(
            f"There is no checkpoint directory {directory}. Download a model first, for "
            f"example with `hf download NAME --local-dir {directory}`."
        )
    if not directory.is_dir():
        raise TinyBertError(
            f"{directory} is a file. Give the directory which holds it and {_CONFIG_NAME}."
        )
    path = config_path(directory)
    if is_model_garden(path):
        return read_model_garden(directory, read_config(path))
    if path.name == TF1_CONFIG_NAME:
        config = read_config(path)
        return {**config, "model_type": "bert"}, *read_tf1_tensors(directory)
    if not os.path.exists(path):
        raise TinyBertError(
            f"{directory} has no {_CONFIG_NAME}. Expected a checkpoint in the Hugging Face "
            f"layout, or Google's with {TF1_CONFIG_NAME}; found {_list_files(directory)}."
        )
    config = read_config(path)
    source = _find_weights(directory)
    reader = _read_safetensors if ".safetensors" in source.name else read_pytorch_bin
    if source.suffix == ".json":
        tensors = _read_shards(source, reader)
    else:
        tensors = _read_tensor_file(source, reader)
    return config, {name: _to_float32(name, tensors[name], source) for name in tensors}, source


def _find_weights(directory: pathlib.Path) -> pathlib.Path:
    for name in _WEIGHTS:
        if os.path.exists(directory / name):
            return directory / name
    raise TinyBertError(
        f"{directory} has no weights: expected {', '.join(_WEIGHTS[:-1])} or {_WEIGHTS[-1]}; "
        f"found {_list_files(directory)}. Download the model again, or save it with "
        "`save_pretrained`."
    )


def _list_files(directory: pathlib.Path) -> str:
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        return f"nothing, as it cannot be listed ({error.strerror})"
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "nothing"


def config_path(directory: str | os.PathLike) -> pathlib.Path:
    """Returns where the config of a directory is, whether it exists or not.

    It is Google's or TF Model Garden's, if a checkpoint of TensorFlow is beside it and no other
    weights are.

    Args:
        directory: str or path.
    """
    directory = pathlib.Path(directory)
    theirs = directory / TF1_CONFIG_NAME
    if not theirs.exists():
        theirs = directory / PARAMS_NAME
    others = [directory / _CONFIG_NAME] + [directory / name for name in _WEIGHTS]
    has_others = others[0].exists() and any(path.exists() for path in others[1:])
    if theirs.exists() and any(directory.glob("*.index")) and not has_others:
        return theirs
    return others[0]


def read_config(path: pathlib.Path) -> dict[str, Any]:
    """Reads the config of a directory, by the keys of the Hugging Face layout.

    Args:
        path: path. What `config_path` returned.

    Raises:
        TinyBertError: if it cannot be read.
    """
    return read_params(path) if path.name == PARAMS_NAME else read_json_object(path, "config")


def read_json_object(path: pathlib.Path, what: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
        path: path.
        what: str. What the file is, for messages.

    Raises:
        TinyBertError: if it cannot be read, or holds something else.
    """
    text = read_text_file(path, what)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise TinyBertError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg}). "
            f"Correct the {what} or download it again."
        ) from error
    # Nested too deep, or an integer of more digits than Python converts.
    except (RecursionError, ValueError) as error:
        raise TinyBertError(
            f"{path} cannot be read as JSON ({error}). Download it again."
        ) from error
    if not isinstance(content, dict):
        raise TinyBertError(
            f"{path} holds a JSON {type(content).__name__}, expected an object "
            "`{...}`. Download it again."
        )
    return content


def _read_shards(
    index: pathlib.Path, reader: Callable[[pathlib.Path], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Reads every tensor of the `weight_map` of an index from the shard it names."""
    weight_map = read_json_object(index, "index of shards").get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise TinyBertError(
            f"{index} has no `weight_map` from tensors to files. Download it again."
        )
    names_by_shard: dict[str, list[str]] = {}
    for name, shard in weight_map.items():
        if not _is_file_name(shard):
            raise TinyBertError(
                f"{index} gives {str(shard)[:80]!a} as the file of {name!a}, expected the "
                "name of a file beside the index. Download it again."
            )
        names_by_shard.setdefault(shard, []).append(name)
    # Unlike Path.exists, this is False also for a name that no file can have.
    missing = [shard for shard in names_by_shard if not os.path.exists(index.parent / shard)]
    if missing:
        raise TinyBertError(
            f"{index} names {len(names_by_shard)} shards, {len(missing)} of them missing, "
            f"the first {missing[0]!a}. Download the model again."
        )
    tensors = {}
    for shard, names in names_by_shard.items():
        path = index.parent / shard
        content = _read_tensor_file(path, reader)
        for name in names:
            if name not in content:
                raise TinyBertError(
                    f"{path} has no tensor {name!a}, which {index} looks for there. "
                    "Download the model again."
                )
            tensors[name] = content[name]
    return tensors


def _is_file_name(shard: Any) -> bool:
    # A shard lies beside its index; the index cannot point elsewhere on the disk.
    if not isinstance(shard, str):
        return False
    path = pathlib.PurePath(shard)
    return path.name == shard and path.suffix != ""


def _read_tensor_file(
    path: pathlib.Path, reader: Callable[[pathlib.Path], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Reads one file, after the two mishaps of a download that deserve their own words."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise TinyBertError(f"Cannot read the weights {path}: {error.strerror}.") from error
    if not head:
        raise TinyBertError(f"{path} is empty. Download or copy it again.")
    if head == _LFS_POINTER:
        raise TinyBertError(
            f"{path} is only a Git LFS pointer to the weights. Run `git lfs pull` in "
            f"{path.parent}."
        )
    return reader(path)


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: _read_tensor(file, name, path) for name in file.keys()}  # noqa: SIM118
    except TinyBertError:
        raise
    # numpy raises ValueError on a shape that it cannot hold.
    except (SafetensorError, OSError, ValueError) as error:
        raise TinyBertError(
            f"{path} is incomplete or damaged ({str(error)[:300]}). Download or copy it again."
        ) from error


def _read_tensor(file: safe_open, name: str, path: pathlib.Path) -> np.ndarray:
    dtype = file.get_slice(name).get_dtype()
    if dtype not in _SAFETENSORS_DTYPES:
        raise TinyBertError(
            f"{path} has tensor {name!a} in dtype {dtype}, expected one of "
            f"{', '.join(sorted(_SAFETENSORS_DTYPES))}. Save the model in float32."
        )
    return file.get_tensor(name)


def _to_float32(name: str, tensor: np.ndarray, source: pathlib.Path) -> np.ndarray:
    if tensor.dtype not in _OTHER_FLOATS:
        return tensor
    try:
        # "invalid" is about NaNs with their signalling bit set, which stay NaN.
        with np.errstate(over="raise", invalid="ignore"):
            return tensor.astype(np.float32)
    except FloatingPointError as error:
        raise TinyBertError(
            f"{source} has values in tensor {name!a} that are too large for float32 (above "
            f"{np.finfo(np.float32).max:.3g}). Check how the checkpoint was made."
        ) from error
