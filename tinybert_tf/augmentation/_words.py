"""What a word is, which words stay, and how a replacement takes a word's place."""

import re

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

# The forms of auxiliary verbs that scikit-learn's list lacks.
STOP_WORDS = ENGLISH_STOP_WORDS | {"did", "does", "doing", "having", "shall"}

# Where BERT's tokenizer ends a word: white space, ASCII symbols, common Unicode punctuation.
# A word beside anything else, such as "caf" beside "\u00e9", is only a part of one.
_WORD_END = r"\s!-/:-@\[-`{-~\u00a1\u00ab\u00bb\u00bf\u2010-\u2027\u2030-\u205e"
# What follows an apostrophe ("it's") and what "n't" belongs to stay as they are.
_BEFORE, _AFTER = rf"(?<![^{_WORD_END}])(?<!['\u2019])", rf"(?![^{_WORD_END}])(?!['\u2019]t\b)"
_WORD = re.compile(rf"{_BEFORE}([a-z]{{2,}}){_AFTER}")
_WORD_OF_ANY_CASE = re.compile(rf"{_BEFORE}([A-Za-z]{{2,}}){_AFTER}")
_PLAIN_WORD = re.compile("[a-z]{2,}")


def split_words(text: str, lowercase: bool) -> list[str]:
    """Takes a text apart into words and what stands between them.

    A word is `[a-z]+`, as the model sees it (arXiv 1909.10351, algorithm 1), of two letters
    or more: a letter alone is an initial or what a hyphen or an apostrophe left over.

    Args:
        text: str.
        lowercase: bool. Whether the model is uncased; a cased one sees "Paris" as no word.

    Returns:
        Words at the odd indices, what stands between them at the even ones; joined, they
        are the text.
    """
    return (_WORD_OF_ANY_CASE if lowercase else _WORD).split(text)


def is_word(token: str) -> bool:
    """Tells whether a token of a vocabulary is a word, not a piece, number or special token."""
    return _PLAIN_WORD.fullmatch(token) is not None


def match_case(replacement: str, word: str) -> str:
    """Returns a lower-case replacement in the case of the word whose place it takes."""
    if word.isupper():
        return replacement.upper()
    return replacement.capitalize() if word[0].isupper() else replacement
