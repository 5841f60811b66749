"""Reads and checks a BERT vocabulary: one token a line, the line number is the id."""

import os
from collections.abc import Sequence

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"
CLS_TOKEN = "[CLS]"
SEP_TOKEN = "[SEP]"
MASK_TOKEN = "[MASK]"

# [MASK] is not among them: only masked language modelling needs it.
REQUIRED_TOKENS = (PAD_TOKEN, UNK_TOKEN, CLS_TOKEN, SEP_TOKEN)


def load_vocabulary(path: str | os.PathLike, expected_size: int | None = None) -> list[str]:
    r"""Reads a vocabulary file (`vocab.txt`), the token of id 0 first.

    Lines end with `\n` or `\r\n`. The other line ends Unicode knows do not split, as
    multilingual vocabularies hold U+0085 and U+2028 as tokens.

    Args:
        path: str or path. The UTF-8 file, one token a line.
        expected_size: int. The vocabulary size of the model the file is for; `None`
            takes any.

    Returns:
        The list of tokens, ordered by id.

    Raises:
        TinyBertError: if the file is missing or not UTF-8, if it has an empty line, a
            token twice or another size than `expected_size`, or if it lacks one of
            `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`.
    """
    # A byte order mark is what some editors put before the first token, not part of it.
    text = read_text_file(path, "vocabulary").removeprefix("\ufeff")
    lines = text.removesuffix("\n").split("\n") if text else []
    tokens = [line.removesuffix("\r") for line in lines]
    check_vocabulary(tokens, str(path), expected_size)
    return tokens


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
                f"{source}, line {line}: token {token!r} holds a line end, expected one "
                "token a line. Split or remove it."
            )
        if token in lines:
            raise TinyBertError(
                f"{source}, line {line}: token {token!r} is already on line {lines[token]}, "
                "expected every token once. Take the vocabulary that belongs to the model."
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
