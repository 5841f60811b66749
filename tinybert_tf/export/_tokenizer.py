"""How bundle.json says what texts become, to readers that have it and the vocabulary alone."""

import pathlib

from tinybert_tf.tokenization import BertTokenizer
from tinybert_tf.tokenization.vocabulary import MAX_CHARS_PER_WORD

# Of bundle.json. Readers of the first do not know what a tokenizer may do beyond case.
PLAIN_VERSION, SCHEMA_VERSION = 1, 2
_SETTINGS = ("strip_accents", "tokenize_chinese_chars", "added_tokens")


def schema_version(tokenizer: BertTokenizer) -> int:
    """Returns the oldest version of bundle.json that says all of a tokenizer."""
    return PLAIN_VERSION if is_plain(tokenizer) else SCHEMA_VERSION


def is_plain(tokenizer: BertTokenizer) -> bool:
    """Whether vocabulary and case say all of a tokenizer, as of original BERT's."""
    return (
        tokenizer.strip_accents == tokenizer.lowercase
        and tokenizer.tokenize_chinese_chars
        and not tokenizer.added_tokens
    )


def tokenizer_info(tokenizer: BertTokenizer) -> dict:
    """Returns what bundle.json has under `tokenizer`."""
    settings = tokenizer.settings()
    info = {
        "type": "bert_wordpiece",
        "lowercase": tokenizer.lowercase,
        "vocabulary_size": tokenizer.vocabulary_size(),
        "max_characters_per_word": MAX_CHARS_PER_WORD,
    }
    if not is_plain(tokenizer):
        info |= {name: settings[name] for name in _SETTINGS}
    return info


def load_bundle_tokenizer(folder: pathlib.Path, info: dict) -> BertTokenizer:
    """Loads the tokenizer of a bundle.

    Args:
        folder: path. The bundle's.
        info: dict. Its bundle.json.

    Raises:
        TinyBertError: if the vocabulary cannot be used, or lacks an added token.
    """
    tokenizer = info["tokenizer"]
    settings = {name: tokenizer[name] for name in _SETTINGS if name in tokenizer}
    return BertTokenizer(folder / "vocab.txt", lowercase=tokenizer["lowercase"], **settings)


def mediapipe_problem(tokenizer: BertTokenizer) -> str | None:
    """Returns why MediaPipe's tokenizer, which has no settings, cannot be right; or `None`.

    What it does to the text of an uncased model that drops accents is right for ASCII.
    """
    problems = []
    if not tokenizer.lowercase:
        problems.append("The model is cased; MediaPipe's tokenizer lower-cases ASCII letters.")
    elif not tokenizer.strip_accents:
        problems.append(
            "The model reads lower case with accents; MediaPipe's tokenizer lower-cases ASCII "
            "letters alone."
        )
    if not tokenizer.tokenize_chinese_chars:
        problems.append(
            "The model reads words of Chinese characters; MediaPipe's tokenizer splits them."
        )
    if tokenizer.added_tokens:
        problems.append(
            f"The model has added tokens, such as {tokenizer.added_tokens[0].content!r}; "
            "MediaPipe's tokenizer does not look for them."
        )
    return " ".join(problems) or None
