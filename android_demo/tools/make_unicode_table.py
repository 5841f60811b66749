"""Writes the Unicode table of the Kotlin tokenizer, from the operations the Python one runs.

A phone's own Unicode tables are as old as its Android. The Kotlin tokenizer asks this table
instead, so that it agrees with the model's tokenizer on every code point. Nothing here comes
from a copy of the Unicode database: each fact is what the Python tokenizer, or the TensorFlow
Text operation inside of it, does to a string that holds the code point.

    .venv/bin/python android_demo/tools/make_unicode_table.py [--check]

The file, all numbers big-endian:

    uint16  block size B
    uint16  number of blocks
    uint16  x 0x110000 / B: the block of each B code points
    uint16  x blocks x B: the record of each code point of a block
    uint16  number of records
    uint16  x records: properties, see `Property`
    uint16  x 2 x records: where each mapping ends, the lower case of a record and then its
            decomposition without accents; a mapping begins where the one before ends
    uint16  length of all mappings
    int32   x length: code points; 0 where a starter was dropped, see `without_accents`
"""

import argparse
import os
import pathlib
import struct
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from tinybert_tf.tokenization import BertTokenizer, _text

TABLE = (
    pathlib.Path(__file__).resolve().parents[1]
    / "core/src/main/resources/org/tinybert/demo/core/unicode.bin"
)
NUM_CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)
# Decomposed by arithmetic in the reader, as Unicode defines them.
HANGUL = range(0xAC00, 0xD7A4)
# Properties; lower case and decomposition without accents, of what they change.
Record = tuple[int, tuple[int, ...], tuple[int, ...]]


class Property:
    """The bits of a record's properties."""

    DROPPED = 1 << 0  # Cleaning drops it.
    SPACE = 1 << 1  # Cleaning makes a space of it.
    PUNCTUATION = 1 << 2  # A word of its own.
    CHINESE = 1 << 3  # A word of its own if the tokenizer says so.
    CASED = 1 << 4
    CASE_IGNORABLE = 1 << 5
    LOWERED = 1 << 6  # Lower case changes it.
    STRIPPED = 1 << 7  # Decomposition and dropped accents change it.
    # From here on the rank of the canonical combining class; 0 is a starter.
    RANK = 8


def transformed(operation, texts: list[str]) -> list[str]:
    """Applies an operation of string tensors."""
    result = []
    for start in range(0, len(texts), 1 << 17):
        batch = operation(tf.constant([t.encode() for t in texts[start : start + (1 << 17)]]))
        result += [text.decode() for text in batch.numpy()]
    return result


def nfd(texts: tf.Tensor) -> tf.Tensor:
    """Is the first of the two steps that strip accents."""
    return tf_text.normalize_utf8(texts, "NFD")


def without_mn(texts: tf.Tensor) -> tf.Tensor:
    """Is the second of the two steps that strip accents."""
    return tf.strings.regex_replace(texts, r"\p{Mn}", "")


def cleaning_of(characters: list[str]) -> tuple[set[str], set[str]]:
    """Returns the characters that cleaning drops, and those it makes spaces."""
    cleaned = transformed(_text.clean, [f"a{c}b" for c in characters])
    dropped, spaces = set(), set()
    for c, text in zip(characters, cleaned, strict=True):
        if text == "ab":
            dropped.add(c)
        elif text == "a b":
            spaces.add(c)
        elif text != f"a{c}b":
            raise AssertionError(f"U+{ord(c):04X}: cleaning made {text!r} of 'a?b'")
    return dropped, spaces


def words_of_their_own(characters: list[str], tokenize_chinese_chars: bool) -> set[str]:
    """Returns the characters that the tokenizer puts spaces around."""
    tokenizer = BertTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        lowercase=False,
        tokenize_chinese_chars=tokenize_chinese_chars,
    )

    def word_count(texts: tf.Tensor) -> tf.Tensor:
        return tf.strings.as_string(tokenizer._words(texts).row_lengths())

    counts = transformed(word_count, [f"a{c}b" for c in characters])
    assert set(counts) == {"1", "3"}, set(counts)
    return {c for c, count in zip(characters, counts, strict=True) if count == "3"}


