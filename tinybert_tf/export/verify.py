"""Checks a bundle as an app does, and more: is it whole, and does it do what it says?"""

import hashlib
import itertools
import json
import lzma
import os
import pathlib
import struct
import zipfile
import zlib

import jsonschema
import numpy as np
import pydantic

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export._contract import read_contract
from tinybert_tf.export._golden import SCHEMA_VERSION as GOLDEN_VERSION
from tinybert_tf.export._golden import run_ids, tokenize
from tinybert_tf.export._tokenizer import SCHEMA_VERSION, load_bundle_tokenizer
from tinybert_tf.export.bundle import MODEL, MULTI_MODEL, seal
from tinybert_tf.export.runtime import TfliteModel
from tinybert_tf.export.spans import SpanCard, run_window, window_ids
from tinybert_tf.strict import strict_keyword_dataclass
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer, load_vocabulary

# As much as another build of the same runtime may differ.
_GOLDEN_DIFFERENCE = 1e-3
# What zipfile raises of an archive that is damaged, encrypted or of an unknown compression.
_BROKEN_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(RuntimeError, NotImplementedError, ValueError, struct.error),
)


@strict_keyword_dataclass
class _GoldenRun:
    """What a model is given, and what it makes of it."""

    token_ids: list[int]
    segment_ids: list[int]
    outputs: dict[str, dict[str, list[float]]]


@strict_keyword_dataclass
class _GoldenExample(_GoldenRun):
    """An example of golden.json; see `make_golden`."""

    texts: list[str]

    @property
    def runs(self) -> list[_GoldenRun]:
        return [self]


@strict_keyword_dataclass
class _GoldenAnswer:
    """See `SpanAnswer`."""

    start: int
    end: int
    text: str
    score: float


@strict_keyword_dataclass
class _GoldenQuestion:
    """A question of golden.json; see `make_span_golden`."""

    texts: list[str]
    windows: list[_GoldenRun]
    answers: dict[str, list[_GoldenAnswer]]
    no_answer_scores: dict[str, float | None]

    @property
    def runs(self) -> list[_GoldenRun]:
        return self.windows


@strict_keyword_dataclass
class _Golden:
    schema_version: int
    examples: list[_GoldenExample]


@strict_keyword_dataclass
class _SpanGolden:
    schema_version: int
    examples: list[_GoldenQuestion]


def verify_bundle(path: str | os.PathLike) -> dict:
    """Checks that a bundle is whole, consistent and gives its golden outputs.

    Args:
        path: str or path. The bundle's folder.

    Returns:
        dict. The content of its bundle.json, and `golden_difference`: the largest difference
        of an output to golden.json.

    Raises:
        TinyBertError: if a file is missing, cut, altered, of another bundle, or does not do
            what the bundle says; the message names the file.
    """
    folder = pathlib.Path(path)
    info = _read_info(folder)
    _check_files(folder, info)
    _check_texts(folder, info)
    models = {
        name: _load_model(folder, name, info) for name in info["files"] if _is_model(name)
    }
    return {**info, "golden_difference": _check_golden(folder, info, models)}


def open_bundle(path: str | os.PathLike) -> tuple[dict, BertTokenizer, TfliteModel]:
    """Checks a bundle and returns what it takes to run it.

    Args:
        path: str or path. The bundle's folder.

    Returns:
        the content of its bundle.json, its tokenizer, and the model that an app runs: that
        of several lengths, if there is one.

    Raises:
        TinyBertError: see `verify_bundle`.
    """
    folder, info = pathlib.Path(path), verify_bundle(path)
    name = MULTI_MODEL if MULTI_MODEL in info["files"] else MODEL
    return info, load_bundle_tokenizer(folder, info), _load_model(folder, name, info)


def _is_model(name: str) -> bool:
    return name.endswith(".tflite")


