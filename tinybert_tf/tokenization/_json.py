"""JSON files of tokenizers, which come from elsewhere: any value may be of any type."""

import json
import pathlib
from collections.abc import Mapping

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import read_text_file


def read_json(path: pathlib.Path) -> dict:
    """Returns what a file holds, `{}` if there is none."""
    if not path.exists():
        return {}
    try:
        content = json.loads(read_text_file(path, "tokenizer file"))
    except (ValueError, RecursionError) as error:
        raise TinyBertError(f"{path} is not JSON: {error}. Download it again.") from error
    if not isinstance(content, dict):
        raise TinyBertError(
            f"{path} holds a JSON {type(content).__name__}, expected an object. Download it "
            "again."
        )
    return content


def shown(value) -> str:
    """Returns a value for a message, short and printable."""
    try:
        return json.dumps(value)[:80]
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"


def member(content: Mapping, name: str, kind: type, path: pathlib.Path, default=None):
    """Returns a member of a JSON object, which must be of a type, or null."""
    value = content.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TinyBertError(f"{path}: {name} is {shown(value)}, expected a {kind.__name__}.")
    return value
