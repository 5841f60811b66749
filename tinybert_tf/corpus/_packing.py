"""From the token ids of a document's paragraphs to sequences; pure functions."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from tinybert_tf.corpus.options import CorpusOptions

# Of the tokens to predict, as in BERT: the others are left as they are.
_REPLACED_BY_MASK = 0.8
_REPLACED_BY_RANDOM = 0.1
_SPECIAL_TOKENS = 2  # [CLS] and [SEP]
_SHORTEST = 2


class PackedSequence(NamedTuple):
    """One training example.

    Args:
        token_ids: int32 array [tokens]. `[CLS] ... [SEP]`, after masking.
        mask_positions: int array [masks]. Where tokens are to be predicted, ascending.
        mask_ids: int array [masks]. The tokens that belong there.
    """

    token_ids: np.ndarray
    mask_positions: np.ndarray
    mask_ids: np.ndarray


class Packer:
    """Makes sequences of documents.

    Args:
        options: `CorpusOptions`.
        tokenizer: `BertTokenizer`. Names the special tokens.

    Raises:
        TinyBertError: if tokens are to be masked and the vocabulary has no `[MASK]`.
    """

    def __init__(self, options: CorpusOptions, tokenizer):
        self._options = options
        self._cls, self._sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        self._special_ids = np.array(tokenizer.special_token_ids)
        if options.mask_probability:
            self._mask = tokenizer.mask_token_id
            self._plain_ids = np.setdiff1d(
                np.arange(tokenizer.vocabulary_size()), self._special_ids
            )

    def pack(self, paragraphs: Iterable[np.ndarray], digest: int) -> Iterator[PackedSequence]:
        """Yields the sequences of one document.

        Args:
            paragraphs: int32 arrays [tokens]. Without special tokens.
            digest: int. The document's hash: its short lengths and masks are a function of
                this, the seed and the number of the sequence.
        """
        options = self._options
        is_random = options.short_sequence_probability or options.mask_probability
        seed = (options.seed, digest)
        # The stream of lengths is apart: how long a sequence is must not depend on masking.
        lengths = self._target_lengths(np.random.default_rng((*seed, 0)) if is_random else None)
        for number, tokens in enumerate(pack_paragraphs(paragraphs, lengths), start=1):
            token_ids = np.concatenate([[self._cls], tokens, [self._sep]]).astype("int32")
            if options.mask_probability:
                yield self._masked(token_ids, np.random.default_rng((*seed, number)))
            else:
                yield PackedSequence(token_ids, *np.empty((2, 0), "int32"))

    def _target_lengths(self, random: np.random.Generator | None) -> Iterator[int]:
        room = self._options.sequence_length - _SPECIAL_TOKENS
        probability = self._options.short_sequence_probability
        while True:
            if probability and random.random() < probability:
                yield int(random.integers(_SHORTEST, room, endpoint=True))
            else:
                yield room

    def _masked(self, token_ids: np.ndarray, random: np.random.Generator) -> PackedSequence:
        plain = np.flatnonzero(~np.isin(token_ids, self._special_ids))
        count = max(round(len(plain) * self._options.mask_probability), 1)
        positions = np.sort(random.permutation(plain)[:count])
        mask_ids = token_ids[positions]
        kind = random.random(len(positions))
        replaced = np.where(
            kind < _REPLACED_BY_MASK,
            self._mask,
            random.choice(self._plain_ids, len(positions)),
        )
        is_kept = kind >= _REPLACED_BY_MASK + _REPLACED_BY_RANDOM
        token_ids[positions] = np.where(is_kept, mask_ids, replaced)
        return PackedSequence(token_ids, positions, mask_ids)


def pack_paragraphs(
    paragraphs: Iterable[np.ndarray], target_lengths: Iterator[int]
) -> Iterator[np.ndarray]:
    """Yields runs of whole paragraphs.

    A paragraph that does not fit in begins a run of its own; one longer than a whole run is cut
    into full ones, and its rest goes on as a paragraph.

    Args:
        paragraphs: arrays [tokens].
        target_lengths: iterator of int. The most tokens of each run; endless.
    """
    pending, used, target = [], 0, next(target_lengths)
    for paragraph in paragraphs:
        if pending and used + len(paragraph) > target:
            yield np.concatenate(pending)
            pending, used, target = [], 0, next(target_lengths)
        while len(paragraph) > target:
            yield paragraph[:target]
            paragraph, target = paragraph[target:], next(target_lengths)
        if len(paragraph):
            pending.append(paragraph)
            used += len(paragraph)
    if pending:
        yield np.concatenate(pending)
