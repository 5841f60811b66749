"""Pages as trees, and the shapes of what is drawn in them."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tinybert_tf.reports import plots
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

_VOID = {"meta", "link"}


class _TreeParser(HTMLParser):
    """Makes a tree of a page in which every element that is opened is closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.builder = ElementTree.TreeBuilder()

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.builder.start(tag, dict(attrs))
        self.open.append(tag)
        if tag in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.builder.end(tag)

    def handle_data(self, data):
        if self.open:
            self.builder.data(data)


def _text_of(element):
    return "".join(element.itertext())


class Drawing:
    """The `svg` element of a plot."""

    def __init__(self, svg):
        self.svg = svg

    @property
    def said(self):
        return _text_of(self.svg.find("title"))

    @property
    def texts(self):
        return [_text_of(text) for text in self.svg.iter("text")]

    @property
    def axes(self):
        (axes,) = (g for g in self.svg.iter("g") if g.get("id", "").endswith("-axes_1"))
        return axes

    def marks(self, colour="first"):
        """Where the dots of a colour are, in the order they were drawn."""
        painted = f"fill: var(--{colour})"
        uses = [use for use in self.axes.iter("use") if painted in use.get("style")]
        return np.array([(float(use.get("x")), float(use.get("y"))) for use in uses])

    def bar_widths(self, colour):
        painted = f"fill: var(--{colour})"
        widths = []
        for path in self.axes.iter("path"):
            if painted in path.get("style"):
                ends = re.findall(r"[ML] (\S+)", path.get("d"))[:2]
                widths.append(float(ends[1]) - float(ends[0]))
        return np.array(widths)


class Page:
    """A page that was written, as a tree."""

    def __init__(self, path):
        content = path.read_text("utf-8")
        assert content.startswith("<!DOCTYPE html>\n<html")
        parser = _TreeParser()
        parser.feed(content)
        parser.close()
        assert not parser.open
        self.root = parser.builder.close()

    def iter(self, tag=None):
        return self.root.iter(tag)

    def text(self, path="."):
        return _text_of(self.root.find(path))

    def sections(self):
        """The sections by their headings."""
        return {_text_of(section.find("h2")): section for section in self.iter("section")}

    def section_text(self, title):
        return _text_of(self.sections()[title])

    def texts(self, title, tag):
        """What the elements of a tag say in a section."""
        return [_text_of(element) for element in self.sections()[title].iter(tag)]

    def tables(self, title):
        """The cells of a section's tables, by caption."""
        return {
            _text_of(table.find("caption")): [
                list(map(_text_of, row)) for row in table.iter("tr")
            ]
            for table in self.sections()[title].iter("table")
        }

    def drawings(self, title, grid=None):
        """A section's plots by caption, in all its grids or in one of them."""
        of = self.sections()[title]
        if grid is not None:
            of = [div for div in of.iter("div") if div.get("class") == "grid"][grid]
        return {_text_of(f[0]): Drawing(f.find("svg")) for f in of.iter("figure")}


@pytest.fixture(scope="session")
def read_page():
    """A function from a page's path to its `Page`."""
    return Page


@pytest.fixture(scope="session")
def assert_linear():
    """A function that looks whether positions are those of values on a linear scale."""

    def assert_on_a_line(positions, values):
        assert abs(np.corrcoef(positions, values)[0, 1]) == pytest.approx(1.0, abs=1e-9)

    return assert_on_a_line


@pytest.fixture
def run(tiny_values):
    """A run of the tiny config that has trained nothing."""
    return RunDirectory.create(parse_config(tiny_values, "values"), resume=False)


@pytest.fixture(scope="session")
def draw_once():
    """Patches plots: what was drawn before is not drawn again."""
    drawn = {}

    def once(draw):
        def find_or_draw(*arguments):
            key = (draw.__name__, repr(arguments))
            if key not in drawn:
                drawn[key] = draw(*arguments)
            return drawn[key]

        return find_or_draw

    def patch_plots(patch):
        for name in ("bars", "dots", "scatter", "curve"):
            patch.setattr(plots, name, once(getattr(plots, name)))

    return patch_plots


@pytest.fixture
def drawn_once(draw_once, monkeypatch):
    """The same arguments make the same drawing: this test redraws only what has changed."""
    draw_once(monkeypatch)
