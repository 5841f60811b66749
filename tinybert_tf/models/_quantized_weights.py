"""Presets with weights in 8 bits: a quarter of the size on disk, float32 again when loaded.

Matrices are kept as int8 with a float32 scale for each output channel (each row of an
embedding): `w = scale * q`, q in -127..127, the largest weight of a channel at its end.
Vectors (biases, LayerNorms) stay float32.
"""

import json
import os
import pathlib

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file
from tinybert_tf.presets import PackagePresets, resolve_preset

QUANTIZED_WEIGHTS = "model.int8.safetensors"

# Names of KerasHub.
_KERAS_WEIGHTS = "model.weights.h5"
_HEAD_WEIGHTS = "task.weights.h5"
_TASK = "task.json"

_SCALE = ".scale"
_LARGEST = 127.0


def save_quantized_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights of a model in 8 bits.

    Args:
        model: `keras.Model`.
        path: str or path. A `.safetensors` file; replaced if it is there.
    """
    tensors = {}
    for name, variable in _named_weights(model).items():
        value = keras.ops.convert_to_numpy(variable).astype("float32")
        if value.ndim < 2:
            tensors[name] = value
            continue
        scale = np.abs(value).max(axis=_summed_axis(name), keepdims=True) / _LARGEST
        # A channel of zeros stays one.
        safe = np.where(scale == 0, 1.0, scale)
        tensors[name] = np.round(value / safe).astype("int8")
        tensors[name + _SCALE] = scale
    with atomic_file(pathlib.Path(path)) as aside:
        save_file(tensors, aside)
        # It is written for its owner alone.
        aside.chmod(0o644)


def load_quantized_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Sets the weights of a model to what `save_quantized_weights` wrote.

    Args:
        model: `keras.Model`. Of the same architecture; changed in place.
        path: str or path.

    Raises:
        TinyBertError: if the file cannot be read or is of another architecture.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TinyBertError(f"Cannot read the weights {path}: {error}.") from error
    weights = _named_weights(model)
    known = {name for name in tensors if not name.endswith(_SCALE)}
    if weights.keys() != known:
        other = sorted(weights.keys() ^ known)[0]
        side = "the model" if other in weights else "the file"
        raise TinyBertError(
            f"{path} is of another architecture: {other} is in {side} alone. Load it into the "
            "model it was saved from."
        )
    for name, variable in weights.items():
        value = tensors[name].astype("float32") * tensors.get(name + _SCALE, np.float32(1.0))
        if value.shape != variable.shape:
            raise TinyBertError(
                f"{path} has {name} of shape {value.shape}, the model of {variable.shape}. "
                "Load it into a model of the sizes it was saved with."
            )
        variable.assign(value)


def save_quantized_preset(model: keras.Model, directory: str | os.PathLike) -> None:
    """Saves a model as a preset whose encoder is in 8 bits; a head stays in float32.

    Args:
        model: `BertEncoder` or a task model.
        directory: str or path. A folder; it may hold a tokenizer already.
    """
    directory = pathlib.Path(directory)
    model.save_to_preset(str(directory))
    encoder = getattr(model, "backbone", model)
    save_quantized_weights(encoder, directory / QUANTIZED_WEIGHTS)
    (directory / _KERAS_WEIGHTS).unlink()


class QuantizedPresets(PackagePresets):
    """Mixin of models: `from_preset` knows presets whose weights are in 8 bits, too."""

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Makes a model from a preset; see the class of KerasHub.

        Args:
            preset: str or path. A preset of the package (`tinybert_tf.presets.PRESETS`) or a
                KerasHub preset (directory or handle).
            load_weights: bool. `False` for random weights.
            **kwargs: arguments of the constructor, such as `num_classes`.

        Raises:
            TinyBertError: if its weights in 8 bits cannot be read.
        """
        directory = pathlib.Path(resolve_preset(preset))
        quantized = directory / QUANTIZED_WEIGHTS
        if not (load_weights and quantized.exists()):
            return super().from_preset(preset, load_weights=load_weights, **kwargs)
        model = super().from_preset(preset, load_weights=False, **kwargs)
        load_quantized_weights(getattr(model, "backbone", model), quantized)
        # As KerasHub has it: with classes of one's own, the head begins anew.
        if "num_classes" not in kwargs and _is_of(directory, cls):
            model.load_task_weights(str(directory / _HEAD_WEIGHTS))
        return model


def _is_of(directory: pathlib.Path, cls: type) -> bool:
    """Tells whether a preset holds a task model of a class, with its head."""
    path = directory / _TASK
    return path.exists() and json.loads(path.read_text("utf-8"))["class_name"] == cls.__name__


def _named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns weights by their path in the model, whatever the model's own name is."""
    names = [weight.path.removeprefix(f"{model.name}/") for weight in model.weights]
    return dict(zip(names, model.weights, strict=True))


def _summed_axis(name: str) -> int:
    return -1 if "embedding" in name else 0
