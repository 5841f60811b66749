"""The words that a masked language model proposes, many masked words to a batch."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tinybert_tf.augmentation._words import is_word
from tinybert_tf.data import BucketedBatches, EncodedExamples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertMaskedLM

# The last bits of a row's logits depend on the other rows of its batch: on CPUs they differ by
# up to 7e-6. Where the last word that is taken is no further than this from the first that is
# not, the row decides alone.
_NEAR_TIE = 1e-4
# [CLS] and two [SEP].
_SPECIAL_TOKENS = 3
# Tokens of text that the model must at least have room for, twice.
_MIN_ROOM = 4
_INPUTS = dict.fromkeys(
    ("token_ids", "segment_ids", "padding_mask", "mask_positions"),
    tf.TensorSpec((None, None), tf.int32),
)


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedWord:
    """A word of a text, to be masked.

    Args:
        word: str. In lower case; never a candidate for itself.
        token_ids: int array [tokens]. The whole text's, without special tokens.
        start: int. The word's first token.
        stop: int. The token after its last.
    """

    word: str
    token_ids: np.ndarray
    start: int
    stop: int


class MaskedLMCandidates:
    """Proposes words for masked words.

    The model reads `[CLS] masked text [SEP] text [SEP]`, as in Huawei's released code: the
    original beside the gap keeps what is proposed close to the word. A word of several pieces
    becomes one `[MASK]`. Of a text too long for that, the model reads the part around the word.
    In float32 on a CPU a word's candidates do not depend on which others are in its batch.

    Args:
        masked_lm: `BertMaskedLM` with a preprocessor. Its `sequence_length` bounds the input.
        tokens_per_batch: int. Rows times padded length of a batch.

    Raises:
        TinyBertError: if the model has no preprocessor, or one of another vocabulary or a
            sequence_length beyond its positions, or the vocabulary has no `[MASK]` or no words.
    """

    def __init__(self, masked_lm: BertMaskedLM, tokens_per_batch: int = 4096):
        _check_masked_lm(masked_lm)
        self.tokenizer = masked_lm.preprocessor.tokenizer
        self._masked_lm = masked_lm
        self._tokens_per_batch = tokens_per_batch
        self._room = (masked_lm.preprocessor.sequence_length - _SPECIAL_TOKENS) // 2
        self._vocabulary = self.tokenizer.get_vocabulary()
        allowed = np.array([is_word(token) for token in self._vocabulary])
        self._num_words = int(allowed.sum())
        if not self._num_words:
            raise TinyBertError(
                "The masked LM's vocabulary holds no lower-case word, so it cannot propose any."
            )
        self._penalty = np.where(allowed, 0.0, -np.inf).astype("float32")
        # One graph for batches of every shape.
        self._find_best = tf.function(
            self._best_words, input_signature=[_INPUTS, tf.TensorSpec((), tf.int32)]
        )

    def limit(self, count: int) -> int:
        """Returns how many words come for each query if `count` are asked for."""
        return min(count, self._num_words - 1)

    def __call__(self, queries: Sequence[MaskedWord], count: int) -> list[tuple[str, ...]]:
        """Returns the most probable words for each query, alphabetically.

        Whole words of the vocabulary only: no `##` pieces, numbers or special tokens, and not
        the word itself.

        Args:
            queries: sequence of `MaskedWord`.
            count: int. K of the paper; see `limit`.
        """
        if not queries:
            return []
        count = self.limit(count)
        encoded = self._encode(queries)
        batches = BucketedBatches(encoded, self._tokens_per_batch)
        found: list[tuple[str, ...]] = [()] * len(queries)
        for rows in batches.plan(0):
            for row, ranked in zip(rows, self._rank(encoded, rows, count), strict=True):
                if _is_near_tie(words := _others(ranked, queries[row].word), count):
                    (alone,) = self._rank(encoded, np.array([row]), count)
                    words = _others(alone, queries[row].word)
                # In an order that near ties cannot change.
                found[row] = tuple(sorted(word for _, word in words[:count]))
        return found

    def _rank(
        self, encoded: EncodedExamples, rows: np.ndarray, count: int
    ) -> list[list[tuple[float, str]]]:
        """Returns the best words of each row, and their logits: two more than are asked for.

        The word itself is usually among them, and one is there to compare the last one with.
        """
        logits, ids = self._find_best(self._inputs(encoded, rows), count + 2)
        return [
            [(float(logit), self._vocabulary[i]) for logit, i in zip(*row, strict=True)]
            for row in zip(logits.numpy(), ids.numpy(), strict=True)
        ]

    def _best_words(self, inputs: dict[str, tf.Tensor], count: tf.Tensor):
        logits = self._masked_lm(inputs, training=False)[:, 0]
        return tf.math.top_k(logits + self._penalty, count)

    def _inputs(self, encoded: EncodedExamples, rows: np.ndarray) -> dict[str, np.ndarray]:
        inputs, positions = encoded.batch(rows)
        return {**inputs, "mask_positions": positions[:, None]}

    def _encode(self, queries: Sequence[MaskedWord]) -> EncodedExamples:
        """Makes the model's inputs, the masks' positions in the place of the labels."""
        token_ids, segment_ids, positions = zip(*map(self._row, queries), strict=True)
        return EncodedExamples(
            token_ids=np.concatenate(token_ids).astype("int32"),
            segment_ids=np.concatenate(segment_ids).astype("int32"),
            row_splits=np.concatenate([[0], np.cumsum([len(ids) for ids in token_ids])]),
            labels=np.array(positions, "int32"),
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def _row(self, query: MaskedWord) -> tuple[np.ndarray, np.ndarray, int]:
        first, last = self._window(query)
        before = query.token_ids[first : query.start]
        after = query.token_ids[query.stop : last]
        cls, sep, mask = (
            [getattr(self.tokenizer, f"{name}_token_id")] for name in ("cls", "sep", "mask")
        )
        masked = np.concatenate([cls, before, mask, after, sep])
        original = np.concatenate([query.token_ids[first:last], sep])
        segment_ids = np.repeat([0, 1], [len(masked), len(original)])
        return np.concatenate([masked, original]), segment_ids, 1 + len(before)

    def _window(self, query: MaskedWord) -> tuple[int, int]:
        """Returns where the part around the word that fits begins and ends."""
        length = len(query.token_ids)
        middle = (query.start + query.stop) // 2
        first = max(0, min(middle - self._room // 2, length - self._room))
        return first, min(first + self._room, length)


def _others(ranked: list[tuple[float, str]], asked: str) -> list[tuple[float, str]]:
    return [(logit, word) for logit, word in ranked if word != asked]


def _is_near_tie(words: list[tuple[float, str]], count: int) -> bool:
    return words[count - 1][0] - words[count][0] <= _NEAR_TIE


def _check_masked_lm(masked_lm: BertMaskedLM) -> None:
    if masked_lm.preprocessor is None:
        raise TinyBertError(
            "The masked LM has no preprocessor, so its vocabulary is unknown. Load it with the "
            "BertPreprocessor of its own vocabulary."
        )
    tokenizer, encoder = masked_lm.preprocessor.tokenizer, masked_lm.backbone
    if tokenizer.vocabulary_size() != encoder.vocabulary_size:
        raise TinyBertError(
            f"The vocabulary has {tokenizer.vocabulary_size()} tokens, the masked LM's "
            f"embedding {encoder.vocabulary_size}. Give the vocabulary that the model was "
            "trained with."
        )
    sequence_length = masked_lm.preprocessor.sequence_length
    if sequence_length > encoder.max_sequence_length:
        raise TinyBertError(
            f"The masked LM's sequence_length is {sequence_length}, its position table ends at "
            f"{encoder.max_sequence_length}. Set sequence_length to at most that."
        )
    if sequence_length < _SPECIAL_TOKENS + 2 * _MIN_ROOM:
        raise TinyBertError(
            f"The masked LM's sequence_length is {sequence_length}. The text stands in its "
            f"input twice: set it to {_SPECIAL_TOKENS + 2 * _MIN_ROOM} or more; 512 is usual."
        )
    _ = tokenizer.mask_token_id
