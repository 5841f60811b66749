"""The models that bundles are compared with."""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Container, Sequence

import keras

from tinybert_tf.checkpoints import save_text_classifier
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.export.benchmark.process import run_script, with_progress
from tinybert_tf.export.benchmark.subjects import STUDENT, Subject
from tinybert_tf.export.conversion import convert
from tinybert_tf.export.profiles import load_profile
from tinybert_tf.models import ARCHITECTURES, BertEncoder, BertTextClassifier

TEACHER, BERT_BASE, ONNX_INT8, PYTORCH = "teacher", "bert_base", "onnx_int8", "pytorch"


@dataclasses.dataclass(frozen=True)
class Peer:
    """What a peer is.

    Args:
        about: str. For people.
        reference: str. The Keras model that it comes from.
        packages: tuple of str. What it wants of the extra `[benchmark]`.
    """

    about: str
    reference: str
    packages: tuple[str, ...] = ()


PEERS = {
    TEACHER: Peer("the run's teacher, TFLite float32", TEACHER),
    BERT_BASE: Peer("BERT-base with random weights, TFLite float32", BERT_BASE),
    ONNX_INT8: Peer(
        "the run's student, ONNX Runtime int8",
        STUDENT,
        ("onnx", "onnxruntime", "torch", "transformers"),
    ),
    PYTORCH: Peer("the run's student, eager PyTorch", STUDENT, ("torch", "transformers")),
}


def check_peers(names: Sequence[str], keras_models: Container[str]) -> None:
    """Looks before the minutes of work whether peers can be made.

    Args:
        names: sequence of str.
        keras_models: names of the models that are there.

    Raises:
        TinyBertError: if a peer is unknown or something that it wants is missing.
    """
    for name in names:
        if name not in PEERS:
            raise TinyBertError(
                f"There is no peer '{name}'. Known are {', '.join(PEERS)}."
                f"{nearest_name(name, PEERS)}"
            )
        peer = PEERS[name]
        if name != BERT_BASE and peer.reference not in keras_models:
            raise TinyBertError(
                f"The peer {name} is {peer.about}. Name the run directory that the bundles are "
                "from (--run)."
            )
        missing = [p for p in peer.packages if importlib.util.find_spec(p) is None]
        if missing:
            raise TinyBertError(
                f"The peer {name} wants {', '.join(missing)}, which this Python does not "
                "have. Install with: pip install 'tinybert-tf[benchmark]'"
            )


def make_bert_base(vocabulary_size: int, seed: int) -> BertTextClassifier:
    """Makes a BERT-base with random weights: latency does not depend on them."""
    keras.utils.set_random_seed(seed)
    shape = {**ARCHITECTURES[BERT_BASE], "vocabulary_size": vocabulary_size}
    return BertTextClassifier(BertEncoder(**shape), num_classes=2)


def make_peers(
    names: Sequence[str],
    keras_models: dict[str, BertTextClassifier],
    lengths: Sequence[int],
    folder: pathlib.Path,
) -> list[Subject]:
    """Makes the files of peers.

    Args:
        names: sequence of str.
        keras_models: dict. By name of their reference.
        lengths: sequence of int. A TFLite file takes one, so there is one for each.
        folder: path. Where the files go.
    """
    hugging_face = folder / "hugging_face"
    if {ONNX_INT8, PYTORCH} & set(names):
        save_text_classifier(keras_models[STUDENT], hugging_face)
    subjects = []
    for name in names:
        reference = PEERS[name].reference
        if name == PYTORCH:
            subjects.append(Subject(name, "pytorch", hugging_face, {}, reference))
        elif name == ONNX_INT8:
            file = folder / f"{name}.onnx"
            run_script("making the ONNX file", "make_onnx.py", str(hugging_face), str(file))
            subjects.append(Subject(name, "onnxruntime", file, {}, reference, is_exact=False))
        else:
            for length in with_progress(lengths, f"converting {name}"):
                file = folder / f"{name}_{length}.tflite"
                model = keras_models[reference]
                file.write_bytes(convert(model, [length], load_profile("float32")))
                signatures = {"serving_default": length}
                subjects.append(Subject(name, "litert", file, signatures, reference))
    return subjects