def casing_of(characters: list[str]) -> tuple[set[str], set[str]]:
    """Returns what is cased and what is case-ignorable, to the rule of the final sigma.

    A capital sigma is final after a cased character; between them may be ignorable ones.
    """
    after = transformed(_text.lower, [f"{c}\u03a3" for c in characters])
    between = transformed(_text.lower, [f"A{c}\u03a3" for c in characters])
    cased = {c for c, text in zip(characters, after, strict=True) if text[-1] == "\u03c2"}
    ignorable = {c for c, text in zip(characters, between, strict=True) if text[-1] == "\u03c2"}
    return cased, ignorable - cased


def combining_ranks(characters: list[str]) -> dict[str, int]:
    """Returns, of what is no starter, the rank of its canonical combining class, 1 the lowest.

    Decomposition sorts them, which tells both what they are and how they compare.
    """

    def is_swapped(pairs: list[tuple[str, str]]) -> list[bool]:
        texts = transformed(nfd, [f"a{x}{y}" for x, y in pairs])
        return [
            text == f"a{y}{x}" != f"a{x}{y}" for text, (x, y) in zip(texts, pairs, strict=True)
        ]

    # U+0345 has the highest class, 240; U+0334 the lowest, 1.
    before_highest = is_swapped([("\u0345", c) for c in characters])
    after_lowest = is_swapped([(c, "\u0334") for c in characters])
    marks = [
        c for c, x, y in zip(characters, before_highest, after_lowest, strict=True) if x or y
    ]
    (in_order,) = transformed(nfd, ["a" + "".join(marks)])
    in_order = in_order[1:]
    assert sorted(in_order) == sorted(marks)
    higher = is_swapped(list(zip(in_order[1:], in_order[:-1], strict=True)))
    ranks = np.cumsum([1, *higher]).tolist()
    return dict(zip(in_order, ranks, strict=True))


def without_accents(decomposed: str, is_mn: set[str], ranks: dict[str, int]) -> tuple[int, ...]:
    """Returns what stays of a decomposition.

    A dropped starter leaves a 0: marks are not sorted across it. A dropped mark of another
    class leaves nothing.
    """
    kept = [0 if c in is_mn else ord(c) for c in decomposed if c not in is_mn or c not in ranks]
    return tuple(kept)


def check_mappings(characters, lowered, stripped) -> None:
    """Compares with the tokenizer's own normalizations, character by character."""

    def strip(text: str) -> str:
        mapped = (
            map(ord, hangul_decomposition(ord(c)))
            if ord(c) in HANGUL
            else stripped.get(c, (ord(c),))
            for c in text
        )
        return "".join(chr(i) for mapping in mapped for i in mapping if i)

    for is_lower in (False, True):
        lower = _text.lower if is_lower else tf.identity
        expected = transformed(lambda t, lower=lower: _text.strip_accents(lower(t)), characters)
        for c, text in zip(characters, expected, strict=True):
            mapped = strip("".join(map(chr, lowered.get(c, (ord(c),)))) if is_lower else c)
            if mapped != text:
                raise AssertionError(f"U+{ord(c):04X}: {mapped!r}, expected {text!r}")


