"""Values for places in memory that may be None: a TypeError for most types, but a c_bool takes the truth."""

from __future__ import annotations

from typing import Any

from ...exception import TypeMismatch
from . import arith, hints
from .builder import Builder
from .layout import is_array, is_record, members, scalar
from .naming import type_name
from .values import Abstract, Const, OptionalInt, TupleOf


def settled(b: Builder, ctype: Any, value: Abstract) -> Abstract:
    """The value, or a tuple with all its items, guarded not to be None before anything is written; for a c_bool, its
    truth."""
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
    """The value that a c_bool stores for a number or None: ctypes takes the truth of any object."""
    if isinstance(value, OptionalInt):
        return arith.from_ir(arith.both(b, arith.to_bool(b, value.present), arith.to_bool(b, value.value)))
    return Const(False) if isinstance(value, Const) and value.obj is None else value


def entry(b: Builder, ctype: Any, value: Abstract) -> Abstract:
    """A value for a map or Global: it may not be None, not even for a c_bool."""
    if isinstance(value, OptionalInt) or (_is_bool(ctype) and isinstance(value, Const) and value.obj is None):
        return arith.from_ir(arith.to_ir(b, value, f"a {type_name(ctype)} holds an integer"))
    _check_length(ctype, value)
    return value


def _check_length(ctype: Any, value: Abstract) -> None:
    """Refuses tuples as keys, values and records that lack items of an array, nested arrays too. (In an assignment to
    an array, ctypes fills the rest with zeros.)"""
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
