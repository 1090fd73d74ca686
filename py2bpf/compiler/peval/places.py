"""What places in memory take for a value that may be None: most a TypeError, a c_bool the truth."""

from __future__ import annotations

from typing import Any

from ...exception import TypeMismatch
from . import arith, hints
from .builder import Builder
from .layout import is_array, is_record, members, scalar
from .naming import type_name
from .values import Abstract, Const, OptionalInt, TupleOf


def settled(b: Builder, ctype: Any, value: Abstract) -> Abstract:
    """A tuple's items as their places take them, before any is written. Raises a TypeError where one is None."""
    if _is_bool(ctype):
        return truth(b, value)
    if not isinstance(value, TupleOf):
        return arith.settled(b, value)
    kinds = [ctype._type_] * len(value.items) if is_array(ctype) else []
    if is_record(ctype):
        kinds = [member.ctype for member in members(ctype).values()]
    if len(kinds) != len(value.items):  # it will be refused
        return arith.settled(b, value)
    return TupleOf(tuple(map(settled, [b] * len(kinds), kinds, value.items)), value.cls)


def _is_bool(ctype: Any) -> bool:
    kind = scalar(ctype)
    return kind is not None and kind.kind == "bool"


def truth(b: Builder, value: Abstract) -> Abstract:
    """What a c_bool makes of a number or None: ctypes asks for the truth of anything."""
    if isinstance(value, OptionalInt):
        return arith.from_ir(arith.both(b, arith.to_bool(b, value.present), arith.to_bool(b, value.value)))
    return Const(False) if isinstance(value, Const) and value.obj is None else value


def entry(b: Builder, ctype: Any, value: Abstract) -> Abstract:
    """A value as maps and globals take it: a number is none but a number, also for a c_bool."""
    if isinstance(value, OptionalInt) or (_is_bool(ctype) and isinstance(value, Const) and value.obj is None):
        return arith.from_ir(arith.to_ir(b, value, f"a {type_name(ctype)} holds an integer"))
    _check_length(ctype, value)
    return value


def _check_length(ctype: Any, value: Abstract) -> None:
    """Keys, values and records that are tuples have all of an array's items, also of those within. (Where one array is
    assigned to, ctypes fills the rest with zeros.)"""
    if isinstance(value, Const) and isinstance(value.obj, tuple):
        items: tuple[Abstract, ...] = tuple(map(Const, tuple.__iter__(value.obj)))
    elif isinstance(value, TupleOf):
        items = value.items
    else:
        return
    if is_array(ctype):
        if len(items) < ctype._length_:
            raise TypeMismatch(
                0,
                f"{type_name(ctype)} has {hints.count(ctype._length_, 'item')}, but the tuple has {len(items)} items",
                hints=("keys, values and records need all items: write out the zeros too",),
            )
        kinds = [ctype._type_] * len(items)
    else:
        kinds = [member.ctype for member in members(ctype).values()] if is_record(ctype) else []
    for kind, item in zip(kinds, items, strict=False):  # other lengths are refused where they are stored
        _check_length(kind, item)
