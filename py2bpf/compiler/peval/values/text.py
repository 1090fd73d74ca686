"""Strings that are not one constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.values import Value
from ..naming import short
from .base import Abstract


@dataclass(slots=True, eq=False)
class OneOf(Abstract):
    """One of several constant bytes or constant strs: ``options[number]``, where ``number`` depends on the path."""

    number: Value
    options: tuple[Any, ...]

    def describe(self) -> str:
        return f"the {type(self.options[0]).__name__} {' or '.join(map(short, self.options))}"


@dataclass(slots=True, eq=False)
class Text(Abstract):
    """A str with run-time parts, from an f-string. ``parts`` are str or (value, conversion, format spec)."""

    words = "a string with run-time parts"
    instead = ("strings exist while compiling: print them, or compare char arrays with constant bytes",)

    parts: tuple[Any, ...]
