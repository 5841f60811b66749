"""Typed classes of what stands in files: frozen, validated, without unknown keys."""

import pydantic
from pydantic.dataclasses import dataclass

_STRICT = pydantic.ConfigDict(extra="forbid")


def strict_dataclass(cls):
    """Makes a frozen dataclass whose values are validated and whose keys are all known."""
    return dataclass(cls, frozen=True, config=_STRICT)


def strict_keyword_dataclass(cls):
    """Does as `strict_dataclass`; fields are given by keyword, so defaults may come first."""
    return dataclass(cls, frozen=True, config=_STRICT, kw_only=True)
