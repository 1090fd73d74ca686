"""Describes two different abstract values so that a message tells them apart."""

from __future__ import annotations

from . import integers
from .values import Abstract, Const


def differ(first: Abstract, second: Abstract) -> tuple[str, str]:
    """Descriptions of two values that are not the same: "one x" and "another x" if ``describe()`` gives equal texts."""
    here, there = _of_a_path(first), _of_a_path(second)
    if here == there and here.startswith("a "):
        kind = here.removeprefix("a ")
        return f"one {kind}", f"another {kind}"
    return here, there


def _of_a_path(value: Abstract) -> str:
    beyond = isinstance(value, Const) and integers.is_beyond(value.obj)
    return f"{value.describe()}, which does not fit 64 bits," if beyond else value.describe()
