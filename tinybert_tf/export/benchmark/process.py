"""Running scripts as processes of their own."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import track

from tinybert_tf.errors import TinyBertError


def run_script(
    doing: str, script: str | os.PathLike, *arguments: str, request: str = ""
) -> str:
    """Runs a Python script and returns what it printed.

    Args:
        doing: str. For the message if it fails.
        script: str or path. Its file.
        *arguments: str.
        request: str. Its standard input.

    Raises:
        TinyBertError: if it fails, with the last line that it said.
    """
    # -P: the modules beside the script are not to stand in for installed ones.
    command = [sys.executable, "-P", os.fspath(script), *arguments]
    result = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["it said nothing"]
        raise TinyBertError(
            f"The process {doing} ended with code {result.returncode}: {lines[-1]}"
        )
    return result.stdout


def with_progress(sequence: Sequence, doing: str) -> Iterable:
    """Returns the elements, and shows on stderr how many there still are."""
    return track(sequence, doing, console=Console(stderr=True))
