"""Pages that fetch nothing: what the templates in `templates/` make of what they are given."""

import importlib.resources
import os
import pathlib
from xml.etree import ElementTree

import jinja2

from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import atomic_file

# A caption and the `svg` element under it.
Drawing = tuple[str, ElementTree.Element]


def _to_html(svg: ElementTree.Element) -> str:
    return ElementTree.tostring(svg, encoding="unicode", method="html")


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__),
    # Text stays text, whatever it holds.
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["svg"] = _to_html


def write_page(path: str | os.PathLike, template: str, **content) -> pathlib.Path:
    """Writes a page; the same content makes the same bytes.

    Args:
        path: str or path. Replaced only when the new page is whole.
        template: str. A file in `templates/` that extends `page.html.jinja`.
        **content: The variables of the template. `title` is what a browser calls the page.

    Returns:
        The path.

    Raises:
        TinyBertError: if it cannot be written.
    """
    path = pathlib.Path(path)
    style = (importlib.resources.files(__package__) / "page.css").read_text("utf-8")
    text = _TEMPLATES.get_template(template).render(style=style, **content)
    try:
        with atomic_file(path) as aside:
            aside.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise TinyBertError(f"Cannot write {path}: {error.strerror}.") from error
    return path
