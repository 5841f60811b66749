"""The one exception of the library for a mistake in what it was given."""

import difflib
import json
from collections.abc import Iterable

# Of a longer message, what is before and after that which is left out.
_MOST_CHARACTERS, _HEAD, _TAIL = 4000, 3000, 900


class TinyBertError(ValueError):
    """Input that cannot be used: a file, a config, a checkpoint or an argument.

    The message names what came, what was expected and the way out. The command line
    prints it without a traceback and ends with `exit_code`.

    Args:
        message: str. It may hold what came, of any length and of any characters: the middle of
            a long one is left out, and what cannot be printed stands as its number.
    """

    exit_code = 2

    def __init__(self, message: str):
        if len(message) > _MOST_CHARACTERS:
            left_out = len(message) - _HEAD - _TAIL
            message = f"{message[:_HEAD]} [{left_out:,} characters] {message[-_TAIL:]}"
        super().__init__(
            "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in message)
        )


def nearest_name(name: str, candidates: Iterable[str]) -> str:
    """Returns `" Did you mean 'x'?"` for the candidate closest to `name`, or `""`."""
    matches = difflib.get_close_matches(name, list(candidates), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def shown(value) -> str:
    """Returns a value of a file from elsewhere for a message, short and printable.

    Args:
        value: what JSON can hold.
    """
    if isinstance(value, str):
        return ascii(value if len(value) <= 80 else f"{value[:77]}...")
    try:
        return json.dumps(value)[:80]
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
