"""The one exception of the library for a mistake in what it was given."""

import difflib
from collections.abc import Iterable


class TinyBertError(ValueError):
    """Input that cannot be used: a file, a config, a checkpoint or an argument.

    The message names what came, what was expected and the way out. The command line
    prints it without a traceback and ends with exit code 2.
    """


def nearest_name(name: str, candidates: Iterable[str]) -> str:
    """Returns `" Did you mean 'x'?"` for the candidate closest to `name`, or `""`."""
    matches = difflib.get_close_matches(name, list(candidates), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""
