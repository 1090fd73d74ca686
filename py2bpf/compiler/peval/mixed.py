"""Refuses values that are not single: unusable variables, and values of several types that meet on the stack."""

from __future__ import annotations

from typing import NoReturn

from ...exception import UnsupportedSyntax
from .values import Abstract, NoValue


def refuse(value: NoValue) -> NoReturn:
    """Raises the error for an operation that a value of several types doesn't support."""
    raise UnsupportedSyntax(0, f"a value of several types can't be used here: {value.why}",
                            hints=("give it one type on every path, or test it with if",))  # fmt: skip


def use(value: Abstract, name: str) -> Abstract:
    """A variable's value; raises UnsupportedSyntax if it is a NoValue."""
    if isinstance(value, NoValue):
        raise UnsupportedSyntax(0, f"{name!r} can't be used here: {value.why}",
                                hints=("give it one value of one type on every path that leads here",))  # fmt: skip
    return value
