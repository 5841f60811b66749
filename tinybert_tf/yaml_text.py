"""YAML from elsewhere: read within limits, so that no small file takes much memory or time."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml

from tinybert_tf.errors import TinyBertError, shown

_MOST_CHARACTERS = 2**20
_MOST_LEVELS = 32
# What an alias stands for counts each time.
_MOST_VALUES = 100_000
_MOST_BITS = 64
# They stand in no path and no text, and end in errors far from here.
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


class _Extent(NamedTuple):
    """How large a value is: levels of lists and mappings, and values in all of them."""

    levels: int
    values: int


class _Loader(yaml.SafeLoader):
    def construct_object(self, node, deep=False):
        try:
            value = super().construct_object(node, deep)
        # Of numbers, dates and tags whose text is none: PyYAML looks at few of them itself.
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            raise _problem(node, f"{shown(node.value)} is no {kind}") from error
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise _problem(node, f"{shown(node.value)} has more than {_MOST_BITS} bits")
        return value


def read_yaml(
    text: str, source: str, adjust: Callable[[yaml.Node | None], None] = lambda node: None
) -> Any:
    """Reads a YAML document.

    Args:
        text: str.
        source: str. Where it comes from, to begin messages with.
        adjust: function that may change the document's node before values are made of it.

    Raises:
        TinyBertError: if it is no YAML, has a key twice in a mapping or a value that cannot be
            read, or is too large or too deep, aliases included.
    """
    if len(text) > _MOST_CHARACTERS:
        raise TinyBertError(
            f"{source} has {len(text):,} characters, at most {_MOST_CHARACTERS:,} are read."
        )
    try:
        _check_levels(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _measure(node, {})
            adjust(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise TinyBertError(f"{source} is not YAML: {error}") from error


def _problem(node: yaml.Node, what: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _check_levels(text: str) -> None:
    """Looks at the levels as they are written, which PyYAML composes by recursion."""
    levels = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        levels += isinstance(event, yaml.CollectionStartEvent)
        levels -= isinstance(event, yaml.CollectionEndEvent)
        if levels > _MOST_LEVELS:
            raise _problem(event, f"nested in more than {_MOST_LEVELS} levels")


def _measure(node: yaml.Node, known: dict[int, _Extent | None]) -> _Extent:
    """Returns the extent of a node, which what it contains may not exceed, and checks it."""
    if id(node) in known:
        extent = known[id(node)]
        if extent is None:
            raise _problem(node, "an alias within that which it stands for")
        return extent
    known[id(node)] = None
    if isinstance(node, yaml.ScalarNode):
        extent = _Extent(0, 1)
        if _FORBIDDEN.search(node.value):
            raise _problem(node, f"{shown(node.value)} has a NUL or half a surrogate pair")
    else:
        children = node.value
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            children = [child for pair in node.value for child in pair]
        extents = [_measure(child, known) for child in children]
        extent = _Extent(
            1 + max((e.levels for e in extents), default=0), 1 + sum(e.values for e in extents)
        )
    if extent.levels > _MOST_LEVELS or extent.values > _MOST_VALUES:
        raise _problem(
            node,
            f"{extent.values:,} values in {extent.levels} levels, aliases included; at most "
            f"{_MOST_VALUES:,} in {_MOST_LEVELS}",
        )
    known[id(node)] = extent
    return extent


def _check_keys(node: yaml.MappingNode) -> None:
    keys = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in keys:
                raise _problem(key, f"the key {shown(key.value)} is there twice")
            keys.add(key.value)
