"""Tokenizers as other tools save them: whatever files say how text becomes ids.

| file | what is read of it |
|---|---|
| `tokenizer.json` | vocabulary, normalizer, added tokens; no other method may be in it |
| `vocab.txt` | the vocabulary, where there is no `tokenizer.json` |
| `tokenizer_config.json` | case, accents, Chinese characters, added tokens; the class |
| `special_tokens_map.json` | that the special tokens are BERT's |
| `added_tokens.json` | added tokens, where the other two do not have them |

What `BertTokenizer` cannot do is refused by name: another method, another normalizer.
"""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping

from absl import logging

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file
from tinybert_tf.tokenization._json import member, read_json, shown
from tinybert_tf.tokenization.bert_tokenizer import BertTokenizer
from tinybert_tf.tokenization.vocabulary import (
    CLS_TOKEN,
    MASK_TOKEN,
    MAX_CHARS_PER_WORD,
    PAD_TOKEN,
    SEP_TOKEN,
    UNK_TOKEN,
    AddedToken,
    load_vocabulary,
    unnamed_token,
)

_SPECIAL_TOKENS = {
    "pad_token": PAD_TOKEN,
    "unk_token": UNK_TOKEN,
    "cls_token": CLS_TOKEN,
    "sep_token": SEP_TOKEN,
    "mask_token": MASK_TOKEN,
}
# Classes of transformers that do what `BertTokenizer` does; the last three do what
# tokenizer.json says.
_CLASSES = (
    *("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer"),
    *("PreTrainedTokenizer", "TokenizersBackend", "PythonBackend"),
)
_MPNET_FIRST = ("<s>", "<pad>", "</s>", "<unk>")
_MPNET_TOKENS = {
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
_SETTINGS = ("lowercase", "strip_accents", "tokenize_chinese_chars")
# More upper-case tokens than one in so many, and a vocabulary is not that of an uncased model.
_TOKENS_PER_UPPER_CASE = 1000
# Ids without a token, beyond which a file is taken to be damaged.
_MOST_UNNAMED = 1000
_WAY_OUT = "Take a model with BERT's WordPiece tokenizer."


@dataclasses.dataclass
class _Found:
    """What files say of a tokenizer; `None` where they say nothing."""

    tokens: dict[str, int]
    lowercase: bool | None = None
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool | None = None
    added: dict[str, tuple[int, bool]] = dataclasses.field(default_factory=dict)


def load_tokenizer_files(
    directory: str | os.PathLike,
    lowercase: bool = True,
    vocabulary: str | os.PathLike | None = None,
) -> BertTokenizer:
    """Loads the tokenizer of a directory in the Hugging Face layout.

    Args:
        directory: str or path. With `tokenizer.json` or `vocab.txt`.
        lowercase: bool. Whether the model is uncased: what the files say must be the same.
        vocabulary: str or path, or `None`. A vocabulary file in place of the directory's; what
            else the directory says of its tokenizer holds all the same.

    Raises:
        TinyBertError: if a file cannot be read, files contradict each other, the tokenizer
            does something else than BERT's, or the model is cased where `lowercase` says that
            it is not.
    """
    directory = pathlib.Path(directory)
    config = read_json(directory / "tokenizer_config.json")
    if _is_mpnet(directory) and vocabulary is None:
        return _load_mpnet(directory, config, lowercase)
    _check_class(config, directory / "tokenizer_config.json")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        _check_special_tokens(read_json(directory / name), directory / name)
    state = read_json(directory / "tokenizer.json") if vocabulary is None else {}
    if state:
        found = _read_state(state, directory / "tokenizer.json")
        _check_same_vocabulary(found.tokens, directory)
    else:
        path = directory / "vocab.txt" if vocabulary is None else pathlib.Path(vocabulary)
        _check_exists(path, directory)
        found = _Found({token: i for i, token in enumerate(load_vocabulary(path))})
    _add_config(found, config, directory)
    path = directory / "added_tokens.json"
    for content, number in read_json(path).items():
        if content not in found.added:
            _add_token(found, number, {"content": content, "normalized": True}, path)
    tokenizer = _make_tokenizer(found, directory, lowercase)
    check_case(tokenizer, str(vocabulary or directory))
    return tokenizer


def read_tokens(directory: str | os.PathLike) -> list[str]:
    """Reads the vocabulary of a directory as it is, ordered by id.

    Args:
        directory: str or path. With `tokenizer.json` or `vocab.txt`.

    Raises:
        TinyBertError: if it cannot be read.
    """
    directory = pathlib.Path(directory)
    state = read_json(directory / "tokenizer.json")
    if state:
        path = directory / "tokenizer.json"
        tokens = member(member(state, "model", dict, path, {}), "vocab", dict, path, {})
        return _in_order(tokens, directory)
    path = directory / "vocab.txt"
    _check_exists(path, directory)
    return read_text_file(path, "vocabulary").removesuffix("\n").split("\n")


def mpnet_rows(tokens: list[str], source: str) -> tuple[list[str], list[int]]:
    """Returns BERT's vocabulary out of MPNet's, and the row that each token has in MPNet.

    MPNet puts `<s>`, `<pad>`, `</s>` and `<unk>` before BERT's tokens, and `<mask>` after
    them; these stand for BERT's special tokens.

    Args:
        tokens: list of str. MPNet's vocabulary, ordered by id.
        source: str. Where it comes from, for messages.

    Raises:
        TinyBertError: if it is none.
    """
    first, last = len(_MPNET_FIRST), len(tokens) - 1
    bert = tokens[first:last]
    if (
        tokens[:first] != list(_MPNET_FIRST)
        or tokens[-1:] != ["<mask>"]
        or CLS_TOKEN not in bert
    ):
        raise TinyBertError(
            f"{source}: expected MPNet's vocabulary, {', '.join(_MPNET_FIRST)} before BERT's "
            f"tokens and <mask> after them; got {', '.join(map(repr, tokens[:5]))}, ..."
        )
    own = {CLS_TOKEN: 0, PAD_TOKEN: 1, SEP_TOKEN: 2, MASK_TOKEN: last}
    return bert, [own.get(token, first + i) for i, token in enumerate(bert)]


def check_case(tokenizer: BertTokenizer, source: str) -> None:
    """Looks whether a vocabulary is that of an uncased model, if the tokenizer lower-cases.

    Args:
        tokenizer: `BertTokenizer`.
        source: str. Where it comes from, for the message.

    Raises:
        TinyBertError: if it is full of tokens that no text would become.
    """
    if not tokenizer.lowercase:
        return
    added = {token.content for token in tokenizer.added_tokens}
    tokens = tokenizer.get_vocabulary()
    upper = [
        token
        for token in tokens
        if re.search("[A-Z]", token)
        and token not in added
        and not re.fullmatch(r"\[.*\]|<.*>", token)
    ]
    if len(upper) * _TOKENS_PER_UPPER_CASE <= len(tokens):
        if upper:
            logging.warning(
                "%s: no text becomes the token %r, as the model is uncased.", source, upper[0]
            )
        return
    raise TinyBertError(
        f"{source}: {len(upper):,} of {len(tokens):,} tokens have upper-case letters, such as "
        f"{', '.join(map(repr, upper[:3]))}: the model is cased, but lowercase is true. Set "
        "lowercase to false (`corpus`: --cased)."
    )


def _is_mpnet(directory: pathlib.Path) -> bool:
    return read_json(directory / "config.json").get("model_type") == "mpnet"


def _load_mpnet(directory: pathlib.Path, config: dict, lowercase: bool) -> BertTokenizer:
    """Loads MPNet's tokenizer as BERT's: the models are loaded in BERT's order of ids."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = directory / name
        _check_special_tokens(read_json(path), path, _MPNET_TOKENS)
    state = read_json(directory / "tokenizer.json")
    found = _read_state(state, directory / "tokenizer.json") if state else _Found({})
    tokens, _ = mpnet_rows(read_tokens(directory), str(directory))
    _add_config(found, config, directory)
    own = (*_MPNET_TOKENS.values(), "<unk>")
    added = [content for content in found.added if content not in own]
    added += [token for token in read_json(directory / "added_tokens.json") if token not in own]
    if added:
        raise TinyBertError(
            f"{directory}: it has {len(added)} added token(s), such as {added[0]!r}, which are "
            "not supported in MPNet's vocabulary. Take a model without."
        )
    found.tokens = {token: i for i, token in enumerate(tokens)}
    found.added = {}
    return _make_tokenizer(found, directory, lowercase)


# === Files ===


def _check_exists(path: pathlib.Path, directory: pathlib.Path) -> None:
    if path.exists():
        return
    if path.parent != directory:
        raise TinyBertError(f"There is no vocabulary {path}. Check the path.")
    others = [
        name
        for name in ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "merges.txt")
        if (directory / name).exists()
    ]
    why = f" It has {others[0]}, so its tokenizer is not BERT's." if others else ""
    raise TinyBertError(
        f"{directory} has neither tokenizer.json nor vocab.txt.{why} {_WAY_OUT} Or name the "
        "vocabulary it was trained with."
    )


def _read_state(state: dict, path: pathlib.Path) -> _Found:
    """Reads tokenizer.json."""
    model = member(state, "model", dict, path, {})
    kind = model.get("type", "WordPiece" if "continuing_subword_prefix" in model else None)
    if kind != "WordPiece":
        raise TinyBertError(f"{path}: its model is {kind}, expected WordPiece. {_WAY_OUT}")
    expected = {
        "unk_token": UNK_TOKEN,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": MAX_CHARS_PER_WORD,
    }
    for name, value in expected.items():
        if model.get(name, value) != value:
            raise TinyBertError(
                f"{path}: {name} is {model[name]!r}, BERT's is {value!r}. {_WAY_OUT}"
            )
    pre_tokenizer = _only_one(state.get("pre_tokenizer"), "pretokenizers")
    if pre_tokenizer.get("type") != "BertPreTokenizer":
        raise TinyBertError(
            f"{path}: texts are split by {pre_tokenizer.get('type')}, expected "
            f"BertPreTokenizer. {_WAY_OUT}"
        )
    normalizer = _only_one(state.get("normalizer"), "normalizers")
    if normalizer.get("type") != "BertNormalizer" or normalizer.get("clean_text") is False:
        what = "BertNormalizer without clean_text" if normalizer else "nothing"
        if normalizer.get("type") != "BertNormalizer" and normalizer:
            what = normalizer.get("type")
        raise TinyBertError(
            f"{path}: texts are normalized by {what}, expected BertNormalizer with clean_text. "
            f"{_WAY_OUT}"
        )
    tokens = member(model, "vocab", dict, path, {})
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in tokens.values()):
        raise TinyBertError(f"{path}: the vocabulary has ids that are no integers.")
    found = _Found(
        tokens,
        member(normalizer, "lowercase", bool, path),
        member(normalizer, "strip_accents", bool, path),
        member(normalizer, "handle_chinese_chars", bool, path),
    )
    for token in member(state, "added_tokens", list, path, []):
        if not isinstance(token, dict):
            raise TinyBertError(f"{path}: an added token is {shown(token)}.")
        _add_token(found, token.get("id"), token, path)
    return found


def _only_one(step: object, members: str) -> dict:
    """Returns a step of tokenizer.json, or the one step of a sequence."""
    if isinstance(step, dict) and step.get("type") == "Sequence":
        steps = step.get(members)
        if isinstance(steps, list) and len(steps) == 1:
            step = steps[0]
    return step if isinstance(step, dict) else {}


def _add_token(found: _Found, number: object, token: dict, path: pathlib.Path) -> None:
    content = member(token, "content", str, path)
    if content is None or not isinstance(number, int) or isinstance(number, bool):
        raise TinyBertError(
            f"{path}: an added token is {shown(token)} of id {shown(number)}, expected content "
            "and an integer."
        )
    if content in _SPECIAL_TOKENS.values():
        return
    if token.get("single_word"):
        raise TinyBertError(
            f"{path}: the added token {content!r} is looked for as a whole word alone "
            "(single_word), which is not supported. Add it without single_word."
        )
    found.added[content] = (number, bool(token.get("normalized", not token.get("special"))))


def _check_same_vocabulary(tokens: dict[str, int], directory: pathlib.Path) -> None:
    path = directory / "vocab.txt"
    if not path.exists():
        return
    for number, token in enumerate(load_vocabulary(path)):
        if tokens.get(token, number) != number or token not in tokens:
            raise TinyBertError(
                f"{path} and tokenizer.json beside it are of different vocabularies: {token!r} "
                f"is {number} in the one, {tokens.get(token, 'missing')} in the other. Remove "
                "the one that is not the model's."
            )


# === tokenizer_config.json ===


def _check_class(config: dict, path: pathlib.Path) -> None:
    name = config.get("tokenizer_class")
    if name is None:
        return
    if str(name).removesuffix("Fast") not in _CLASSES:
        method = ""
        if "Japanese" in str(name):
            method = " (words of MeCab or Sudachi)"
        raise TinyBertError(
            f"{path}: tokenizer_class is {name!r}{method}, which is not BERT's WordPiece. "
            f"{_WAY_OUT}"
        )
    if config.get("do_basic_tokenize") is False:
        raise TinyBertError(
            f"{path}: do_basic_tokenize is false, so texts are not split as BERT does. "
            f"{_WAY_OUT}"
        )


def _check_special_tokens(
    content: dict, path: pathlib.Path, names: Mapping[str, str] = _SPECIAL_TOKENS
) -> None:
    for name, expected in names.items():
        token = content.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if token is not None and token != expected:
            raise TinyBertError(
                f"{path}: {name} is {token!r}, BERT's is {expected!r}. {_WAY_OUT}"
            )


def _add_config(found: _Found, config: dict, directory: pathlib.Path) -> None:
    """Takes over what tokenizer_config.json says; refuses what contradicts tokenizer.json."""
    path = directory / "tokenizer_config.json"
    keys = {"lowercase": "do_lower_case"} | {name: name for name in _SETTINGS[1:]}
    for name, key in keys.items():
        says, before = member(config, key, bool, path), getattr(found, name)
        if says is not None and before is not None and says != before:
            raise TinyBertError(
                f"{path} has {key}={json.dumps(says)}, tokenizer.json beside it says "
                f"{json.dumps(before)}. Correct the one that is wrong: they decide which ids a "
                "text becomes."
            )
        if says is not None:
            setattr(found, name, says)
    for number, token in member(config, "added_tokens_decoder", dict, path, {}).items():
        if not isinstance(token, dict) or not re.fullmatch("[0-9]{1,9}", number):
            raise TinyBertError(
                f"{path}: the added token {number[:80]!r} is {shown(token)}, expected an id "
                "and an object."
            )
        _add_token(found, int(number), token, path)


# === The tokenizer ===


def _make_tokenizer(found: _Found, directory: pathlib.Path, lowercase: bool) -> BertTokenizer:
    if found.lowercase is not None and found.lowercase != lowercase:
        says = found.lowercase
        raise TinyBertError(
            f"{directory}: its tokenizer says that the model is "
            f"{'uncased' if says else 'cased'}, but lowercase is {json.dumps(lowercase)}. Set "
            f"lowercase to {json.dumps(says)} (`corpus`: {'no ' if says else ''}--cased)."
        )
    tokens = dict(found.tokens)
    for content, (number, _) in found.added.items():
        if tokens.setdefault(content, number) != number:
            raise TinyBertError(
                f"{directory}: the added token {content!r} has the id {number!r}, in the "
                f"vocabulary it is {tokens[content]}. Save the tokenizer again."
            )
    chinese = found.tokenize_chinese_chars
    return BertTokenizer(
        _in_order(tokens, directory),
        lowercase=lowercase,
        strip_accents=found.strip_accents,
        tokenize_chinese_chars=True if chinese is None else chinese,
        added_tokens=[
            AddedToken(content, normalized)
            for content, (_, normalized) in sorted(found.added.items(), key=lambda x: x[1][0])
        ],
    )


def _in_order(tokens: dict[str, int], directory: pathlib.Path) -> list[str]:
    """Returns the tokens by id; ids that have none get one that no text spells."""
    by_id = {number: token for token, number in tokens.items()}
    if len(by_id) < len(tokens):
        twice = next(token for token, number in tokens.items() if by_id[number] != token)
        raise TinyBertError(
            f"{directory}: the tokens {twice!r} and {by_id[tokens[twice]]!r} have the same id, "
            f"{tokens[twice]}. Save the tokenizer again."
        )
    count = max(by_id, default=-1) + 1
    if min(by_id, default=0) < 0 or count > 2 * len(tokens) + _MOST_UNNAMED:
        raise TinyBertError(
            f"{directory}: there are {len(tokens):,} tokens with ids from {min(by_id):,} to "
            f"{count - 1:,}. Save the tokenizer again."
        )
    return [by_id.get(i) or unnamed_token(i) for i in range(count)]
