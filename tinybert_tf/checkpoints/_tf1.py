"""Google's original BERT checkpoints: `bert_config.json`, `bert_model.ckpt.*`, `vocab.txt`.

Pretrained ones, and those that `run_classifier.py` and `run_squad.py` save while fine-tuning
(https://github.com/google-research/bert). Their tensors get names and orientation of the
Hugging Face layout, so that one table of names serves both.
"""

import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tinybert_tf.errors import TinyBertError

CONFIG_NAME = "bert_config.json"
_DATA = ".data-00000-of-00001"
# Names of whole tensors, and what they are in the other layout.
_HEADS = {
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
}
_PARTS = (
    ("word_embeddings", "word_embeddings.weight"),
    ("position_embeddings", "position_embeddings.weight"),
    ("token_type_embeddings", "token_type_embeddings.weight"),
    ("kernel", "weight"),
    ("gamma", "weight"),
    ("beta", "bias"),
    ("bias", "bias"),
)
# What an optimizer keeps beside the weights.
_OPTIMIZER = re.compile(
    r"(^|/)(adam_[mv]|Adam(_1)?|global_step|beta[12]_power|bad_steps)|loss_scale"
)


def is_tf1(directory: pathlib.Path) -> bool:
    """Tells whether a directory holds such a checkpoint."""
    return (directory / CONFIG_NAME).exists() and bool(list(directory.glob("*.index")))


def read_tf1_tensors(directory: pathlib.Path) -> tuple[dict[str, np.ndarray], pathlib.Path]:
    """Reads the tensors of the newest checkpoint of a directory.

    Args:
        directory: path.

    Returns:
        The tensors, float32, by their names in the Hugging Face layout, and the path that
        messages name.

    Raises:
        TinyBertError: if it is damaged or has a tensor of an unknown name.
    """
    tensors, prefix = read_tf_checkpoint(directory, lambda name: not _OPTIMIZER.search(name))
    return {
        _rename(name, prefix): _turn(name, value) for name, value in tensors.items()
    }, prefix


def read_tf_checkpoint(
    directory: pathlib.Path, is_wanted: Callable[[str], bool]
) -> tuple[dict[str, Any], pathlib.Path]:
    """Reads tensors of the newest checkpoint of a directory, by their own names.

    Args:
        directory: path. With one or more files `*.index`.
        is_wanted: function of a name. Whether its tensor is read.

    Returns:
        The tensors, and the path that messages name.

    Raises:
        TinyBertError: if it is damaged.
    """
    index = max(directory.glob("*.index"), key=_step)
    prefix = index.with_suffix("")
    _check_data(prefix)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        names = sorted(filter(is_wanted, shapes))
        _check_sizes(prefix, [shapes[name] for name in names])
        tensors = {name: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise TinyBertError(
            f"{prefix} is no checkpoint that TensorFlow reads: {str(error)[:200]}. Download it "
            "again."
        ) from error
    return tensors, prefix


def _step(index: pathlib.Path) -> tuple[int, str]:
    """Returns by what checkpoints are newer: the step that a name ends with."""
    number = re.search(r"-(\d+)\.index$", index.name)
    return (int(number[1]) if number else -1, index.name)


def _check_data(prefix: pathlib.Path) -> None:
    if not prefix.with_name(prefix.name + _DATA).exists():
        raise TinyBertError(
            f"{prefix}.index is there, {prefix.name}{_DATA} beside it is not. Copy all "
            "files of the checkpoint."
        )


def _check_sizes(prefix: pathlib.Path, shapes: list[list[int]]) -> None:
    """Looks before memory is taken for what the index declares."""
    declared = sum(int(np.prod(shape, dtype="float64")) for shape in shapes)
    size = prefix.with_name(prefix.name + _DATA).stat().st_size
    # Half a float at least; weights of half precision have never been seen here.
    if declared * 2 > size:
        raise TinyBertError(
            f"{prefix}.index declares {declared:,} numbers, {prefix.name}{_DATA} has "
            f"{size:,} bytes. Download the checkpoint again."
        )


def _rename(name: str, prefix: pathlib.Path) -> str:
    if name in _HEADS:
        return _HEADS[name]
    parts = re.sub(r"layer_(\d+)", r"layer.\1", name).split("/")
    last = dict(_PARTS).get(parts[-1])
    if last is None:
        raise TinyBertError(
            f"{prefix} has a tensor '{name}', which BERT's code does not make. Is it BERT?"
        )
    return ".".join([*parts[:-1], last])


def _turn(name: str, value: np.ndarray) -> np.ndarray:
    """Returns a tensor as float32, kernels [outputs, inputs]."""
    value = value.astype("float32")
    return value.T if name.endswith("kernel") else value
