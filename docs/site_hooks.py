"""Makes a web site of documents that link to each other as they lie in the repository.

`make site` runs it. Documents outside docs/ become pages; other files that a page links to are
copied beside them; a link to a folder without a document of its own becomes its text. A public
name that the API reference leaves out is an error.
"""

import ast
import os
import pathlib
import re

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Documents outside docs/, and the pages that they become.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "android_demo/README.md": "android_demo.md",
    "examples/README.md": "examples.md",
    "tinybert_tf/data/sample/README.md": "sample.md",
    "tinybert_tf/presets/tinybert_4l_312d_en/README.md": "tinybert_4l_312d_en.md",
    "tinybert_tf/presets/tinybert_4l_312d_en_sst2/README.md": "tinybert_4l_312d_en_sst2.md",
}
_SOURCES = {page: source for source, page in PAGES.items()}
# `[text](target#anchor)` whose target is neither a URL nor an anchor of the page itself.
_LINK = re.compile(r"\[([^]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Adds the pages and files that lie outside docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    linked = {
        _page_of(target)
        for page in files.documentation_pages()
        for _, path, _ in _LINK.findall(page.content_string)
        if (target := _target(path, page.src_uri)).is_file()
    }
    for page in linked - {file.src_uri for file in files}:
        files.append(File.generated(config, page, abs_src_path=str(ROOT / page)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links between files of the repository into links between pages."""
    start = pathlib.PurePosixPath(page.file.src_uri).parent

    def rewrite(match):
        text, path, anchor = match.groups()
        target = _target(path, page.file.src_uri)
        if not target.exists():
            raise PluginError(f"{page.file.src_uri} links to {path}, which is not there.")
        if target.is_dir():
            target = target / "README.md"
        if not target.exists():
            return text
        return f"[{text}]({os.path.relpath(_page_of(target), start)}{anchor or ''})"

    return _LINK.sub(rewrite, markdown)


def on_post_build(config):
    """Looks whether the reference has every public name of a room."""
    for page in (DOCS / "reference").glob("*.md"):
        built = (pathlib.Path(config.site_dir) / "reference" / f"{page.stem}.html").read_text()
        missing = [name for name in _public_names(page.stem) if f'.{name}"' not in built]
        if missing:
            raise PluginError(
                f"{page.name} does not show {', '.join(missing)} of tinybert_tf.{page.stem}. "
                "Give each a docstring (a constant, too), and name it if the page has a list."
            )


def _public_names(room: str) -> list[str]:
    """Returns `__all__` of a room, or what its table of modules loads when it is asked for."""
    source = (ROOT / "tinybert_tf" / room / "__init__.py").read_text("utf-8")
    values = {
        node.targets[0].id: node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    if "_MODULES" in values:
        return [n for names in ast.literal_eval(values["_MODULES"]).values() for n in names]
    return ast.literal_eval(values["__all__"]) if "__all__" in values else []


def _target(path: str, page: str) -> pathlib.Path:
    """Returns the file or folder that a page links to."""
    source = ROOT / _SOURCES.get(page, f"docs/{page}")
    return (source.parent / path).resolve()


def _page_of(target: pathlib.Path) -> str:
    """Returns where a file of the repository stands in the site."""
    if target.is_relative_to(DOCS):
        return str(target.relative_to(DOCS))
    path = str(target.relative_to(ROOT))
    return PAGES.get(path, path)
