"""Sequences of paragraphs, against sequences written by hand."""

import itertools

import numpy as np
import pytest

from tinybert_tf.corpus._packing import Packer, pack_paragraphs
from tinybert_tf.corpus.options import CorpusOptions
from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertTokenizer

CLS, SEP, MASK = 2, 3, 4


def packed(lengths, targets):
    """Runs of paragraphs, all of whose tokens are the paragraph's number."""
    paragraphs = [np.full(n, i) for i, n in enumerate(lengths)]
    return ["".join(map(str, run)) for run in pack_paragraphs(paragraphs, iter(targets))]


def sequences(tokenizer, paragraphs, digest=1, **options):
    arrays = [np.array(paragraph, "int32") for paragraph in paragraphs]
    return list(Packer(CorpusOptions(**options), tokenizer).pack(arrays, digest))


def many(count=400, length=30):
    """Documents of one paragraph each: the ids 5 to 24, 30 in a row, and one [UNK]."""
    return [[[*(5 + (i + j) % 20 for j in range(length)), 0]] for i in range(count)]


@pytest.mark.parametrize(
    "lengths, expected",
    [
        ([2, 2, 1], ["00112"]),
        ([2, 2, 2], ["0011", "22"]),
        ([4, 2, 5, 1], ["0000", "11", "22222", "3"]),
        # Longer than a run: full pieces, and the rest goes on as a paragraph.
        ([1, 12, 3], ["0", "11111", "11111", "11222"]),
        ([10, 5], ["00000", "00000", "11111"]),
        ([], []),
    ],
)
def test_whole_paragraphs_as_long_as_they_fit(lengths, expected):
    assert packed(lengths, itertools.repeat(5)) == expected


def test_each_run_has_a_length_of_its_own():
    assert packed([2, 2, 6, 1], [5, 3, 2, 5]) == ["0011", "222", "22", "23"]


def test_a_document_is_a_sequence_with_special_tokens(tokenizer):
    (sequence,) = sequences(tokenizer, [[5, 6], [7]], sequence_length=8)
    assert sequence.token_ids.tolist() == [CLS, 5, 6, 7, SEP]
    assert sequence.token_ids.dtype == np.int32
    assert not len(sequence.mask_positions) and not len(sequence.mask_ids)


def test_no_sequence_is_longer_than_the_length(tokenizer):
    found = sequences(tokenizer, [list(range(5, 24))], sequence_length=8)
    assert [len(s.token_ids) for s in found] == [8, 8, 8, 3]
    assert np.concatenate([s.token_ids[1:-1] for s in found]).tolist() == [*range(5, 24)]


def test_short_sequences(tokenizer):
    options = {"sequence_length": 12, "short_sequence_probability": 0.25}
    document = [[5] * 20_000]
    found = sequences(tokenizer, document, **options)
    assert sum(len(s.token_ids) - 2 for s in found) == 20_000
    lengths = np.array([len(s.token_ids) for s in found[:-1]])
    # Two to ten tokens and two special ones; those drawn at the full length are no shorter.
    assert set(lengths) == set(range(4, 13))
    # A quarter is short, one in nine of them of the full length: 22 %. Six deviations.
    share = (lengths < 12).mean()
    assert abs(share - 0.25 * 8 / 9) < 6 * np.sqrt(0.222 * 0.778 / len(lengths))


def test_masks_are_those_of_bert(tokenizer):
    options = {"sequence_length": 64, "mask_probability": 0.2}
    kept = masked = total = 0
    for number, document in enumerate(many()):
        (sequence,) = sequences(tokenizer, document, digest=number, **options)
        original = np.array([CLS, *document[0], SEP])
        positions = sequence.mask_positions
        # A fifth of thirty: [CLS], [SEP] and [UNK] are neither counted nor masked.
        assert len(positions) == 6 and (np.diff(positions) > 0).all()
        assert set(positions) <= set(range(1, 31))
        assert sequence.mask_ids.tolist() == original[positions].tolist()
        others = np.setdiff1d(np.arange(len(original)), positions)
        assert (sequence.token_ids[others] == original[others]).all()
        now = sequence.token_ids[positions]
        assert ((now == MASK) | (now >= 5)).all()
        kept += (now == sequence.mask_ids).sum()
        masked += (now == MASK).sum()
        total += len(now)
    # 80 % masked, 10 % kept, of the random 10 % one in twenty kept as well; six deviations.
    assert abs(masked / total - 0.8) < 6 * np.sqrt(0.8 * 0.2 / total)
    assert abs(kept / total - 0.105) < 6 * np.sqrt(0.105 * 0.895 / total)


def test_every_position_is_masked_as_often(tokenizer):
    counts = np.zeros(34)
    for number, document in enumerate(many()):
        (sequence,) = sequences(
            tokenizer, document, digest=number, sequence_length=64, mask_probability=0.2
        )
        counts[sequence.mask_positions] += 1
    # 400 times 0.2, with a deviation of 8.
    assert abs(counts[1:31] - 80).max() < 40


def test_random_choices_depend_on_seed_document_and_number(tokenizer):
    def positions(paragraphs=1, **options):
        found = sequences(
            tokenizer,
            [[5] * 30] * paragraphs,
            sequence_length=32,
            mask_probability=0.2,
            **options,
        )
        return [s.mask_positions.tolist() for s in found]

    first = positions()
    assert first == positions()
    assert first != positions(seed=1)
    assert first != positions(digest=2)
    one, two = positions(paragraphs=2)
    assert [one] == first and two != one


def test_a_sequence_of_special_tokens_has_no_masks(tokenizer):
    (sequence,) = sequences(tokenizer, [[0]], mask_probability=0.5)
    assert sequence.token_ids.tolist() == [CLS, 0, SEP]
    assert not len(sequence.mask_positions)


def test_masking_wants_a_mask_token():
    tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])
    Packer(CorpusOptions(), tokenizer)
    with pytest.raises(TinyBertError, match=r"no \[MASK\]"):
        Packer(CorpusOptions(mask_probability=0.15), tokenizer)
