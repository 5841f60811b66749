"""What a corpus is made with, and what it says of itself."""

import hashlib
import pathlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pydantic

from tinybert_tf.errors import TinyBertError
from tinybert_tf.strict import strict_keyword_dataclass
from tinybert_tf.tokenization import AddedToken

# A corpus of another version cannot be read: the packing or the records differ.
FORMAT_VERSION = 1
Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")


@strict_keyword_dataclass
class CorpusOptions:
    """How documents become sequences. With the inputs, it decides every byte of a corpus.

    Args:
        sequence_length: int. Tokens of a full sequence, special ones included.
        held_out: float. Share of the documents that are kept from training. Which ones is
            a matter of their text alone.
        short_sequence_probability: float. Share of the sequences that get a random shorter
            length to fill, from two tokens up, as in BERT's pretraining.
        mask_probability: float. Share of the tokens that are to be predicted; 0.15 is BERT's.
        seed: int. Of short lengths and masks.
        shard_megabytes: float. Text of a shard, in 10^6 bytes.
        document: str. What a document of a text file is: `"paragraphs"`, lines up to a blank
            one, or `"line"`, each line.
        json_field: str. The member of a line of JSON lines that holds the document.
    """

    sequence_length: int = pydantic.Field(128, ge=4)
    held_out: float = pydantic.Field(0.01, ge=0, lt=1)
    short_sequence_probability: float = pydantic.Field(0.0, ge=0, le=1)
    mask_probability: float = pydantic.Field(0.0, ge=0, lt=1)
    seed: int = pydantic.Field(0, ge=0)
    shard_megabytes: float = pydantic.Field(32.0, gt=0)
    # Corpora from before there was a choice have these.
    document: Literal["paragraphs", "line"] = "paragraphs"
    json_field: str = "text"

    @property
    def shard_bytes(self) -> int:
        """Text of a shard in bytes."""
        return max(int(self.shard_megabytes * 1e6), 1)


@strict_keyword_dataclass
class Input:
    """A file, or a split of TensorFlow Datasets, that a corpus was made of.

    Args:
        name: str. The path, or `tfds:NAME:SPLIT`.
        size: int. Bytes of the file as it is stored; examples of the split.
    """

    name: str
    size: int


@strict_keyword_dataclass
class Vocabulary:
    """Tells one vocabulary from another.

    Args:
        size: int. Number of tokens.
        sha256: str. Of the tokens joined by newlines.
        lowercase: bool. Whether text is lowercased.
        pad_token_id: int.
        strip_accents: bool or `None`. See `BertTokenizer`; `None` is as `lowercase`.
        tokenize_chinese_chars: bool. See `BertTokenizer`.
        added_tokens: tuple of `AddedToken`. See `BertTokenizer`.
    """

    size: int
    sha256: str
    lowercase: bool
    pad_token_id: int
    # Corpora from before these were told apart have BERT's own.
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    added_tokens: tuple[AddedToken, ...] = ()

    @classmethod
    def of(cls, tokenizer) -> "Vocabulary":
        """Returns that of a `BertTokenizer`."""
        is_usual = tokenizer.strip_accents == tokenizer.lowercase
        return cls(
            size=tokenizer.vocabulary_size(),
            sha256=hash_tokens(tokenizer.get_vocabulary()),
            lowercase=tokenizer.lowercase,
            pad_token_id=tokenizer.pad_token_id,
            strip_accents=None if is_usual else tokenizer.strip_accents,
            tokenize_chinese_chars=tokenizer.tokenize_chinese_chars,
            added_tokens=tokenizer.added_tokens,
        )


def hash_tokens(tokens: Sequence[str]) -> str:
    """Returns the SHA-256 of the tokens joined by newlines, in hexadecimal digits."""
    return hashlib.sha256("\n".join(tokens).encode()).hexdigest()


@strict_keyword_dataclass
class Shard:
    """A file of a corpus.

    Args:
        name: str. The file in the corpus' directory.
        split: str. `"train"` or `"held_out"`.
        size: int. Bytes of the file.
        sha256: str. Of the file.
        sequences: int.
        tokens: int. Special ones included.
        lengths: dictionary from a length in tokens to the number of sequences that have it.
    """

    name: str
    split: Split
    size: int
    sha256: str
    sequences: int
    tokens: int
    lengths: dict[int, int]

    def __post_init__(self):
        if pathlib.PurePath(self.name).name != self.name:
            raise ValueError(f"the shard {self.name} is no file of the corpus' directory")
        counts = list(self.lengths.values())
        tokens = sum(length * count for length, count in self.lengths.items())
        # A sequence takes a byte at least, so a file bounds what is made room for.
        if (
            min([*self.lengths, *counts], default=1) < 1
            or (sum(counts), tokens) != (self.sequences, self.tokens)
            or not self.sequences <= self.size
        ):
            raise ValueError(
                f"the shard {self.name} of {self.size:,} bytes cannot have {self.sequences:,} "
                f"sequences of {self.tokens:,} tokens in the lengths that are listed"
            )

    @property
    def sorted_lengths(self) -> np.ndarray:
        """int64 array [sequences]: the tokens of each, the shortest first."""
        return np.repeat(list(self.lengths), list(self.lengths.values()))


@strict_keyword_dataclass
class Counts:
    """What was read.

    Args:
        documents: int. Those of at least one paragraph.
        paragraphs: int. Those of at least one token.
        text_bytes: int. Of the paragraphs.
    """

    documents: int = 0
    paragraphs: int = 0
    text_bytes: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            documents=self.documents + other.documents,
            paragraphs=self.paragraphs + other.paragraphs,
            text_bytes=self.text_bytes + other.text_bytes,
        )


@strict_keyword_dataclass
class Header:
    """What decides the content of a corpus; a directory holds the corpus of one header."""

    version: int
    options: CorpusOptions
    vocabulary: Vocabulary
    inputs: tuple[Input, ...]


@strict_keyword_dataclass
class SplitTotals:
    """Totals of the train or the held-out split.

    Args:
        shards: int.
        sequences: int.
        tokens: int. Special ones included.
        fill: float. Tokens by what as many full sequences would hold.
    """

    shards: int
    sequences: int
    tokens: int
    fill: float

    @classmethod
    def of(cls, shards: Sequence[Shard], sequence_length: int) -> "SplitTotals":
        """Adds up shards."""
        sequences, tokens = sum(s.sequences for s in shards), sum(s.tokens for s in shards)
        return cls(
            shards=len(shards),
            sequences=sequences,
            tokens=tokens,
            fill=round(tokens / (sequences * sequence_length), 6) if sequences else 0.0,
        )


@strict_keyword_dataclass
class Manifest:
    """`manifest.json`: what a finished corpus is and holds."""

    header: Header
    counts: Counts
    totals: dict[Split, SplitTotals]
    shards: tuple[Shard, ...]

    def of_split(self, split: str) -> list[Shard]:
        """Returns the shards of `"train"` or `"held_out"`, in the order of the inputs."""
        return [shard for shard in self.shards if shard.split == split]


def make_options(**values) -> CorpusOptions:
    """Returns the options, or says which value cannot be.

    Raises:
        TinyBertError: if one is out of range.
    """
    try:
        return CorpusOptions(**values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise TinyBertError(f"{name} is {first['input']!r}: {first['msg']}.") from error
