"""What models run on: random tokens and real texts."""

import pathlib

import numpy as np

from tinybert_tf.data import EncodedExamples, Examples, encode_examples
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer

# A pass over random texts is short beside a round, even of BERT-base.
_RANDOM_TEXTS = 8
_MAX_REAL_TEXTS = 1000
_CHECK_TEXTS = 64


class Texts:
    """Encodes texts and writes them for the workers.

    Args:
        folder: path. Where files go.
        tokenizer: `BertTokenizer`.
        examples: `Examples` or `None`. Real texts, of which at most 1,000 are taken.
        shortest_end: int. Real texts are cut to this, so that all models get the same.
        longest_end: int. No model takes more tokens.
        seed: int.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        tokenizer: BertTokenizer,
        examples: Examples | None,
        *,
        shortest_end: int,
        longest_end: int,
        seed: int,
    ):
        self._folder, self._tokenizer, self._seed = folder, tokenizer, seed
        self._shortest_end, self._longest_end = shortest_end, longest_end
        self._examples = examples and _choose(examples, _MAX_REAL_TEXTS, seed)

    def encode(self, length: int | None) -> EncodedExamples:
        """Returns random texts of exactly `length` tokens, or for `None` the real ones."""
        if length is None:
            return self._encode_real(self._examples, self._shortest_end)
        return self._encode_random(np.full(_RANDOM_TEXTS, length))

    def encode_for_check(self, length: int | None) -> EncodedExamples:
        """Returns texts of various lengths, the longest of at most `length` tokens."""
        longest = length or self._shortest_end
        if self._examples is None:
            random = np.random.default_rng(self._seed)
            return self._encode_random(random.integers(3, longest + 1, _CHECK_TEXTS))
        return self._encode_real(_choose(self._examples, _CHECK_TEXTS, self._seed), longest)

    def write(self, encoded: EncodedExamples, name: str) -> str:
        """Writes texts as `_worker.measure` reads them; returns the file."""
        inputs, _ = encoded.batch(np.arange(len(encoded)), self._longest_end)
        path = self._folder / f"{name}.npz"
        np.savez(
            path,
            ids=inputs["token_ids"],
            segment_ids=inputs["segment_ids"],
            tokens=encoded.lengths,
        )
        return str(path)

    def _encode_real(self, examples: Examples, longest: int) -> EncodedExamples:
        return encode_examples(examples, BertPreprocessor(self._tokenizer, longest))

    def _encode_random(self, lengths: np.ndarray) -> EncodedExamples:
        random, size = np.random.default_rng(self._seed), int(lengths.sum())
        return EncodedExamples(
            token_ids=random.integers(0, self._tokenizer.vocabulary_size(), size, "int32"),
            segment_ids=np.zeros(size, "int32"),
            row_splits=np.concatenate([[0], np.cumsum(lengths)]),
            labels=np.zeros(len(lengths), "int32"),
            pad_token_id=self._tokenizer.pad_token_id,
        )


def _choose(examples: Examples, count: int, seed: int) -> Examples:
    return examples.take(np.random.default_rng(seed).permutation(len(examples))[:count])
