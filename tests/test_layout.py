"""The rooms of the package: imports run in one direction, and each room says what is public."""

import ast
import importlib
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "tinybert_tf"
# From the bottom up, as in docs/architecture.md: a room imports itself and those before it.
ROOMS = (
    *("errors", "backend", "strict", "interrupts", "files", "yaml_text", "beam", "resumable"),
    *("waiting", "presets"),
    *("tokenization", "models", "data"),
    *("checkpoints", "distillation", "augmentation", "corpus"),
    *("training", "evaluation"),
    "export",
    *("runs", "reports", "commands"),
)
# Those whose `__all__` is what others' code may use.
_PUBLIC = ROOMS[ROOMS.index("tokenization") : ROOMS.index("runs")]
# They are started and lead to the commands; nothing imports them.
_ENTRY_POINTS = ("__main__", "export.__main__")
_FILES = sorted(PACKAGE.rglob("*.py"))


def _module(path: pathlib.Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _imported(source: str) -> list[tuple[int, str]]:
    """Returns line and module, within the package, of each import."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module]
            if node.module == "tinybert_tf":
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found += [
            (node.lineno, name.removeprefix("tinybert_tf."))
            for name in names
            if name.startswith("tinybert_tf.")
        ]
    return found


def _upward_imports(module: str, source: str) -> list[str]:
    room = module.split(".")[0]
    return [
        f"{module}, line {line}, imports {name}"
        for line, name in _imported(source)
        if ROOMS.index(name.split(".")[0]) > ROOMS.index(room)
    ]


def test_imports_run_downward():
    upward = []
    for path in _FILES:
        module = _module(path)
        if module not in (*_ENTRY_POINTS, "__init__"):
            upward += _upward_imports(module, path.read_text("utf-8"))
    assert not upward, "\n".join(upward)


def test_an_upward_import_is_found():
    source = "def f():\n    from tinybert_tf.runs import recipes\n"
    assert _upward_imports("export.bundle", source) == ["export.bundle, line 2, imports runs"]
    assert not _upward_imports("commands.run", source)


def test_every_room_has_its_place():
    found = {_module(path).split(".")[0] for path in _FILES} - {"__init__", "__main__"}
    assert found == set(ROOMS)


def _hidden_modules(room: str) -> list[str]:
    """Returns the modules of a room that look public and have nothing that is."""
    public = set(importlib.import_module(f"tinybert_tf.{room}").__all__)
    return [
        path.name
        for path in sorted((PACKAGE / room).glob("[!_]*.py"))
        if not public & _defined_names(path.read_text("utf-8"))
    ]


def _defined_names(source: str) -> set[str]:
    names = set()
    for node in ast.parse(source).body:
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        names |= {getattr(target, "name", getattr(target, "id", None)) for target in targets}
    return names


@pytest.mark.parametrize("room", _PUBLIC)
def test_modules_that_look_public_are(room):
    assert not _hidden_modules(room)
