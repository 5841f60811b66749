"""The bundle: a folder with all that an app needs to run a model, and the means to check it."""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata as package_metadata

from absl import logging

from tinybert_tf.data import EncodedExamples, Examples, encode_examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import runtime
from tinybert_tf.export._comparison import Comparison, compare_with_keras
from tinybert_tf.export._golden import make_golden
from tinybert_tf.export._tokenizer import mediapipe_problem, schema_version, tokenizer_info
from tinybert_tf.export.conversion import (
    check_lengths,
    convert,
    is_span_classifier,
    output_names,
    signature_names,
)
from tinybert_tf.export.metadata import ModelCard, add_metadata
from tinybert_tf.export.profiles import DEFAULT_PROFILE, Profile, load_profile
from tinybert_tf.export.spans import SpanCard, golden_windows, make_span_golden
from tinybert_tf.files import atomic_directory, check_absent
from tinybert_tf.models import BertSpanClassifier, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor

MODEL, MULTI_MODEL = "model.tflite", "model_multi.tflite"
_SHORTEST = 16
_HASH_PLACE = "0" * 64
# The oldest runtime measured that runs every profile about as fast as the newest: before it,
# XNNPACK leaves operators to slower kernels (docs/results/litert_versions.json).
_FAST_LITERT = "1.1.2"


@dataclasses.dataclass(frozen=True)
class TaskCard:
    """What a bundle says of its task.

    Args:
        name: str.
        split: str. Which of the task's data the files are compared with Keras on.
        score: see `compare_with_keras`.
        best_metric: see `compare_with_keras`.
        spans: `SpanCard`. Of questions and contexts; of no meaning for other tasks.
    """

    name: str = "task"
    split: str = "test"
    score: Callable | None = None
    best_metric: float = 1.0
    spans: SpanCard = dataclasses.field(default_factory=SpanCard)


def export_bundle(
    model,
    examples: Examples | EncodedExamples,
    output: str | os.PathLike,
    profile: str | Profile = DEFAULT_PROFILE,
    *,
    sequence_length: int | None = None,
    lengths: Sequence[int] | None = None,
    calibration: Examples | EncodedExamples | None = None,
    task: TaskCard | None = None,
    card: ModelCard | None = None,
    made_by: dict | None = None,
) -> dict:
    """Converts a model and writes it as a bundle (`export/bundle.schema.json`).

    The folder is written whole or not at all; the same arguments make the same bytes.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`, float32, with a preprocessor.
        examples: `Examples`, or what is no whole text, such as the windows of contexts, as
            `EncodedExamples` no longer than `sequence_length`. Not trained on: the files are
            compared with the model on them.
        output: str or path. A folder that does not exist or is empty.
        profile: str or `Profile`. See `load_profile`.
        sequence_length: int or `None`. The static length of `model.tflite` and the longest of
            `model_multi.tflite`; `None` is the preprocessor's.
        lengths: sequence of int or `None`. Of `model_multi.tflite`; `None` is 16, 32, 64, ...
            up to `sequence_length`. One length makes no such file.
        calibration: as `examples`, or `None`. Of training, for profiles that need them.
        task: `TaskCard` or `None`.
        card: `ModelCard` or `None`.
        made_by: dict or `None`. What else `bundle.json` says of how the files were made.

    Returns:
        dict. Profile, lengths, sizes in megabytes (10^6 bytes), latencies in milliseconds
        (one thread, texts of `examples`), differences, metrics, runtime.

    Raises:
        TinyBertError: if the model cannot be exported, a file differs from it by more than the
            profile allows, or the folder is not empty.
    """
    _check(model, output)
    length = sequence_length or model.preprocessor.sequence_length
    export = _Export(
        model,
        profile if isinstance(profile, Profile) else load_profile(profile),
        plan_lengths(model, length, lengths),
        BertPreprocessor(model.preprocessor.tokenizer, length),
        task or TaskCard(),
        card or ModelCard("tinybert"),
    )
    encoded, measured = map(export.encode, (examples, calibration))
    files, checks = _make_files(export, encoded, measured)
    info = _info(export, files, checks[MODEL], _num_texts(encoded), made_by or {})
    _write(output, files, info)
    return _report(info, files, checks, encoded)


