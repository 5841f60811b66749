"""The models that bundles are compared with."""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable, Container, Mapping, Sequence

import keras

from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.export.benchmark.process import with_progress
from tinybert_tf.export.benchmark.subjects import LITERT, Subject
from tinybert_tf.export.conversion import convert
from tinybert_tf.export.profiles import load_profile
from tinybert_tf.models import ARCHITECTURES, BertEncoder, BertTextClassifier

TEACHER, BERT_BASE = "teacher", "bert_base"


@dataclasses.dataclass(frozen=True)
class Peer:
    """What bundles are compared with.

    Args:
        about: str. For people.
        reference: str. The Keras model that it comes from: `STUDENT`, `TEACHER` or
            `BERT_BASE`.
        make: function of the peer's name, that model, the lengths in tokens to measure and a
            folder for its files. It returns the `Subject`s to measure, whose `reference` is
            the peer's.
        packages: tuple of str. What it needs beside this library.
    """

    about: str
    reference: str
    make: Callable[[str, BertTextClassifier, Sequence[int], pathlib.Path], list[Subject]]
    packages: tuple[str, ...] = ()


def _make_tflite(
    name: str, model: BertTextClassifier, lengths: Sequence[int], folder: pathlib.Path
) -> list[Subject]:
    """Converts a model once for each length: a static file takes one."""
    subjects = []
    for length in with_progress(lengths, f"converting {name}"):
        file = folder / f"{name}_{length}.tflite"
        file.write_bytes(convert(model, [length], load_profile("float32")))
        subjects.append(Subject(name, LITERT, file, {"serving_default": length}, name))
    return subjects


PEERS = {
    TEACHER: Peer("the run's teacher, TFLite float32", TEACHER, _make_tflite),
    BERT_BASE: Peer("BERT-base with random weights, TFLite float32", BERT_BASE, _make_tflite),
}


def check_peers(
    names: Sequence[str], keras_models: Container[str], known: Mapping[str, Peer] = PEERS
) -> dict[str, Peer]:
    """Looks before the minutes of work whether peers can be made.

    Args:
        names: sequence of str.
        keras_models: names of the models that are there.
        known: dict. The peers to choose from, by name.

    Returns:
        dict. The peers of these names.

    Raises:
        TinyBertError: if a peer is unknown or something that it needs is missing.
    """
    for name in names:
        if name not in known:
            raise TinyBertError(
                f"There is no peer '{name}'. Known are {', '.join(known)}."
                f"{nearest_name(name, known)}"
            )
        peer = known[name]
        if peer.reference not in (BERT_BASE, *keras_models):
            raise TinyBertError(
                f"The peer {name} is {peer.about}. Name the run directory that the bundles are "
                "from (--run)."
            )
        missing = [p for p in peer.packages if importlib.util.find_spec(p) is None]
        if missing:
            raise TinyBertError(
                f"The peer {name} needs {', '.join(missing)}, which this Python does not "
                "have. Install with: pip install 'tinybert-tf[benchmark]'"
            )
    return {name: known[name] for name in names}


def make_bert_base(vocabulary_size: int, seed: int) -> BertTextClassifier:
    """Makes a BERT-base with random weights: latency does not depend on them."""
    keras.utils.set_random_seed(seed)
    shape = {**ARCHITECTURES[BERT_BASE], "vocabulary_size": vocabulary_size}
    return BertTextClassifier(BertEncoder(**shape), num_classes=2)
