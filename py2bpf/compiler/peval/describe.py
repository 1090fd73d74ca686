"""Two abstract values told apart in the user's words, for error messages."""

from __future__ import annotations

from . import integers
from .values import Abstract, Const


def differ(first: Abstract, second: Abstract) -> tuple[str, str]:
    """``describe`` of two values that are not the same one. Where that tells them alike, it says that they are two."""
    here, there = _of_a_path(first), _of_a_path(second)
    if here == there and here.startswith("a "):
        kind = here.removeprefix("a ")
        return f"one {kind}", f"another {kind}"
    return here, there


def _of_a_path(value: Abstract) -> str:
    beyond = isinstance(value, Const) and integers.is_beyond(value.obj)
    return f"{value.describe()}, which does not fit 64 bits," if beyond else value.describe()