@dataclasses.dataclass(frozen=True, eq=False)
class _Export:
    """What is exported and how, with nothing left at `None`.

    Args:
        model: the Keras model.
        profile: `Profile`.
        plan: dict. The lengths of each TFLite file.
        preprocessor: `BertPreprocessor`. Of the longest length.
        task: `TaskCard`.
        card: `ModelCard`.
    """

    model: BertTextClassifier | BertSpanClassifier
    profile: Profile
    plan: dict[str, tuple[int, ...]]
    preprocessor: BertPreprocessor
    task: TaskCard
    card: ModelCard

    @property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the outputs; empty if there are none."""
        if output_names(self.model) != ("probability",):
            return []
        return list(self.model.labels or map(str, range(self.model.num_classes)))

    @property
    def mediapipe_problem(self) -> str | None:
        """Why MediaPipe, which runs files of this kind, cannot run this one; or `None`."""
        has_one = len(output_names(self.model)) == 1
        return mediapipe_problem(self.preprocessor.tokenizer) if has_one else None

    def encode(self, examples: Examples | EncodedExamples | None) -> EncodedExamples | None:
        """Returns examples as token ids, those that are not yet."""
        if isinstance(examples, Examples):
            return encode_examples(examples, self.preprocessor)
        return examples


def _check(model, output) -> None:
    if model.preprocessor is None:
        raise TinyBertError(
            "The model has no preprocessor, so its vocabulary is unknown. Set "
            "model.preprocessor to the BertPreprocessor it was trained with."
        )
    check_absent(output)


def plan_lengths(
    model, length: int, lengths: Sequence[int] | None
) -> dict[str, tuple[int, ...]]:
    """Returns the lengths of each file, after a look whether the model takes them.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`.
        length: int. See `sequence_length` of `export_bundle`.
        lengths: sequence of int or `None`. See `export_bundle`.

    Raises:
        TinyBertError: if the model does not take one of them.
    """
    lengths = multi_lengths(length) if lengths is None else tuple(sorted({*lengths, length}))
    if lengths[-1] > length:
        raise TinyBertError(
            f"lengths go up to {lengths[-1]}, beyond sequence_length {length}, the longest of "
            "both files. Raise sequence_length or leave out longer ones."
        )
    check_lengths(model, lengths)
    several = {MULTI_MODEL: lengths} if len(lengths) > 1 else {}
    return {MODEL: (length,), **several}


def _num_texts(encoded: EncodedExamples) -> int:
    # The second of two texts is segment 1.
    return 1 + int(encoded.segment_ids.max())


def _make_files(
    export: _Export, encoded: EncodedExamples, calibration: EncodedExamples | None
) -> tuple[dict[str, bytes], dict[str, Comparison]]:
    """Returns all files but bundle.json, and how the TFLite files compare with Keras.

    Raises:
        TinyBertError: if a file differs by more than the profile allows.
    """
    task = export.task
    files, checks = {"vocab.txt": _lines(export.preprocessor.tokenizer.get_vocabulary())}, {}
    if export.labels:
        files["labels.txt"] = _lines(export.labels)
    # Before the minutes of a conversion, as a question may leave no room for its context.
    windows = None
    if is_span_classifier(export.model):
        windows = golden_windows(export.preprocessor, task.spans)
    expected = runtime.keras_outputs(export.model, encoded)
    for name, lengths in export.plan.items():
        content = convert(export.model, lengths, export.profile, calibration)
        if name == MODEL:
            content = _with_metadata(export, content, files)
        checks[name] = compare_with_keras(
            content,
            export.model,
            encoded,
            expected,
            export.profile,
            score=task.score,
            best_metric=task.best_metric,
        )
        files[name] = content
    models = {name: files[name] for name in export.plan}
    if windows is None:
        golden = make_golden(models, export.preprocessor, _num_texts(encoded))
    else:
        golden = make_span_golden(models, windows, task.spans)
    files["golden.json"] = _json(golden)
    return files, checks


def _with_metadata(export: _Export, content: bytes, files: dict[str, bytes]) -> bytes:
    """Adds MediaPipe's metadata to a file, if MediaPipe runs such models and would be right."""
    names = output_names(export.model)
    if export.mediapipe_problem:
        logging.warning(
            "%s gets no metadata for MediaPipe, which would read texts wrongly: %s An app "
            "needs a tokenizer that does what bundle.json says.",
            MODEL,
            export.mediapipe_problem,
        )
    if export.mediapipe_problem or len(names) > 1:
        return content
    texts = files["vocab.txt"], files.get("labels.txt")
    return add_metadata(content, export.card, names[0], *texts)


def multi_lengths(sequence_length: int) -> tuple[int, ...]:
    """Returns 16, 32, 64, ... below a length, and the length itself."""
    lengths = []
    length = _SHORTEST
    while length < sequence_length:
        lengths.append(length)
        length *= 2
    return (*lengths, sequence_length)


def seal(info: dict) -> bytes:
    """Returns the bytes of bundle.json, whose `sha256` is their own hash before it was set."""
    content = _json({**info, "sha256": _HASH_PLACE})
    return content.replace(_HASH_PLACE.encode(), hashlib.sha256(content).hexdigest().encode())


def put_into_app(bundle: str | os.PathLike, app: str | os.PathLike) -> pathlib.Path:
    """Copies a bundle into the demonstration app, in place of the one that it has.

    Of two models the app runs the one of several lengths, so the other stays behind.

    Args:
        bundle: str or path. The bundle.
        app: str or path. The app's folder, `android_demo`.

    Returns:
        The folder in the app's assets.

    Raises:
        TinyBertError: if the app is not there.
    """
    check_app(app)
    assets = pathlib.Path(app) / "app" / "src" / "main" / "assets" / "bundle"
    assets.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=assets.parent, prefix=".partial-") as aside:
        new = pathlib.Path(aside) / "new"
        shutil.copytree(bundle, new)
        if (new / MULTI_MODEL).exists():
            _leave_out_static_model(new)
        if assets.exists():
            assets.replace(pathlib.Path(aside) / "old")
        new.replace(assets)
    return assets


def _leave_out_static_model(folder: pathlib.Path) -> None:
    (folder / MODEL).unlink()
    golden = json.loads((folder / "golden.json").read_bytes())
    for example in golden["examples"]:
        for part in (example, *example.get("windows", ())):
            for key in {"outputs", "answers", "no_answer_scores"} & part.keys():
                del part[key][MODEL]
    (folder / "golden.json").write_bytes(_json(golden))
    info = json.loads((folder / "bundle.json").read_bytes())
    del info["files"][MODEL]
    info["files"]["golden.json"] = _file_facts(_json(golden))
    (folder / "bundle.json").write_bytes(seal(info))


def check_app(app: str | os.PathLike) -> None:
    """Raises TinyBertError if a folder is not the demonstration app."""
    if not (pathlib.Path(app) / "app" / "src" / "main").is_dir():
        raise TinyBertError(
            f"{app} has no app/src/main. Name the folder of the Android demo, android_demo."
        )


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _json(values: dict) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def _info(
    export: _Export,
    files: dict[str, bytes],
    check: Comparison,
    num_texts: int,
    made_by: dict,
) -> dict:
    """Returns what bundle.json says, without its seal."""
    names = output_names(export.model)
    kind = {"probability": "classification", "score": "regression"}.get(names[0], "span")
    card, profile, tokenizer = export.card, export.profile, export.preprocessor.tokenizer
    mediapipe = {}
    if export.mediapipe_problem:
        mediapipe = {"mediapipe": {"supported": False, "reason": export.mediapipe_problem}}
    return {
        "schema_version": schema_version(tokenizer),
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "author": card.author,
        "license": card.license,
        "task": {
            "name": export.task.name,
            "type": kind,
            "num_texts": num_texts,
            **(export.task.spans.info() if kind == "span" else {}),
        },
        "labels": export.labels,
        "tokenizer": tokenizer_info(tokenizer),
        **mediapipe,
        "inputs": ["ids", "segment_ids", "mask"],
        "outputs": [
            {"name": name, "activation": "softmax" if name == "probability" else "none"}
            for name in names
        ],
        "quantization": {
            "profile": profile.name,
            "weights": profile.weights,
            "embedding": profile.embedding,
            "activations": profile.activations,
        },
        "runtime": {
            "minimum_tensorflow_lite": check.minimum_runtime,
            "fast_litert": _FAST_LITERT,
        },
        "files": {
            name: _file_facts(files[name], export.plan.get(name)) for name in sorted(files)
        },
        "accuracy": {
            "split": export.task.split,
            "examples": check.examples,
            "keras": check.keras_metrics,
            "model": check.metrics,
            "max_difference": check.max_difference,
            "mean_difference": check.mean_difference,
            "label_agreement": check.label_agreement,
        },
        "made_by": {**_versions(), "profile": _profile_values(profile), **made_by},
    }


def _file_facts(content: bytes, lengths: Sequence[int] | None = None) -> dict:
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return facts if lengths is None else {**facts, "signatures": signature_names(lengths)}


def _versions() -> dict[str, str]:
    names = ("tinybert-tf", "tensorflow", "keras", "ai-edge-litert")
    return {name: package_metadata.version(name) for name in names}


def _profile_values(profile: Profile) -> dict:
    return {"name": profile.name, "tolerance": dataclasses.asdict(profile.tolerance)}


def _write(output, files: dict[str, bytes], info: dict) -> None:
    with atomic_directory(output) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "bundle.json").write_bytes(seal(info))


def _report(
    info: dict, files: dict[str, bytes], checks: dict[str, Comparison], encoded: EncodedExamples
) -> dict:
    report = {
        "profile": info["quantization"]["profile"],
        "sequence_length": max(info["files"][MODEL]["signatures"].values()),
        "minimum_runtime": info["runtime"]["minimum_tensorflow_lite"],
        "verified_on": len(encoded),
    }
    for name, check in checks.items():
        prefix = "" if name == MODEL else "multi_"
        runner = runtime.TfliteModel(files[name])
        report |= {
            f"{prefix}megabytes": len(files[name]) / 1e6,
            f"{prefix}milliseconds": runtime.median_milliseconds(
                runner, encoded, runner.length_for
            ),
            f"{prefix}max_difference": check.max_difference,
            f"{prefix}mean_difference": check.mean_difference,
            f"{prefix}agreement": check.label_agreement,
        }
    report["operators"] = checks[MODEL].operators
    return report | checks[MODEL].metrics
