"""Writes a verified TFLite model with what it needs beside it."""

import json
import os
import pathlib
from collections.abc import Callable

import numpy as np

from tinybert_tf.data import EncodedExamples, Examples, encode_examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.convert import convert
from tinybert_tf.export.runtime import TfliteClassifier, median_milliseconds
from tinybert_tf.export.verify import verify
from tinybert_tf.files import atomic_directory
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor


def export_tflite(
    model: BertTextClassifier,
    examples: Examples,
    output: str | os.PathLike,
    quantization: str = "dynamic_int8",
    sequence_length: int | None = None,
    score: Callable[[np.ndarray, np.ndarray], dict] | None = None,
) -> dict:
    """Converts, verifies and writes a classifier.

    The folder holds `model.tflite`, `vocab.txt` (a token a line), `labels.txt` (a class a
    line, in the order of the outputs; not for regression) and `export.json` (what is
    returned). It is complete or absent.

    Args:
        model: `BertTextClassifier`, float32, with a preprocessor.
        examples: `Examples`. Real ones to verify on.
        output: str or path. A folder that does not exist or is empty.
        quantization: str. See `convert`.
        sequence_length: int or `None`. Static length; `None` is the preprocessor's.
        score: function of labels and outputs that returns the task's metrics, or `None`.

    Returns:
        dict. Size in megabytes (10^6 bytes), latency in milliseconds (one thread), metrics,
        differences, operators.

    Raises:
        TinyBertError: if the model cannot be exported, the file fails its verification or
            the folder is not empty.
    """
    if model.preprocessor is None:
        raise TinyBertError(
            "The model has no preprocessor, so its vocabulary is unknown. Set "
            "model.preprocessor to the BertPreprocessor it was trained with."
        )
    _check_absent(output)
    tokenizer = model.preprocessor.tokenizer
    sequence_length = sequence_length or model.preprocessor.sequence_length
    content = convert(model, sequence_length, quantization)
    encoded = _encode(examples, tokenizer, sequence_length)
    checked = verify(content, model, encoded, quantization)
    report = {
        "quantization": quantization,
        "sequence_length": sequence_length,
        "lowercase": tokenizer.lowercase,
        "labels": model.labels,
        "megabytes": len(content) / 1e6,
        "milliseconds": median_milliseconds(
            TfliteClassifier(content), encoded, sequence_length
        ),
        "verified_on": checked.examples,
        "max_difference": checked.max_difference,
        "mean_difference": checked.mean_difference,
        "agreement": checked.agreement,
        "operators": checked.operators,
    }
    if score is not None:
        report.update(score(encoded.labels, checked.predictions))
    _write(output, content, tokenizer.get_vocabulary(), model.labels, report)
    return report


def _encode(examples: Examples, tokenizer, sequence_length: int) -> EncodedExamples:
    return encode_examples(examples, BertPreprocessor(tokenizer, sequence_length))


def _check_absent(output) -> None:
    """Looks before the minutes of work, not after."""
    output = pathlib.Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TinyBertError(f"{output} already exists. Remove it or name another folder.")


def _write(output, content: bytes, vocabulary: list[str], labels, report: dict) -> None:
    with atomic_directory(output) as folder:
        (folder / "model.tflite").write_bytes(content)
        _write_lines(folder / "vocab.txt", vocabulary)
        if labels:
            _write_lines(folder / "labels.txt", labels)
        (folder / "export.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def _write_lines(path: pathlib.Path, lines) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
