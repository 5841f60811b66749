"""The parts of a page that fetches nothing: its head, sections, tables and figures."""

import importlib.resources
import os
import pathlib
from collections.abc import Collection
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file
from tinybert_tf.reports.tables import ResultsTable

# The browser itself refuses whatever would come from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def make_page(title: str) -> Element:
    """Makes a page with the project's style and an empty body.

    Args:
        title: str. What a browser calls it.

    Returns:
        The `html` element; its second child is the body.
    """
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    policy = {"http-equiv": "Content-Security-Policy", "content": _POLICY}
    SubElement(head, "meta", policy)
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add(head, "title", title)
    # Without one, browsers ask the server for it and report that there is none.
    SubElement(head, "link", rel="icon", href="data:,")
    style = importlib.resources.files(__package__) / "page.css"
    add(head, "style", style.read_text("utf-8"))
    SubElement(html, "body")
    return html


def write_page(html: Element, path: str | os.PathLike) -> pathlib.Path:
    """Writes a page; the same elements make the same bytes.

    Args:
        html: `Element`.
        path: str or path. Replaced only when the new page is whole.

    Returns:
        The path.

    Raises:
        TinyBertError: if it cannot be written.
    """
    path = pathlib.Path(path)
    text = ElementTree.tostring(html, encoding="unicode", method="html")
    try:
        with atomic_file(path) as aside:
            aside.write_text(f"<!DOCTYPE html>\n{text}\n", "utf-8")
    except OSError as error:
        raise TinyBertError(f"Cannot write {path}: {error.strerror}.") from error
    return path


def add(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    """Adds an element of text, which stays text whatever it holds, and returns it."""
    element = SubElement(parent, tag, attributes)
    element.text = text
    return element


def add_section(main: Element, title: str) -> Element:
    """Adds a section under a heading and returns it."""
    key = title.lower().replace(" ", "-")
    section = SubElement(main, "section", {"aria-labelledby": key})
    add(section, "h2", title, id=key)
    return section


def add_table(
    parent: Element, content: ResultsTable, prose: Collection[str] = ()
) -> list[list[Element]]:
    """Adds a table that scrolls in a box of its own.

    Args:
        parent: `Element`.
        content: `ResultsTable`. Its caption is not added.
        prose: collection of str. The columns of sentences: they are broken into lines.

    Returns:
        The cells of each row, without its name.
    """
    scroller = SubElement(parent, "div", {"class": "scroller", "tabindex": "0"})
    scroller.attrib |= {"role": "region", "aria-label": content.title}
    table = SubElement(scroller, "table")
    add(table, "caption", content.title)
    head = SubElement(SubElement(table, "thead"), "tr")
    marks = [{"class": "prose"} if column in prose else {} for column in content.columns]
    for column, mark in zip(content.columns, marks, strict=True):
        add(head, "th", column, scope="col", **mark)
    body = SubElement(table, "tbody")
    cells = []
    for name, *texts in content.rows:
        row = SubElement(body, "tr")
        add(row, "th", name, scope="row")
        cells.append(
            [add(row, "td", text, **mark) for text, mark in zip(texts, marks[1:], strict=True)]
        )
    return cells


def add_grid(parent: Element, kind: str = "grid") -> Element:
    """Adds a box whose figures stand beside each other where there is room.

    Args:
        parent: `Element`.
        kind: str. `"grid"`, or `"pairs"` for at most two in a row.
    """
    return SubElement(parent, "div", {"class": kind})


def add_figure(grid: Element, caption: str, svg: Element) -> None:
    """Adds a drawing with its caption."""
    figure = SubElement(grid, "figure")
    add(figure, "figcaption", caption)
    figure.append(svg)
