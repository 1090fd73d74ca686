"""Finds the objects that pointers point into, and the offsets within them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .ops import Op
from .values import Function, Value

Places = dict[Value, int | None]
"""Objects, each with the offset of a pointer from its beginning; None if the offset is unknown."""

_DERIVES: Final = frozenset({Op.PTRADD, Op.PHI, Op.SELECT, Op.CAST})


def find(fn: Function, is_object: Callable[[Value], bool]) -> dict[Value, Places]:
    """All pointers into the objects for which ``is_object`` is true, including the objects themselves and addresses as
    numbers."""
    found: dict[Value, Places] = {}
    changed = True
    while changed:
        changed = False
        for block in fn.blocks:
            for value in block.values():
                places: Places = {value: 0} if is_object(value) else _derived(value, found)
                if places and places != found.get(value):
                    found[value] = places
                    changed = True
    return found


def _derived(value: Value, found: dict[Value, Places]) -> Places:
    if value.op not in _DERIVES:
        return {}
    if value.op is Op.PTRADD and value.args[1].op is Op.CONST:
        by = value.args[1].attr
        return {base: None if at is None else at + by for base, at in found.get(value.args[0], {}).items()}
    return {base: None for arg in value.args for base in found.get(arg, {})}
