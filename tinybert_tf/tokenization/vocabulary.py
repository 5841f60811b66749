"""Reads and checks a BERT vocabulary: one token a line, the line number is the id."""

import dataclasses
import os
import re
from collections.abc import Container, Mapping, Sequence

from absl import logging

from tinybert_tf.errors import TinyBertError, shown
from tinybert_tf.files import read_text_file

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"
CLS_TOKEN = "[CLS]"
SEP_TOKEN = "[SEP]"
MASK_TOKEN = "[MASK]"

# [MASK] is not among them: only masked language modelling needs it.
REQUIRED_TOKENS = (PAD_TOKEN, UNK_TOKEN, CLS_TOKEN, SEP_TOKEN)


# Longer tokens cannot be looked up.
_MOST_TOKEN_BYTES = 256
# Longer words are unknown as a whole; see `BertTokenizer`.
MAX_CHARS_PER_WORD = 100


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token that was added to a vocabulary: one token wherever a text spells it.

    Args:
        content: str. The token; it stands in the vocabulary.
        normalized: bool. Whether it is looked for in the normalized text, itself normalized,
            or in the text as it was given. The former is usual for words, the latter for
            markers such as `"[URL]"`.
    """

    content: str
    normalized: bool = True


def check_added_tokens(tokens: Sequence[AddedToken], vocabulary: Container[str]) -> None:
    """Checks tokens that were added to a vocabulary.

    Raises:
        TinyBertError: if one is not in the vocabulary, or cannot be found in a text.
    """
    for token in tokens:
        content = token.content
        problem = None
        if content not in vocabulary:
            problem = "is not in the vocabulary"
        elif content.startswith("##"):
            problem = "begins with ##, which marks the inside of a word"
        elif len(content) > MAX_CHARS_PER_WORD - 2:
            problem = f"has {len(content)} characters, at most {MAX_CHARS_PER_WORD - 2} work"
        elif content != content.strip() or any(ord(c) < 32 for c in content):
            problem = "has spaces at its ends or control characters in it"
        if problem:
            raise TinyBertError(
                f"The added token {shown(content)} {problem}. Remove it from the tokenizer."
            )


def check_folded_tokens(folded: Mapping[str, str]) -> None:
    """Checks what becomes of added tokens that are looked for in normalized text.

    Args:
        folded: the normalized text of each added token.

    Raises:
        TinyBertError: if nothing or too much is left of one, or two become the same text.
    """
    tokens: dict[str, str] = {}
    for token, text in folded.items():
        if not text.strip() or len(text) > MAX_CHARS_PER_WORD:
            what = f"{len(text)} characters are" if text.strip() else "Nothing is"
            raise TinyBertError(
                f"{what} left of the added token {token!r} once it is normalized as texts "
                f"are, expected 1 to {MAX_CHARS_PER_WORD}. Remove it from the tokenizer."
            )
        if text in tokens:
            raise TinyBertError(
                f"The added tokens {tokens[text]!r} and {token!r} are both {text!r} once they "
                "are normalized as texts are: which of them a text has, nobody can tell. "
                "Remove one from the tokenizer."
            )
        tokens[text] = token


def load_vocabulary(path: str | os.PathLike, expected_size: int | None = None) -> list[str]:
    r"""Reads a vocabulary file (`vocab.txt`), the token of id 0 first.

    Lines end with `\n` or `\r\n`. The other line ends Unicode knows do not split, as
    multilingual vocabularies hold U+0085 and U+2028 as tokens. Some published vocabularies
    have a token twice: see `name_repeated`.

    Args:
        path: str or path. The UTF-8 file, one token a line.
        expected_size: int. The vocabulary size of the model the file is for; `None`
            takes any.

    Returns:
        The list of tokens, ordered by id.

    Raises:
        TinyBertError: if the file is missing or not UTF-8, if it has an empty line or
            another size than `expected_size`, or if it lacks one of `[PAD]`, `[UNK]`,
            `[CLS]`, `[SEP]`.
    """
    # A byte order mark is what some editors put before the first token, not part of it.
    text = read_text_file(path, "vocabulary").removeprefix("\ufeff")
    lines = text.removesuffix("\n").split("\n") if text else []
    tokens = name_repeated([line.removesuffix("\r") for line in lines], str(path))
    check_vocabulary(tokens, str(path), expected_size)
    return tokens


def name_repeated(tokens: Sequence[str], source: str) -> list[str]:
    """Returns tokens, of which those that come again later have other names.

    Some published vocabularies have a token twice. Texts become the last one, as in
    transformers; the place of the others counts, so each gets a name that no text spells.

    Args:
        tokens: sequence of str. Ordered by id.
        source: str. Where they come from, for the log.
    """
    last = {token: i for i, token in enumerate(tokens)}
    repeated = [token for i, token in enumerate(tokens) if token and last[token] != i]
    if repeated:
        logging.warning(
            "%s: %d token(s) come again, such as %r; the last one of each is used.",
            source,
            len(repeated),
            repeated[0],
        )
    return [
        token if last[token] == i or not token else unnamed_token(i)
        for i, token in enumerate(tokens)
    ]


def unnamed_token(number: int) -> str:
    """Returns a token that no text spells, for an id that has none of its own."""
    return f"[no_token_{number}]"


def check_vocabulary(
    tokens: Sequence[str], source: str, expected_size: int | None = None
) -> None:
    """Checks the tokens of a vocabulary.

    Args:
        tokens: sequence of str. The tokens, ordered by id.
        source: str. Where they come from, to begin the message with.
        expected_size: int. The number of tokens there must be; `None` takes any.

    Raises:
        TinyBertError: if the tokens are no vocabulary of BERT, see `load_vocabulary`.
    """
    lines = {}
    for line, token in enumerate(tokens, start=1):
        if not token:
            raise TinyBertError(
                f"{source}, line {line}: is empty, expected one token a line. "
                "Remove the line if the ids of the model do not count it."
            )
        if "\n" in token:
            raise TinyBertError(
                f"{source}, line {line}: token {shown(token)} holds a line end, expected one "
                "token a line. Split or remove it."
            )
        if len(token.encode("utf-8", "replace")) > _MOST_TOKEN_BYTES or re.search(
            "[\x00\ud800-\udfff]", token
        ):
            raise TinyBertError(
                f"{source}, line {line}: token {shown(token)} is longer than "
                f"{_MOST_TOKEN_BYTES} bytes, or has a NUL or half a surrogate pair in it. Take "
                "the vocabulary that belongs to the model."
            )
        if token in lines:
            raise TinyBertError(
                f"{source}, line {line}: token {shown(token)} is already on line "
                f"{lines[token]}, expected every token once. Take the vocabulary that belongs "
                "to the model."
            )
        lines[token] = line
    missing = [token for token in REQUIRED_TOKENS if token not in lines]
    if missing:
        raise TinyBertError(
            f"{source}: has no {', '.join(missing)}. A BERT vocabulary needs "
            f"{', '.join(REQUIRED_TOKENS)}; take the vocab.txt that belongs to the model."
        )
    if expected_size is not None and len(tokens) != expected_size:
        raise TinyBertError(
            f"{source}: has {len(tokens)} tokens, expected {expected_size}, the vocabulary "
            "size of the model. Take the vocab.txt that belongs to the model."
        )
