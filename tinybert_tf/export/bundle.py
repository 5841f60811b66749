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

from tinybert_tf.data import EncodedExamples, Examples, encode_examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import runtime
from tinybert_tf.export._comparison import Comparison, compare_with_keras
from tinybert_tf.export._golden import make_golden
from tinybert_tf.export.conversion import check_lengths, convert, output_names, signature_names
from tinybert_tf.export.metadata import ModelCard, add_metadata
from tinybert_tf.export.profiles import DEFAULT_PROFILE, Profile, load_profile
from tinybert_tf.files import atomic_directory, check_absent
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.tokenization.vocabulary import MAX_CHARS_PER_WORD

SCHEMA_VERSION = 1
MODEL, MULTI_MODEL = "model.tflite", "model_multi.tflite"
_SHORTEST = 16
_HASH_PLACE = "0" * 64


@dataclasses.dataclass(frozen=True)
class TaskCard:
    """What a bundle says of its task.

    Args:
        name: str.
        split: str. Which of the task's data the files are verified on.
        score: see `compare_with_keras`.
        best_metric: see `compare_with_keras`.
    """

    name: str = "task"
    split: str = "test"
    score: Callable | None = None
    best_metric: float = 1.0


def export_bundle(
    model,
    examples: Examples | EncodedExamples,
    output: str | os.PathLike,
    profile: str | Profile = DEFAULT_PROFILE,
    sequence_length: int | None = None,
    lengths: Sequence[int] | None = None,
    calibration: Examples | EncodedExamples | None = None,
    task: TaskCard | None = None,
    card: ModelCard | None = None,
    made_by: dict | None = None,
) -> dict:
    """Converts, verifies and writes a model as a bundle (`export/bundle.schema.json`).

    The folder is complete or absent; the same arguments make the same bytes.

    Args:
        model: `BertTextClassifier` or `BertSpanClassifier`, float32, with a preprocessor.
        examples: `Examples`, or what is no whole text, such as the windows of contexts, as
            `EncodedExamples` no longer than `sequence_length`. Real ones, not trained on, to
            verify the files on.
        output: str or path. A folder that does not exist or is empty.
        profile: str or `Profile`. See `load_profile`.
        sequence_length: int or `None`. The static length of `model.tflite` and the longest of
            `model_multi.tflite`; `None` is the preprocessor's.
        lengths: sequence of int or `None`. Of `model_multi.tflite`; `None` is 16, 32, 64, ...
            up to `sequence_length`. One length makes no such file.
        calibration: as `examples`, or `None`. Training ones, for profiles that measure on
            them.
        task: `TaskCard` or `None`.
        card: `ModelCard` or `None`.
        made_by: dict or `None`. What else `bundle.json` says of how the files were made.

    Returns:
        dict. Figures: profile, lengths, sizes in megabytes (10^6 bytes), latencies in
        milliseconds (one thread, texts of `examples`), differences, metrics, runtime.

    Raises:
        TinyBertError: if the model cannot be exported, a file fails its verification or the
            folder is not empty.
    """
    if model.preprocessor is None:
        raise TinyBertError(
            "The model has no preprocessor, so its vocabulary is unknown. Set "
            "model.preprocessor to the BertPreprocessor it was trained with."
        )
    check_absent(output)
    if not isinstance(profile, Profile):
        profile = load_profile(profile)
    task, card = task or TaskCard(), card or ModelCard("tinybert")
    length = sequence_length or model.preprocessor.sequence_length
    plan = {MODEL: (length,)}
    lengths = multi_lengths(length) if lengths is None else tuple(sorted({*lengths, length}))
    if lengths[-1] > length:
        raise TinyBertError(
            f"lengths go up to {lengths[-1]}, beyond sequence_length {length}, the longest of "
            "both files. Raise sequence_length or leave out longer ones."
        )
    check_lengths(model, lengths)
    if len(lengths) > 1:
        plan[MULTI_MODEL] = lengths
    preprocessor = BertPreprocessor(model.preprocessor.tokenizer, length)
    encoded = _encode(examples, preprocessor)
    measured = None if calibration is None else _encode(calibration, preprocessor)
    # The second of two texts is segment 1.
    num_texts = 1 + int(encoded.segment_ids.max())
    expected = runtime.keras_outputs(model, encoded)

    files, checks = {}, {}
    labels = _labels(model)
    files["vocab.txt"] = _lines(preprocessor.tokenizer.get_vocabulary())
    if labels:
        files["labels.txt"] = _lines(labels)
    for name, name_lengths in plan.items():
        content = convert(model, name_lengths, profile, measured)
        if name == MODEL and len(output_names(model)) == 1:
            content = add_metadata(
                content,
                card,
                output_names(model)[0],
                files["vocab.txt"],
                files.get("labels.txt"),
            )
        checks[name] = compare_with_keras(
            content, model, encoded, expected, profile, task.score, task.best_metric
        )
        files[name] = content
    models = {name: files[name] for name in plan}
    golden = make_golden(models, preprocessor, num_texts)
    files["golden.json"] = _json(golden)
    info = _info(model, profile, plan, files, checks[MODEL], num_texts, task, card)
    info["made_by"] = {**_versions(), "profile": _profile_values(profile), **(made_by or {})}
    _write(output, files, info)
    return _report(info, models, checks, encoded)


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
        TinyBertError: if the app is not there, or the bundle is for questions and contexts,
            which it does not run.
    """
    check_app(app)
    info = json.loads((pathlib.Path(bundle) / "bundle.json").read_bytes())
    if info["task"]["type"] == "span":
        raise TinyBertError(
            f"{bundle} answers questions; the app runs classifications and regressions alone. "
            "The app was left as it is."
        )
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
        del example["outputs"][MODEL]
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


def _encode(
    examples: Examples | EncodedExamples, preprocessor: BertPreprocessor
) -> EncodedExamples:
    is_encoded = isinstance(examples, EncodedExamples)
    return examples if is_encoded else encode_examples(examples, preprocessor)


def _labels(model) -> list[str]:
    if output_names(model) != ("probability",):
        return []
    return list(model.labels or map(str, range(model.num_classes)))


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _json(values: dict) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def _info(model, profile, plan, files, check: Comparison, num_texts, task, card) -> dict:
    names = output_names(model)
    kinds = {"probability": "classification", "score": "regression"}
    tokenizer = model.preprocessor.tokenizer
    return {
        "schema_version": SCHEMA_VERSION,
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "author": card.author,
        "license": card.license,
        "task": {
            "name": task.name,
            "type": kinds.get(names[0], "span"),
            "num_texts": num_texts,
        },
        "labels": _labels(model),
        "tokenizer": {
            "type": "bert_wordpiece",
            "lowercase": tokenizer.lowercase,
            "vocabulary_size": tokenizer.vocabulary_size(),
            "max_characters_per_word": MAX_CHARS_PER_WORD,
        },
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
        "runtime": {"minimum_tensorflow_lite": check.minimum_runtime},
        "files": {
            name: {
                **_file_facts(content),
                **({"signatures": signature_names(plan[name])} if name in plan else {}),
            }
            for name, content in sorted(files.items())
        },
        "accuracy": {
            "split": task.split,
            "examples": check.examples,
            "keras": check.keras_metrics,
            "model": check.metrics,
            "max_difference": check.max_difference,
            "mean_difference": check.mean_difference,
            "label_agreement": check.label_agreement,
        },
    }


def _file_facts(content: bytes) -> dict:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


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


def _report(info: dict, models: dict, checks: dict[str, Comparison], encoded) -> dict:
    report = {
        "profile": info["quantization"]["profile"],
        "sequence_length": max(info["files"][MODEL]["signatures"].values()),
        "minimum_runtime": info["runtime"]["minimum_tensorflow_lite"],
        "verified_on": len(encoded),
    }
    for name, content in models.items():
        prefix = "" if name == MODEL else "multi_"
        runner, check = runtime.TfliteModel(content), checks[name]
        report |= {
            f"{prefix}megabytes": len(content) / 1e6,
            f"{prefix}milliseconds": runtime.median_milliseconds(
                runner, encoded, runner.length_for
            ),
            f"{prefix}max_difference": check.max_difference,
            f"{prefix}mean_difference": check.mean_difference,
            f"{prefix}agreement": check.label_agreement,
        }
    report["operators"] = checks[MODEL].operators
    return report | checks[MODEL].metrics
