"""Joins constant bytes and strs: into one of several constants, or, with a text of a map or field, into an array in
memory."""

from __future__ import annotations

import ctypes
from typing import Any, Final

from ..ir.ops import Op
from ..ir.types import STACK, VOID, Region
from ..ir.values import Block, Value, const
from .layout import is_chars
from .values import Abstract, Const, OneOf, Ref

_MOST: Final = 8
"""The most constants that one value may be."""


def known(values: list[Abstract]) -> tuple[Any, ...] | None:
    """All constants that the values may be, if all are bytes or all are strs; None if they are anything else, or too
    many."""
    parts = [part for value in values if (part := _options(value))]
    if len(parts) < len(values) or len({type(text) for part in parts for text in part}) > 1:
        return None
    found = tuple(dict.fromkeys(text for part in sorted(parts, key=len, reverse=True) for text in part))
    numbered_alike = all(len(part) == 1 or found[: len(part)] == part for part in parts)
    return found if len(found) <= _MOST and numbered_alike else None


def number(value: Abstract, texts: tuple[Any, ...]) -> Value:
    """The index in ``texts`` of a value."""
    if isinstance(value, OneOf):
        return value.number
    assert isinstance(value, Const)
    return const(texts.index(value.obj))


def _options(value: Abstract) -> tuple[Any, ...] | None:
    """The constant texts that a value may be."""
    if isinstance(value, OneOf):
        return value.options
    return (value.obj,) if isinstance(value, Const) and type(value.obj) in (bytes, str) else None


def fit(refs: list[Ref], value: Abstract) -> bool:
    """Whether a value is constant bytes that fit a char array of the type of ``refs``, so that the two can be joined.
    """
    ctype = refs[0].ctype
    if not isinstance(value, Const) or type(value.obj) is not bytes or not all(ref.text for ref in refs):
        return False
    away = not any(ref.ptr.region in (Region.PACKET, Region.RECORD, Region.CTX) for ref in refs)
    return away and is_chars(ctype) and b"\0" not in value.obj and len(value.obj) <= ctypes.sizeof(ctype)


def place(block: Block, data: bytes, ctype: Any) -> Ref:
    """An array that holds a constant text, made at the end of ``block``."""
    size, span = ctypes.sizeof(ctype), block.end.span
    place = Value(Op.ALLOCA, [], STACK, size, span)
    made = [place, Value(Op.ZERO, [place], VOID, (0, size), span)]
    made += [Value(Op.STORE, [place, const(byte)], VOID, (at, 1), span) for at, byte in enumerate(data)]
    block.body[len(block.body) - 1 : len(block.body) - 1] = made
    return Ref(place, 0, ctype, True)
