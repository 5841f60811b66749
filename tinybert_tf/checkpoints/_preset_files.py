"""Preset directories, of KerasHub and of this library, looked at before Keras loads them."""

import os
import pathlib
from collections.abc import Callable
from typing import TypeVar

import keras
import keras_nlp

from tinybert_tf.checkpoints._config_values import check_count, check_size
from tinybert_tf.checkpoints._tensor_files import read_json_object
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import find_damage

_Loaded = TypeVar("_Loaded")

_SIZES = (
    *("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim"),
    *("max_sequence_length", "num_segments"),
)
_OPTIONAL_SIZES = ("embedding_dim", "relative_attention_buckets")
# A tensor takes as many at least: its name, its shape and where it is.
_BYTES_PER_TENSOR = 64


def load_preset(load: Callable[..., _Loaded], location: str | os.PathLike, **kwargs) -> _Loaded:
    """Loads a preset with a `from_preset`; a handle, which is no directory, as it is.

    Args:
        load: a `from_preset`.
        location: str or path.
        **kwargs: what else `load` gets.

    Raises:
        TinyBertError: if it is a directory of other files than Keras writes.
    """
    location = os.fspath(location)
    if not os.path.isdir(location):
        return load(location, **kwargs)
    _check_preset(pathlib.Path(location))
    try:
        loaded = load(location, **kwargs)
        _check_parts(loaded, location)
        return loaded
    except TinyBertError:
        raise
    # What Keras and KerasHub raise is not documented, and is of any kind.
    except Exception as error:
        raise TinyBertError(
            f"The preset {location} cannot be loaded ({type(error).__name__}: "
            f"{ascii(str(error))[1:-1][:300]}). Save or download it again."
        ) from error


def _check_parts(loaded, location: str) -> None:
    """Raises TinyBertError if a part is of another kind: Keras takes what it cannot make."""
    parts = {"preset": (loaded, (keras.Model, keras.Layer, keras_nlp.tokenizers.Tokenizer))}
    preprocessor = getattr(loaded, "preprocessor", None)
    if preprocessor is not None:
        tokenizer = getattr(preprocessor, "tokenizer", None)
        parts["preprocessor"] = (preprocessor, keras_nlp.models.Preprocessor)
        parts["tokenizer"] = (tokenizer, keras_nlp.tokenizers.Tokenizer)
    for name, (part, expected) in parts.items():
        if not isinstance(part, expected):
            raise TinyBertError(
                f"The {name} of {location} is a {type(part).__name__}. Save or download it "
                "again."
            )


def _check_preset(directory: pathlib.Path) -> None:
    """Raises TinyBertError if it was damaged, or its weights cannot be of its sizes."""
    if fault := find_damage(directory):
        raise TinyBertError(
            f"{fault}. Copy the preset again; that of a run is made again by --resume once "
            f"{directory} is removed. If you have changed the file yourself, remove "
            f"{directory / 'hashes.json'}."
        )
    num_bytes = sum(
        path.stat().st_size
        for pattern in ("*.h5", "*.safetensors")
        for path in directory.glob(pattern)
    )
    for path in sorted(directory.glob("*.json")):
        content = read_json_object(path, "preset")
        for config in _configs(content.get("config")):
            _check_config(config, path, num_bytes)


def _configs(config) -> list[dict]:
    """Returns the configs of a model and of its backbone."""
    found = []
    while isinstance(config, dict):
        found.append(config)
        backbone = config.get("backbone")
        config = backbone.get("config") if isinstance(backbone, dict) else None
    return found


def _check_config(config: dict, path: pathlib.Path, num_bytes: int) -> None:
    classes = config.get("num_classes", 1)
    if "num_classes" in config and check_count(classes, "num_classes", path) > num_bytes:
        raise TinyBertError(
            f"{path}: num_classes is {classes:,}, but all weights together have "
            f"{num_bytes:,} bytes. Save or download the preset again."
        )
    if "vocabulary_size" not in config or "num_layers" not in config:
        return
    sizes = {name: check_count(config.get(name), name, path) for name in _SIZES}
    for name in _OPTIONAL_SIZES:
        if config.get(name) is not None:
            sizes[name] = check_count(config[name], name, path)
    # A weight takes a byte at least.
    check_size(sizes, num_bytes // _BYTES_PER_TENSOR, num_bytes, path.parent)
