"""A run's YAML file: read, overridden, validated."""

import contextlib
import dataclasses
import os
from collections.abc import Sequence

import pydantic
import yaml

from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.files import read_text_file
from tinybert_tf.runs.config import GeneralConfig, MaskedLMConfig, RunConfig
from tinybert_tf.yaml_text import read_yaml

# Characters of a value in a message.
_MOST_SHOWN = 200


def _kind_of(values: dict) -> type:
    """Returns the class of a config by the key that no other class has."""
    if "task" in values or "corpus" not in values:
        return RunConfig
    return MaskedLMConfig if "encoder" in values else GeneralConfig


def load_config(
    path: str | os.PathLike, overrides: Sequence[str] = ()
) -> RunConfig | GeneralConfig | MaskedLMConfig:
    """Reads a run's YAML file: a task's, or with a corpus that of a student or a masked LM.

    Args:
        path: str or path.
        overrides: sequence of `key=value`, where the key is a dotted path such as
            `student.dropout` or `distillation.stages.0.fit.epochs` and the value is YAML.

    Raises:
        TinyBertError: if the file cannot be read, a key is unknown (the nearest known one is
            named) or a value is of the wrong kind.
    """
    values = _load_yaml(read_text_file(path, "config"), str(path))
    if not isinstance(values, dict):
        raise TinyBertError(f"{path} holds {type(values).__name__}, not a mapping of keys.")
    for override in overrides:
        _override(values, override)
    return parse_config(values, str(path))


def parse_config(values: dict, source: str) -> RunConfig | GeneralConfig | MaskedLMConfig:
    """Validates plain values.

    Args:
        values: dict. Nested, as a YAML file holds them.
        source: str. Where they come from, for messages.

    Raises:
        TinyBertError: see `load_config`.
    """
    cls = _kind_of(values)
    try:
        return pydantic.TypeAdapter(cls).validate_python(values)
    except pydantic.ValidationError as error:
        problems = [(_location(p, values), p) for p in error.errors()]
        # Of a union's members, the one that most of the value fits has its problem deepest.
        lines = [
            _describe(cls, location, problem)
            for location, problem in problems
            if not any(
                len(other) > len(location) and other[: len(location)] == location
                for other, _ in problems
            )
        ]
        raise TinyBertError(f"{source}:\n  " + "\n  ".join(lines)) from error


def _load_yaml(text: str, source: str, key: Sequence[str] = ()):
    """Reads YAML; the names of a task's labels are taken as they are written.

    In `labels: [no, yes]` or `[0, 1]`, YAML sees truth values and numbers.

    Args:
        text: str.
        source: str. See `read_yaml`.
        key: sequence of str. Where the value belongs that the text is; empty for a config.
    """

    def take_as_text(node):
        for label in _label_nodes(node, key):
            label.tag = yaml.SafeLoader.DEFAULT_SCALAR_TAG

    return read_yaml(text, source, take_as_text)


def _label_nodes(node: yaml.Node | None, key: Sequence[str]) -> list[yaml.Node]:
    """Returns the scalars of the list `task.labels` in a value that belongs at a key."""
    labels = ("task", "labels")
    if tuple(key[: len(labels)]) != labels[: len(key)]:
        return []
    for name in labels[len(key) :]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for known, value in pairs if known.value == name), None)
    if len(key) > len(labels):
        items = [node]
    else:
        items = node.value if isinstance(node, yaml.SequenceNode) else []
    return [item for item in items if isinstance(item, yaml.ScalarNode)]


def _override(values: dict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise TinyBertError(f"--set wants key=value, such as seed=7; got '{override}'.")
    *path, last = key.split(".")
    node = values
    for part in path:
        node = _child(node, part, key)
    value = _load_yaml(text, f"--set {key}: '{text[:80]}'", (*path, last))
    _child(node, last, key)
    node[int(last) if isinstance(node, list) else last] = value


def _child(node, part: str, key: str):
    if isinstance(node, dict):
        return node.setdefault(part, {})
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return node[int(part)]
    kind = f"a list of {len(node)}" if isinstance(node, list) else f"the value {_shown(node)}"
    raise TinyBertError(f"--set {key}: '{part}' is no key, because there is {kind}.")


def _location(problem: dict, values: dict) -> list[str]:
    keys, node = [], values
    for part in problem["loc"]:
        # What is not found is the name of a union's member, which is no key.
        with contextlib.suppress(LookupError, TypeError):
            node = node[part]
            keys.append(str(part))
    return [*keys, problem["loc"][-1]] if problem["type"] == "missing" else keys


def _describe(cls, location: Sequence[str], problem: dict) -> str:
    key = ".".join(location)
    if problem["type"] == "unexpected_keyword_argument":
        fields = _fields_at(cls, location[:-1])
        return (
            f"unknown key '{key}'.{nearest_name(location[-1], fields)} "
            f"Known here: {', '.join(fields)}."
        )
    if problem["type"] == "missing":
        return f"'{key}' is missing."
    message = problem["msg"].removeprefix("Value error, ")
    if not location or problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"'{key}' is {_shown(problem['input'])}: {message}."


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _fields_at(cls, location: Sequence[str]) -> list[str]:
    for part in location:
        if part.isdigit():
            continue
        types = {field.name: field.type for field in dataclasses.fields(cls)}
        candidates = _dataclasses_in(types.get(part)) or [cls]
        cls = candidates[0]
    return [field.name for field in dataclasses.fields(cls)]


def _dataclasses_in(annotation) -> list[type]:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [cls for argument in arguments for cls in _dataclasses_in(argument)]