def hangul_decomposition(code_point: int) -> str:
    """Returns the two or three jamo of a syllable."""
    index = code_point - HANGUL.start
    jamo = [0x1100 + index // 588, 0x1161 + index % 588 // 28, 0x11A7 + index % 28]
    return "".join(map(chr, jamo[: 3 if index % 28 else 2]))


def records_by_code_point() -> list[Record]:
    """Returns the record of every code point."""
    characters = [chr(i) for i in range(NUM_CODE_POINTS) if i not in SURROGATES]
    dropped, spaces = cleaning_of(characters)
    kept = [c for c in characters if c not in dropped and c not in spaces]
    punctuation = words_of_their_own(kept, tokenize_chinese_chars=False)
    chinese = words_of_their_own(kept, tokenize_chinese_chars=True) - punctuation
    cased, ignorable = casing_of(kept)

    lowered = {
        c: tuple(map(ord, text))
        for c, text in zip(kept, transformed(_text.lower, kept), strict=True)
        if text != c
    }
    decomposed = dict(zip(kept, transformed(nfd, kept), strict=True))
    elements = sorted({e for text in decomposed.values() for e in text})
    assert {chr(i) for mapping in lowered.values() for i in mapping} <= set(kept)
    assert set(elements) <= set(kept)
    is_mn = {
        e for e, t in zip(elements, transformed(without_mn, elements), strict=True) if not t
    }
    ranks = combining_ranks(elements)
    # The reader sorts marks inside of a word only.
    assert (punctuation | chinese).isdisjoint(ranks)

    stripped = {}
    for c in kept:
        if ord(c) in HANGUL:
            assert decomposed[c] == hangul_decomposition(ord(c))
        elif (mapping := without_accents(decomposed[c], is_mn, ranks)) != (ord(c),):
            stripped[c] = mapping
    check_mappings(kept, lowered, stripped)

    records = [(Property.DROPPED, (), ())] * NUM_CODE_POINTS
    for c in spaces:
        records[ord(c)] = (Property.SPACE, (), ())
    for c in kept:
        properties = (
            Property.PUNCTUATION * (c in punctuation)
            | Property.CHINESE * (c in chinese)
            | Property.CASED * (c in cased)
            | Property.CASE_IGNORABLE * (c in ignorable)
            | Property.LOWERED * (c in lowered)
            | Property.STRIPPED * (c in stripped)
            | ranks.get(c, 0) << Property.RANK
        )
        records[ord(c)] = (properties, lowered.get(c, ()), stripped.get(c, ()))
    return records


def serialized(records: list[Record], block_size: int) -> bytes:
    """Returns the file of the records of all code points."""
    distinct = sorted(set(records))
    number = {record: i for i, record in enumerate(distinct)}
    per_code_point = [number[record] for record in records]
    blocks, block_numbers = {}, []
    for start in range(0, NUM_CODE_POINTS, block_size):
        block = tuple(per_code_point[start : start + block_size])
        block_numbers.append(blocks.setdefault(block, len(blocks)))
    mappings = [mapping for _, *both in distinct for mapping in both]
    code_points = [code_point for mapping in mappings for code_point in mapping]
    ends = np.cumsum([len(mapping) for mapping in mappings]).tolist()

    def uint16(*values: int) -> bytes:
        return struct.pack(f">{len(values)}H", *values)

    parts = [uint16(block_size, len(blocks)), uint16(*block_numbers)]
    parts += [uint16(*block) for block in blocks]
    parts += [uint16(len(distinct)), uint16(*(properties for properties, *_ in distinct))]
    parts += [
        uint16(*ends),
        uint16(len(code_points)),
        struct.pack(f">{len(code_points)}i", *code_points),
    ]
    return b"".join(parts)


def main() -> None:
    """Writes the table, or with --check compares the file with it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the file, write none"
    )
    arguments = parser.parse_args()
    records = records_by_code_point()
    table = min((serialized(records, 1 << bits) for bits in range(4, 9)), key=len)
    if not arguments.check:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_bytes(table)
        print(f"{TABLE.name}: {len(table)} bytes, {len(set(records))} records")
    elif TABLE.read_bytes() != table:
        sys.exit(f"{TABLE} is not what the Python tokenizer does. Run this without --check.")


if __name__ == "__main__":
    main()
