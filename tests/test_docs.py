"""Documents quote figures that a command wrote."""

import pathlib
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"


def test_pages_are_what_the_figures_say():
    program = [sys.executable, str(DOCS / "make_results.py"), "--check"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_figures_name_no_place_of_a_machine():
    for path in (DOCS / "results").glob("*.json"):
        text = path.read_text("utf-8")
        assert not [root for root in ("/home/", "/root/", "/tmp/", "/work/") if root in text]
