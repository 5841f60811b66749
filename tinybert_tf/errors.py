"""The one exception of the library for a mistake in what it was given."""

import difflib
import json
from collections.abc import Iterable


class TinyBertError(ValueError):
    """Input that cannot be used: a file, a config, a checkpoint or an argument.

    The message names what came, what was expected and the way out. The command line
    prints it without a traceback and ends with `exit_code`.
    """

    exit_code = 2


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
