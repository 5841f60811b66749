"""What is measured: bundles on disk, and the models in them."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.bundle import MODEL, MULTI_MODEL
from tinybert_tf.export.verify import verify_bundle
from tinybert_tf.tokenization import BertTokenizer

STUDENT = "student"


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What a worker runs a model with.

    Args:
        name: str. In the report.
        file: path. The Python file of its class. It is run in the worker, so it imports
            nothing whose memory is not to be measured.
        kind: str. The class; what it has to offer, see `LiteRt` of `_worker.py`.
    """

    name: str
    file: pathlib.Path
    kind: str


WORKER = pathlib.Path(__file__).with_name("_worker.py")
LITERT = Runtime("litert", WORKER, "LiteRt")


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Args:
        name: str. In the report.
        path: path.
        info: dict. Its bundle.json.
    """

    name: str
    path: pathlib.Path
    info: dict

    def signatures(self, file: str) -> dict[str, int]:
        """Returns the length of each signature of a model; empty if there is no such file."""
        return self.info["files"].get(file, {}).get("signatures", {})

    @property
    def static_length(self) -> int:
        """The length of its model.tflite; without one, as in the app, its longest."""
        return max((self.signatures(MODEL) or self.signatures(MULTI_MODEL)).values())

    @property
    def longest(self) -> int:
        """The tokens that both of its files take."""
        lengths = (self.signatures(file).values() for file in (MODEL, MULTI_MODEL))
        return min(max(values) for values in lengths if values)

    @property
    def is_exact(self) -> bool:
        """Whether nothing in it is quantized."""
        kinds = self.info["quantization"]
        return {kinds[k] for k in ("weights", "embedding", "activations")} == {"float32"}


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model that is measured.

    Args:
        name: str. In the report.
        runtime: `Runtime`.
        path: path. The file, or the directory.
        signatures: dict. The length of each; empty if it takes every length.
        reference: str. The Keras model that it comes from.
        is_exact: bool. Whether it is to give that model's outputs, or its labels alone.
        gives_logits: bool. Whether it ends before the softmax of a classification.
        static: str. The subject that pads the same model's texts to one length; empty if there
            is none.
    """

    name: str
    runtime: Runtime
    path: pathlib.Path
    signatures: dict[str, int]
    reference: str
    is_exact: bool = True
    gives_logits: bool = False
    static: str = ""

    @property
    def megabytes(self) -> float:
        """Size on disk, in 10^6 bytes."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files) / 1e6

    def facts(self) -> dict:
        """Returns what the report says of the model."""
        return {"runtime": self.runtime.name, "megabytes": self.megabytes}


def read_bundles(paths: Sequence[str | os.PathLike]) -> list[Bundle]:
    """Reads and verifies bundles; names them by as much of their paths as tells them apart.

    Raises:
        TinyBertError: if one is no bundle, or not as it was exported, or named twice.
    """
    paths = [pathlib.Path(path) for path in paths]
    if not paths:
        raise TinyBertError("No bundle was named. Give one or more folders of the exporter.")
    resolved = [path.resolve().parts for path in paths]
    if len(set(resolved)) < len(resolved):
        raise TinyBertError(f"A bundle was named twice: {', '.join(map(str, paths))}.")
    count = 1
    while len({parts[-count:] for parts in resolved}) < len(resolved):
        count += 1
    return [
        Bundle("/".join(parts[-count:]), path, verify_bundle(path))
        for parts, path in zip(resolved, paths, strict=True)
    ]


def common_tokenizer(bundles: list[Bundle]) -> BertTokenizer:
    """Returns the one tokenizer of all bundles: all are to run the same texts.

    Raises:
        TinyBertError: if there is more than one.
    """
    first = bundles[0]
    kinds = {
        (b.info["files"]["vocab.txt"]["sha256"], b.info["tokenizer"]["lowercase"])
        for b in bundles
    }
    if len(kinds) > 1:
        raise TinyBertError(
            f"The bundles {', '.join(b.name for b in bundles)} do not have the same vocabulary "
            "and case. Benchmark them one after the other."
        )
    return BertTokenizer(
        first.path / "vocab.txt", lowercase=first.info["tokenizer"]["lowercase"]
    )


def bundle_subjects(bundle: Bundle) -> list[Subject]:
    """Returns the models of a bundle."""
    names = {MODEL: bundle.name, MULTI_MODEL: f"{bundle.name} multi"}
    return [
        Subject(
            names[file],
            LITERT,
            bundle.path / file,
            bundle.signatures(file),
            STUDENT,
            is_exact=bundle.is_exact,
            static=bundle.name if file == MULTI_MODEL else "",
        )
        for file in names
        if bundle.signatures(file)
    ]
