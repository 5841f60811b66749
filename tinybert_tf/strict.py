"""Typed classes of what stands in files: frozen, validated, no unknown keys, no infinities."""

from typing import dataclass_transform

import pydantic
from pydantic.dataclasses import dataclass

_STRICT = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass_transform(frozen_default=True)
def strict_dataclass(cls):
    """Makes a frozen dataclass whose values are validated and whose keys are all known."""
    return dataclass(cls, frozen=True, config=_STRICT)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def strict_keyword_dataclass(cls):
    """Does as `strict_dataclass`; fields are given by keyword, so defaults may come first."""
    return dataclass(cls, frozen=True, config=_STRICT, kw_only=True)
