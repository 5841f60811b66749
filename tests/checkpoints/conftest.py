"""Checkpoints as Google's code writes them, a harness of mutations, comparing models."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

_WHOLE = {
    "classifier.weight": "output_weights",
    "classifier.bias": "output_bias",
    "qa_outputs.weight": "cls/squad/output_weights",
    "qa_outputs.bias": "cls/squad/output_bias",
    "cls.predictions.bias": "cls/predictions/output_bias",
    "cls.seq_relationship.weight": "cls/seq_relationship/output_weights",
    "cls.seq_relationship.bias": "cls/seq_relationship/output_bias",
}


def tf1_tensors(tensors):
    """Returns tensors by the names, and in the orientation, of google-research/bert."""
    found = {}
    for name, value in tensors.items():
        if name.startswith("cls.predictions.decoder"):
            # The output weights are the word table, and have no name of their own.
            continue
        if name in _WHOLE:
            found[_WHOLE[name]] = value
            continue
        path = re.sub(r"layer\.(\d+)", r"layer_\1", name).replace(".", "/")
        folder, _, end = path.rpartition("/")
        if "LayerNorm" in folder:
            path = f"{folder}/{'gamma' if end == 'weight' else 'beta'}"
        elif folder.endswith("embeddings"):
            path = folder
        elif end == "weight":
            path, value = f"{folder}/kernel", value.T
        found[path] = value
    return found


@pytest.fixture(scope="session")
def write_tf1():
    """A function that writes tensors as a TF1 checkpoint, TensorFlow's own way."""

    def write(prefix, tensors):
        tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=list(tensors),
            shape_and_slices=[""] * len(tensors),
            tensors=[np.ascontiguousarray(value) for value in tensors.values()],
        )

    return write


@pytest.fixture
def make_tf1(golden, tmp_path, write_tf1):
    """A function that writes a golden checkpoint as Google's code does.

    A tensor given as None is left out; others are added or replaced, by their TF1 names.
    """

    def make(name="hf_bert_classifier", prefix="bert_model.ckpt", changes=()):
        source, directory = golden / name, tmp_path / "uncased_L-3_H-24_A-4"
        directory.mkdir(exist_ok=True)
        config = json.loads((source / "config.json").read_text("utf-8"))
        # Google's has none of transformers' keys.
        for key in ("architectures", "model_type", "id2label", "label2id", "layer_norm_eps"):
            config.pop(key, None)
        (directory / "bert_config.json").write_text(json.dumps(config), "utf-8")
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        words += [f"word{i}" for i in range(config["vocab_size"] - len(words))]
        (directory / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
        tensors = tf1_tensors(load_file(source / "model.safetensors")) | dict(changes)
        write_tf1(directory / prefix, {k: v for k, v in tensors.items() if v is not None})
        # The graph, which is not needed.
        (directory / f"{prefix}.meta").write_bytes(b"\x0a\x00 no graph")
        return directory

    return make


@pytest.fixture(scope="session")
def assert_same_weights():
    """A function that compares all weights of two models, bit by bit."""

    def check(model, other):
        for ours, theirs in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(ours.value, theirs.value)

    return check