def _read(folder: pathlib.Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise TinyBertError(
            f"{folder / name}: {error.strerror}. The bundle is not whole; export it again."
        ) from error


def _read_json(folder: pathlib.Path, name: str) -> dict:
    content = _read(folder, name)
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TinyBertError(f"{folder / name} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise TinyBertError(f"{folder / name} holds no JSON object.")
    return values


def _read_info(folder: pathlib.Path) -> dict:
    info, path = _read_json(folder, "bundle.json"), folder / "bundle.json"
    version = info.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise TinyBertError(
            f"{path} is of schema version {version}; this library reads up to "
            f"{SCHEMA_VERSION}. Update tinybert-tf."
        )
    validator = jsonschema.Draft202012Validator(read_contract("bundle.schema.json"))
    problem = jsonschema.exceptions.best_match(validator.iter_errors(info))
    if problem is not None:
        place = ".".join(map(str, problem.absolute_path)) or "its top"
        raise TinyBertError(f"{path} breaks its schema, at {place}: {problem.message}.")
    if not _is_sealed(info, path.read_bytes()):
        raise TinyBertError(f"{path} was altered: its sha256 is not that of its content.")
    return info


def _is_sealed(info: dict, content: bytes) -> bool:
    try:
        return seal(info) == content
    # Half a surrogate pair is valid JSON, but in no bundle that was written here.
    except UnicodeEncodeError:
        return False


def _check_files(folder: pathlib.Path, info: dict) -> None:
    unknown = {p.name for p in folder.iterdir()} - set(info["files"]) - {"bundle.json"}
    if unknown:
        raise TinyBertError(
            f"{folder / min(unknown)} is no file of this bundle. Remove it, or export again."
        )
    for name, facts in info["files"].items():
        content = _read(folder, name)
        if len(content) != facts["bytes"]:
            raise TinyBertError(
                f"{folder / name} has {len(content):,} bytes, bundle.json says "
                f"{facts['bytes']:,}: it was cut, or is of another bundle."
            )
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise TinyBertError(
                f"{folder / name} has not the SHA-256 in bundle.json: it was altered, or "
                "is of another bundle."
            )


def _check_texts(folder: pathlib.Path, info: dict) -> None:
    load_vocabulary(folder / "vocab.txt", info["tokenizer"]["vocabulary_size"])
    labels = []
    if "labels.txt" in info["files"]:
        labels = _read(folder, "labels.txt").decode("utf-8", "replace").split("\n")[:-1]
    if labels != info["labels"]:
        raise TinyBertError(
            f"{folder / 'labels.txt'} holds {labels}, bundle.json {info['labels']}."
        )


def _load_model(folder: pathlib.Path, name: str, info: dict) -> TfliteModel:
    path = folder / name
    try:
        model = TfliteModel(path.read_bytes())
    # What LiteRT raises is not documented, and is of any kind.
    except Exception as error:
        raise TinyBertError(f"{path} is no TFLite file that LiteRT runs: {error}") from error
    if model.signatures != info["files"][name].get("signatures"):
        raise TinyBertError(
            f"{path} has signatures {model.signatures}, bundle.json says "
            f"{info['files'][name].get('signatures')}."
        )
    zeros = np.zeros((1, min(model.signatures.values())), np.int32)
    inputs = {"token_ids": zeros, "segment_ids": zeros, "padding_mask": zeros}
    try:
        outputs = model(inputs)
    except Exception as error:
        raise TinyBertError(f"{path} does not run: {error}") from error
    wanted = {output["name"] for output in info["outputs"]}
    if set(outputs) != wanted:
        raise TinyBertError(f"{path} has outputs {sorted(outputs)}, not {sorted(wanted)}.")
    classes = outputs["probability"].shape[-1] if "probability" in outputs else 0
    if classes != len(info["labels"]):
        raise TinyBertError(f"{path} has {classes} classes for labels {info['labels']}.")
    if name == MODEL and zipfile.is_zipfile(path):
        try:
            _check_packed(folder, path)
        except TinyBertError:
            raise
        except _BROKEN_ARCHIVE as error:
            raise TinyBertError(
                f"{path}: the files within it, for MediaPipe, cannot be read: {error}. Export "
                "the bundle again."
            ) from error
    return model


def _check_packed(folder: pathlib.Path, path: pathlib.Path) -> None:
    """The files within the model, for MediaPipe, are those beside it."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            beside = _read(folder, entry.filename)
            # The size first: a small entry may become a large file.
            if entry.file_size != len(beside) or archive.read(entry) != beside:
                raise TinyBertError(
                    f"{path} has another {entry.filename} within it than beside it."
                )


def _read_golden(folder: pathlib.Path, info: dict, models: dict[str, TfliteModel]) -> list:
    """Returns the examples of golden.json, with outputs for each model."""
    golden, path = _read_json(folder, "golden.json"), folder / "golden.json"
    if golden.get("schema_version") != GOLDEN_VERSION or not golden.get("examples"):
        raise TinyBertError(f"{path} is of no version known here, or empty.")
    try:
        # The bytes: in them, half a surrogate pair is found, too.
        form: type = _SpanGolden if info["task"]["type"] == "span" else _Golden
        examples = pydantic.TypeAdapter(form).validate_json(path.read_bytes()).examples
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        what = f"{'.'.join(map(str, problem['loc']))} {problem['msg']}".strip()
        raise TinyBertError(f"{path} holds no golden examples: {what}.") from error
    for i, example in enumerate(examples):
        for run in example.runs:
            if len(example.texts) != info["task"]["num_texts"] or not (
                models.keys() <= run.outputs.keys()
            ):
                raise TinyBertError(
                    f"{path}, example {i}: has {len(example.texts)} texts and outputs of "
                    f"{', '.join(run.outputs) or 'nothing'}; expected "
                    f"{info['task']['num_texts']} and those of {', '.join(models)}."
                )
    return examples


def _check_golden(folder: pathlib.Path, info: dict, models: dict[str, TfliteModel]) -> float:
    examples, path = _read_golden(folder, info, models), folder / "golden.json"
    tokenizer = load_bundle_tokenizer(folder, info)
    longest = max(max(model.signatures.values()) for model in models.values())
    preprocessor = BertPreprocessor(tokenizer, longest)
    largest = 0.0
    tokenized = _tokenize(preprocessor, info, [tuple(example.texts) for example in examples])
    run = run_window if info["task"]["type"] == "span" else run_ids
    for i, (example, ids) in enumerate(zip(examples, tokenized, strict=True)):
        if ids != [(row.token_ids, row.segment_ids) for row in example.runs]:
            raise TinyBertError(
                f"{path}, example {i}: other token ids than the vocabulary gives. The bundle "
                "was made with another tokenizer."
            )
        for row in example.runs:
            for name, model in models.items():
                where = f"{folder / name}, golden example {i}"
                outputs = run(model, row.token_ids, row.segment_ids)
                largest = max(largest, _compare(where, outputs, row.outputs[name]))
    return largest


def _tokenize(
    preprocessor: BertPreprocessor, info: dict, texts: list[tuple]
) -> list[list[tuple[list[int], list[int]]]]:
    """Returns for each example the token ids and segment ids of what a model is run on."""
    if info["task"]["type"] != "span":
        return [[ids] for ids in tokenize(preprocessor, texts)]
    windows = SpanCard.of(info["task"]).encode(preprocessor, texts)
    ids, splits = window_ids(windows), windows.example_splits
    return [ids[first:last] for first, last in itertools.pairwise(splits)]


def _compare(where: str, outputs: dict, expected: dict) -> float:
    """Returns the largest difference of a model's outputs to those of golden.json."""
    largest = 0.0
    sizes = {key: len(values) for key, values in outputs.items()}
    if sizes != {key: len(values) for key, values in expected.items()}:
        raise TinyBertError(f"{where}: golden.json has other outputs than {sizes}.")
    for key, values in expected.items():
        difference = float(np.abs(np.subtract(outputs[key], values)).max())
        largest = max(largest, difference)
        if not difference <= _GOLDEN_DIFFERENCE:
            raise TinyBertError(
                f"{where}: {key} differs by {difference:.6f} from golden.json; at most "
                f"{_GOLDEN_DIFFERENCE} is expected."
            )
    return largest
