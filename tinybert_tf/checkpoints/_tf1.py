"""Google's original BERT checkpoints: `bert_config.json`, `bert_model.ckpt.*`, `vocab.txt`.

Pretrained ones, and those that `run_classifier.py` and `run_squad.py` save while fine-tuning
(https://github.com/google-research/bert). Their tensors get names and orientation of the
Hugging Face layout, so that one table of names serves both.
"""

import pathlib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tinybert_tf.checkpoints._tf1_index import read_index
from tinybert_tf.errors import TinyBertError

CONFIG_NAME = "bert_config.json"
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
    r"(^|/)((adam|lamb)_[mv]|Adam(_1)?|global_step|beta[12]_power|(good|bad)_steps)|loss_scale"
)


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
    prefix = newest_checkpoint(directory)
    names = [name for name in read_index(prefix) if not _OPTIMIZER.search(name)]
    renamed = {name: _rename(name, prefix) for name in names}
    tensors = read_tf_tensors(prefix, names)
    return {renamed[name]: _turn(name, value) for name, value in tensors.items()}, prefix


def newest_checkpoint(directory: pathlib.Path) -> pathlib.Path:
    """Returns the prefix of the newest of the checkpoints in a directory."""
    return max(directory.glob("*.index"), key=_step).with_suffix("")


def read_tf_tensors(prefix: pathlib.Path, names: Iterable[str]) -> dict[str, Any]:
    """Reads tensors of a checkpoint of TensorFlow, whose index was read.

    Args:
        prefix: path. The checkpoint's.
        names: iterable of str. Of its tensors.

    Raises:
        TinyBertError: if it is damaged.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in sorted(names)}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise TinyBertError(
            f"{prefix} is no checkpoint that TensorFlow reads: {str(error)[:200]}. Download it "
            "again."
        ) from error


def _step(index: pathlib.Path) -> tuple[int, str]:
    """Returns by what checkpoints are newer: the step that a name ends with."""
    number = re.search(r"-(\d+)\.index$", index.name)
    return (int(number[1]) if number else -1, index.name)


def _rename(name: str, prefix: pathlib.Path) -> str:
    if name in _HEADS:
        return _HEADS[name]
    parts = re.sub(r"layer_(\d+)", r"layer.\1", name).split("/")
    last = dict(_PARTS).get(parts[-1])
    if last is None:
        raise TinyBertError(
            f"{prefix} has a tensor {name!a}, which BERT's code does not make. Is it another "
            "model, or fine-tuned with another head?"
        )
    return ".".join([*parts[:-1], last])


def _turn(name: str, value: np.ndarray) -> np.ndarray:
    """Returns a tensor as float32, kernels [outputs, inputs]."""
    value = np.asarray(value).astype("float32", copy=False)
    return value.T if name.endswith("kernel") else value
