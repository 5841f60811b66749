"""Models of a run as presets, in float32 whatever they were trained in."""

import os
import pathlib
import re

from tinybert_tf.files import atomic_directory, check_room, note_hashes
from tinybert_tf.models import BertEncoder
from tinybert_tf.tokenization import BertPreprocessor


def save_preset(model, preprocessor: BertPreprocessor, directory: str | os.PathLike) -> None:
    """Saves a model and its preprocessor as a preset.

    Args:
        model: `BertEncoder` or a task model.
        preprocessor: `BertPreprocessor`.
        directory: str or path. The folder to make.

    Raises:
        TinyBertError: if the folder is there and not empty.
    """
    is_encoder = isinstance(model, BertEncoder)
    if is_encoder:
        saved = _empty_copy(model)
    else:
        parts = {"backbone": _empty_copy(model.backbone), "preprocessor": preprocessor}
        saved = type(model).from_config({**model.get_config(), **parts, **_named(model)})
        # Classifiers of texts are made with an optimizer, which is saved.
        if getattr(saved, "optimizer", None) is not None:
            saved.optimizer.name = "adam"
    saved.set_weights(model.get_weights())
    check_room(pathlib.Path(directory).parent, saved.weights)
    with atomic_directory(directory) as path:
        saved.save_to_preset(str(path))
        # A task model has saved it already.
        if is_encoder:
            preprocessor.save_to_preset(str(path))
        note_hashes(path)


def _empty_copy(encoder: BertEncoder) -> BertEncoder:
    return BertEncoder.from_config(
        {**encoder.get_config(), "dtype": "float32", **_named(encoder)}
    )


def _named(model) -> dict[str, str]:
    """Returns the name that a model is saved with, whatever its process has made before.

    Keras numbers the names of models of a class, and they are in what is exported.
    """
    words = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(model).__name__)
    return {"name": words.lower()}
