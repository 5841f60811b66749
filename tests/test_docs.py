"""Documents quote results that a command wrote, and their links lead somewhere."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# `[text](target#anchor)` whose target is no URL.
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def _dead_links(page: pathlib.Path) -> list[str]:
    """Returns the links of a page whose file, folder or heading is not there."""
    dead = []
    for path, anchor in _LINK.findall(page.read_text("utf-8")):
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and (not anchor or anchor in _anchors(target))
        dead += [] if is_there else [f"{page.name}: {path}#{anchor}"]
    return dead


def _anchors(page: pathlib.Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in words}


def test_pages_are_what_the_results_say():
    program = [sys.executable, str(DOCS / "make_results.py"), "--check"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_results_name_no_place_of_a_machine():
    for path in (DOCS / "results").glob("*.json"):
        text = path.read_text("utf-8")
        assert not [root for root in ("/home/", "/root/", "/tmp/", "/work/") if root in text]


def test_no_link_is_dead():
    pages = [*DOCS.glob("*.md"), *ROOT.glob("*.md"), ROOT / "android_demo" / "README.md"]
    assert not [link for page in pages for link in _dead_links(page)]


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A task\n\n[here](#a-task) [no](#other) [no](gone.md) [yes](page.md)\n")
    assert _dead_links(page) == ["page.md: #other", "page.md: gone.md#"]
