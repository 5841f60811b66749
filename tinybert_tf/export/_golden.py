"""Golden vectors: what an app that runs a bundle must reproduce."""

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
    examples = []
    for texts in golden_texts(num_texts):
        token_ids, segment_ids = tokenize(preprocessor, texts)
        outputs = {n: run_ids(runner, token_ids, segment_ids) for n, runner in runners.items()}
        examples.append(
            {
                "texts": list(texts),
                "token_ids": token_ids,
                "segment_ids": segment_ids,
                "outputs": outputs,
            }
        )
    return {"schema_version": SCHEMA_VERSION, "examples": examples}


def tokenize(preprocessor: BertPreprocessor, texts) -> tuple[list[int], list[int]]:
    """Returns unpadded token ids and segment ids of one text or pair."""
    texts = tuple(texts) if len(texts) > 1 else texts[0]
    token_ids, segment_ids = preprocessor.ragged_token_ids(texts)
    return token_ids.numpy().tolist(), segment_ids.numpy().tolist()


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
