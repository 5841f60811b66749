"""The peers of `export_latency.py` that are no TFLite files: ONNX Runtime and PyTorch."""

import pathlib
from collections.abc import Sequence

from tinybert_tf.checkpoints import save_text_classifier
from tinybert_tf.export.benchmark import STUDENT, Peer, Runtime, Subject, run_script
from tinybert_tf.models import BertTextClassifier

_HERE = pathlib.Path(__file__).parent
_RUNTIMES = _HERE / "export_latency_runtimes.py"
_ONNX = Runtime("onnxruntime", _RUNTIMES, "OnnxRuntime")
_PYTORCH = Runtime("pytorch", _RUNTIMES, "PyTorch")


def _hugging_face(model: BertTextClassifier, folder: pathlib.Path) -> pathlib.Path:
    """Returns the model's directory in the Hugging Face layout; both peers read the same."""
    directory = folder / "hugging_face"
    if not directory.exists():
        save_text_classifier(model, directory)
    return directory


def _make_onnx(
    name: str, model: BertTextClassifier, lengths: Sequence[int], folder: pathlib.Path
) -> list[Subject]:
    directory, file = _hugging_face(model, folder), folder / f"{name}.onnx"
    script = _HERE / "export_latency_onnx.py"
    run_script("making the ONNX file", script, str(directory), str(file))
    subject = Subject(name, _ONNX, file, {}, STUDENT, is_exact=False, gives_logits=True)
    return [subject]


def _make_pytorch(
    name: str, model: BertTextClassifier, lengths: Sequence[int], folder: pathlib.Path
) -> list[Subject]:
    directory = _hugging_face(model, folder)
    return [Subject(name, _PYTORCH, directory, {}, STUDENT, gives_logits=True)]


PEERS = {
    "onnx_int8": Peer(
        "the run's student, ONNX Runtime int8",
        STUDENT,
        _make_onnx,
        ("onnx", "onnxruntime", "torch", "transformers"),
    ),
    "pytorch": Peer(
        "the run's student, eager PyTorch", STUDENT, _make_pytorch, ("torch", "transformers")
    ),
}
