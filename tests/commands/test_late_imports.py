"""What commands import only when they run is there, though no test runs all of them."""

import ast
import importlib
import pathlib
import types

import pytest

from tinybert_tf.commands import command_line

FILES = sorted(pathlib.Path(command_line.__file__).parent.glob("*.py"))


def absent(source):
    """Names that a source takes from modules of the project, and that those do not have."""
    nodes = list(ast.walk(ast.parse(source)))
    imports = [n for n in nodes if isinstance(n, ast.ImportFrom)]
    modules, found = {}, []
    for node in imports:
        if not node.module.startswith("tinybert_tf"):
            continue
        for alias in node.names:
            try:
                value = getattr(importlib.import_module(node.module), alias.name, None)
                value = value or importlib.import_module(f"{node.module}.{alias.name}")
            except ModuleNotFoundError:
                found.append(f"{node.module}.{alias.name}")
                continue
            if isinstance(value, types.ModuleType):
                modules[alias.name] = value
    found += [
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and not hasattr(modules[node.value.id], node.attr)
    ]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports(path):
    assert absent(path.read_text("utf-8")) == []


def test_what_is_not_there_is_found():
    source = "def f():\n    from tinybert_tf.runs import {}\n    {}.finetun()\n"
    assert absent(source.format("recipes", "recipes")) == ["recipes.finetun"]
    assert absent(source.format("recipe", "recipe")) == ["tinybert_tf.runs.recipe"]
