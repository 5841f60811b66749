"""Checks a bundle as an app does, and more: is it whole, and does it do what it says?"""

import hashlib
import json
import os
import pathlib
import zipfile
from collections.abc import Iterator

import jsonschema
import numpy as np

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export._contract import read_contract
from tinybert_tf.export._golden import SCHEMA_VERSION as GOLDEN_VERSION
from tinybert_tf.export._golden import run_ids, tokenize
from tinybert_tf.export._tokenizer import SCHEMA_VERSION, load_bundle_tokenizer
from tinybert_tf.export.bundle import MODEL, MULTI_MODEL, seal
from tinybert_tf.export.runtime import TfliteModel
from tinybert_tf.export.spans import SpanCard, window_ids
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer, load_vocabulary

# As much as another build of the same runtime may differ.
_GOLDEN_DIFFERENCE = 1e-3


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
    except ValueError as error:
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
    if seal(info) != (folder / "bundle.json").read_bytes():
        raise TinyBertError(f"{path} was altered: its sha256 is not that of its content.")
    return info


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
    except (ValueError, RuntimeError) as error:
        raise TinyBertError(f"{path} is no TFLite file that LiteRT runs: {error}") from error
    if model.signatures != info["files"][name].get("signatures"):
        raise TinyBertError(
            f"{path} has signatures {model.signatures}, bundle.json says "
            f"{info['files'][name].get('signatures')}."
        )
    zeros = np.zeros((1, min(model.signatures.values())), np.int32)
    outputs = model({"token_ids": zeros, "segment_ids": zeros, "padding_mask": zeros})
    wanted = {output["name"] for output in info["outputs"]}
    if set(outputs) != wanted:
        raise TinyBertError(f"{path} has outputs {sorted(outputs)}, not {sorted(wanted)}.")
    classes = outputs["probability"].shape[-1] if "probability" in outputs else 0
    if classes != len(info["labels"]):
        raise TinyBertError(f"{path} has {classes} classes for labels {info['labels']}.")
    if name == MODEL and zipfile.is_zipfile(path):
        _check_packed(folder, path)
    return model


def _check_packed(folder: pathlib.Path, path: pathlib.Path) -> None:
    """The files within the model, for MediaPipe, are those beside it."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if archive.read(name) != _read(folder, name):
                raise TinyBertError(f"{path} has another {name} within it than beside it.")


def _check_golden(folder: pathlib.Path, info: dict, models: dict[str, TfliteModel]) -> float:
    golden, path = _read_json(folder, "golden.json"), folder / "golden.json"
    if golden.get("schema_version") != GOLDEN_VERSION or not golden.get("examples"):
        raise TinyBertError(f"{path} is of no version known here, or empty.")
    tokenizer = load_bundle_tokenizer(folder, info)
    longest = max(max(model.signatures.values()) for model in models.values())
    preprocessor = BertPreprocessor(tokenizer, longest)
    largest = 0.0
    for i, run, token_ids, segment_ids in _golden_runs(path, golden, info, preprocessor):
        if (token_ids, segment_ids) != (run["token_ids"], run["segment_ids"]):
            raise _other_ids(path, i)
        for name, model in models.items():
            outputs = run_ids(model, token_ids, segment_ids)
            for key, values in run["outputs"][name].items():
                # Outputs at padding are not in the golden file of spans.
                found = outputs[key][: len(values)]
                difference = float(np.abs(np.subtract(found, values)).max())
                largest = max(largest, difference)
                if not difference <= _GOLDEN_DIFFERENCE:
                    raise TinyBertError(
                        f"{folder / name}, golden example {i}: {key} differs by "
                        f"{difference:.6f} from golden.json; at most {_GOLDEN_DIFFERENCE} is "
                        "expected."
                    )
    return largest


def _golden_runs(
    path: pathlib.Path, golden: dict, info: dict, preprocessor: BertPreprocessor
) -> Iterator[tuple[int, dict, list[int], list[int]]]:
    """Yields the number of an example, a run of it as golden.json has it, and its ids here."""
    examples = golden["examples"]
    texts = [tuple(example["texts"]) for example in examples]
    if info["task"]["type"] != "span":
        for i, ids in enumerate(tokenize(preprocessor, texts)):
            yield i, examples[i], *ids
        return
    windows = SpanCard.of(info["task"]).encode(preprocessor, texts)
    ids = window_ids(windows)
    for i, example in enumerate(examples):
        first, last = windows.example_splits[i : i + 2]
        if len(example["windows"]) != last - first:
            raise _other_ids(path, i)
        for run, window in zip(example["windows"], ids[first:last], strict=True):
            yield i, run, *window


def _other_ids(path: pathlib.Path, example: int) -> TinyBertError:
    return TinyBertError(
        f"{path}, example {example}: other token ids than the vocabulary gives. The bundle was "
        "made with another tokenizer."
    )
