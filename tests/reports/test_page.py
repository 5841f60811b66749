"""Pages as files: text stays text, and a page that cannot be made leaves the old one."""

import jinja2
import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.reports.page import write_page
from tinybert_tf.reports.tables import ResultsTable

# What HTML or Jinja would make something else of.
NASTY = "a<b>&'\"{{ title }}{% raw %}{#"
TABLE = ResultsTable(NASTY, NASTY, (NASTY, "x"), ((NASTY, NASTY),))


def write(path, **content):
    return write_page(
        path, "sweep.html.jinja", **{"title": NASTY, "tables": [TABLE], **content}
    )


def test_text_stays_text(tmp_path, read_page):
    page = read_page(write(tmp_path / "page.html"))
    assert page.text("head/title") == page.text("body/header/h1") == NASTY
    assert page.tables(NASTY) == {NASTY: [[NASTY, "x"], [NASTY, NASTY]]}
    assert page.texts(NASTY, "p") == [NASTY]
    (region,) = page.iter("div")
    assert region.get("aria-label") == NASTY
    # The one element of `NASTY`, were it read as HTML.
    assert not list(page.iter("b"))


def test_the_browser_is_told_to_fetch_nothing(tmp_path, read_page):
    page = read_page(write(tmp_path / "page.html"))
    (policy,) = (m for m in page.iter("meta") if m.get("http-equiv"))
    assert policy.get("http-equiv") == "Content-Security-Policy"
    assert policy.get("content") == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert [link.get("href") for link in page.iter("link")] == ["data:,"]


def test_what_a_template_lacks_is_an_error(tmp_path):
    path = write(tmp_path / "page.html")
    old = path.read_bytes()
    with pytest.raises(jinja2.UndefinedError, match="'tables' is undefined"):
        write_page(path, "sweep.html.jinja", title="x")
    assert path.read_bytes() == old
    assert [other.name for other in tmp_path.iterdir()] == ["page.html"]


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder", "utf-8")
    with pytest.raises(TinyBertError, match=r"Cannot write .*file/page\.html: "):
        write(tmp_path / "file" / "page.html")
