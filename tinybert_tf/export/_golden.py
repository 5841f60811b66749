"""Golden vectors: what an app that runs a bundle must reproduce."""

from collections.abc import Sequence

import numpy as np

from tinybert_tf.export._contract import read_contract
from tinybert_tf.export.runtime import TfliteModel
from tinybert_tf.tokenization import BertPreprocessor

SCHEMA_VERSION = 1


def golden_texts(num_texts: int) -> list[tuple[str, ...]]:
    """Returns the project's own texts (`export/golden_texts.json`), or pairs of them."""
    texts = read_contract("golden_texts.json")
    return (
        [(t,) for t in texts["single"]] if num_texts == 1 else list(map(tuple, texts["pair"]))
    )


def make_golden(
    models: dict[str, bytes], preprocessor: BertPreprocessor, num_texts: int
) -> dict:
    """Runs the golden texts through the files of a bundle.

    Args:
        models: dict from file name to its content.
        preprocessor: `BertPreprocessor`. Its `sequence_length` is the longest of the files.
        num_texts: int. 1, or 2 for pairs.

    Returns:
        dict. The content of golden.json: for each example its `texts`, unpadded `token_ids`
        and `segment_ids`, and the `outputs` of each file, run in the shortest length that
        takes the ids.
    """
    runners = {name: TfliteModel(content) for name, content in models.items()}
    texts = golden_texts(num_texts)
    examples = [
        {
            "texts": list(text),
            "token_ids": token_ids,
            "segment_ids": segment_ids,
            "outputs": {n: run_ids(r, token_ids, segment_ids) for n, r in runners.items()},
        }
        for text, (token_ids, segment_ids) in zip(
            texts, tokenize(preprocessor, texts), strict=True
        )
    ]
    return {"schema_version": SCHEMA_VERSION, "examples": examples}


def tokenize(
    preprocessor: BertPreprocessor, texts: Sequence[Sequence[str]]
) -> list[tuple[list[int], list[int]]]:
    """Returns unpadded token ids and segment ids of texts, or of pairs of them.

    Args:
        preprocessor: `BertPreprocessor`.
        texts: sequence of sequences of one str each, or of two.
    """
    fields = [list(field) for field in zip(*texts, strict=True)]
    token_ids, segment_ids = preprocessor.ragged_token_ids(
        tuple(fields) if len(fields) > 1 else fields[0]
    )
    return list(zip(token_ids.to_list(), segment_ids.to_list(), strict=True))


def run_ids(
    runner: TfliteModel, token_ids: list[int], segment_ids: list[int]
) -> dict[str, list[float]]:
    """Runs unpadded ids in the shortest length that takes them; returns named outputs."""
    length = runner.length_for(len(token_ids))
    inputs = {
        "token_ids": token_ids,
        "segment_ids": segment_ids,
        "padding_mask": [1] * len(token_ids),
    }
    padded = {k: np.zeros((1, length), np.int32) for k in inputs}
    for name, values in inputs.items():
        padded[name][0, : len(values)] = values
    # Seven digits tell float32 values apart as far as runtimes agree on them.
    return {
        name: [float(f"{value:.7g}") for value in values[0].tolist()]
        for name, values in sorted(runner(padded).items())
    }
