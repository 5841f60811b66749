"""What a figure was measured on: command, versions, machine."""

import os
import pathlib
import platform
import shlex
import sys
import time
from importlib import metadata

PROGRAM = "python -m tinybert_tf"
_PACKAGES = ("tensorflow", "keras", "keras-nlp", "tensorflow-text", "numpy")


def environment(program: str = PROGRAM) -> dict:
    """Returns what a figure was measured on: command, versions, machine.

    Args:
        program: str. What the arguments were given to.
    """
    return {
        "command": shlex.join([*program.split(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
