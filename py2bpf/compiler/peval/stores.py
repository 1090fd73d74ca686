"""Assignments to ctypes objects, with the meaning that they have in ctypes."""

from __future__ import annotations

import ctypes
from typing import Any

from ... import padding
from ...exception import TypeMismatch
from ..ir.types import Region
from . import arith, contents, fits, hints, kind, locks, memory, overlap, paddings, places, scalars
from .builder import Builder
from .layout import Scalar, is_array, is_chars, is_record, members, scalar
from .naming import type_name
from .values import Abstract, Const, Ref, TupleOf


def store(b: Builder, ref: Ref, value: Abstract, by_items: bool = False) -> None:
    """Assigns as ctypes does: numbers are truncated, arrays and structs are copied, bytes fill char arrays. A tuple's
    items are checked before anything is written, unless ``by_items``, as in an assignment to a slice. An error names
    the value that it is about."""
    try:
        _store(b, ref, value, by_items)
    except TypeMismatch as error:
        error.about = value
        raise


def _store(b: Builder, ref: Ref, value: Abstract, by_items: bool) -> None:
    number = scalar(ref.ctype)
    if number is not None:
        _store_number(b, ref, number, value)
    elif not kind.of(value).store_into(b, ref, value, by_items):
        raise _needed(ref.ctype, value)


def store_member(b: Builder, ref: Ref, name: str, value: Abstract) -> None:
    """``ref.name = value``."""
    field = memory.member(ref.ctype, name)
    fits.check(ref.ctype, name, field, value)
    if field.bits is None:
        store(b, Ref(ref.base, ref.offset + field.offset, field.ctype), value)
        return
    kind = scalars.of(field.ctype)
    ir = arith.to_ir(b, value, f"the bit field {name!r} needs an integer")
    scalars.store_bits(b, ref.base, ref.offset + field.offset, kind, field.bits, ir)


def store_constant(b: Builder, ref: Ref, obj: Any) -> None:
    """Stores the bytes of a captured object of the same type, with zeros in its padding."""
    contents.store_bytes(b, ref.base, ref.offset, padding.of(ref.ctype).cleared(bytes(obj)))


def store_raw(b: Builder, ref: Ref, value: Abstract) -> None:
    """``chars.raw = value``: writes only the given bytes, without a NUL."""
    if isinstance(value, Const) and isinstance(value.obj, bytes) and len(value.obj) <= ctypes.sizeof(ref.ctype):
        contents.store_bytes(b, ref.base, ref.offset, value.obj)
    else:
        store(b, ref, value)


def _needed(ctype: Any, value: Abstract) -> TypeMismatch:
    return TypeMismatch(
        0,
        f"a {type_name(ctype)} is needed here, but this is {value.describe()}",
        hints=hints.for_object(ctype, value),
    )


def _store_number(b: Builder, ref: Ref, kind: Scalar, value: Abstract) -> None:
    if isinstance(value, Const) and isinstance(value.obj, bytes) and kind.kind == "char" and len(value.obj) == 1:
        value = Const(value.obj[0])
    elif isinstance(value, Const) and isinstance(value.obj, ctypes._SimpleCData):
        value = Const(value.obj.value)
    elif isinstance(value, Ref) and scalar(value.ctype) == kind:
        value = arith.from_ir(scalars.load(b, value.base, value.offset, kind))
    if kind.kind == "bool":
        value = places.truth(b, value)
    if kind.kind == "pointer" and isinstance(value, Const) and value.obj is None:
        value = Const(0)
    ir = arith.to_ir(b, value, f"a {type_name(ref.ctype)} holds an integer")
    scalars.store(b, ref.base, ref.offset, kind, ir)


def store_object(b: Builder, ref: Ref, value: Ref) -> None:
    """Copies an object; a shorter text may be copied into a char array."""
    locks.check_whole(ref)
    locks.check_whole(value)
    b.guard_not_null(value.base, "TypeError")
    size = ctypes.sizeof(ref.ctype)
    if value.ctype is not ref.ctype:
        same = is_array(ref.ctype) and is_array(value.ctype) and value.ctype._type_ is ref.ctype._type_
        shorter = is_chars(ref.ctype) and ctypes.sizeof(value.ctype) <= size  # which Python reads as bytes
        if not same or not (shorter or ctypes.sizeof(value.ctype) == size):
            raise _needed(ref.ctype, value)
        size = ctypes.sizeof(value.ctype)
    if Region.CTX in (ref.ptr.region, value.ptr.region):
        copy_numbers(b, ref, value)
    else:
        if value.ptr.region is not Region.STACK:
            paddings.overwritten(b, ref.ctype)
        copy(b, ref, value, size)
        if size < ctypes.sizeof(ref.ctype):
            contents.end_text(b, ref, size)


def copy(b: Builder, target: Ref, source: Ref, size: int) -> None:
    """Copies ``size`` bytes, through a temporary if the two may overlap."""
    if overlap.torn(target, source, size):
        place = b.alloca(size)
        b.copy(place, 0, source.base, source.offset, size)
        source = Ref(place, 0, source.ctype)
    b.copy(target.base, target.offset, source.base, source.offset, size)


def copy_numbers(b: Builder, ref: Ref, value: Ref) -> None:
    """Copies number by number: the verifier allows accesses of a context by whole fields and items only."""
    if is_array(value.ctype):
        for i in range(value.ctype._length_):
            copy_numbers(b, memory.element(ref, i), memory.element(value, i))
    elif is_record(value.ctype):
        for field in members(value.ctype).values():
            source = Ref(value.base, value.offset + field.offset, field.ctype)
            copy_numbers(b, Ref(ref.base, ref.offset + field.offset, field.ctype), source)
    else:
        kind = scalars.of(value.ctype)
        scalars.store(b, ref.base, ref.offset, kind, scalars.load(b, value.base, value.offset, kind))


def store_tuple(b: Builder, ref: Ref, value: Abstract, by_items: bool) -> None:
    """Assigns a tuple's items to the items of an array, or to the fields of a structure."""
    value = value if by_items else places.settled(b, ref.ctype, value)
    items = value.items if isinstance(value, TupleOf) else tuple(Const(item) for item in _tuple_of(value))
    if is_array(ref.ctype):
        _store_items(b, ref, items)
        _fill_up(b, ref, len(items))
        return
    names = list(members(ref.ctype)) if is_record(ref.ctype) else []
    if len(names) != len(items):
        raise TypeMismatch(
            0,
            f"{type_name(ref.ctype)} has {hints.count(len(names), 'field')}, but the tuple has {len(items)} items",
            hints=hints.for_object(ref.ctype, value),
        )
    for name, item in zip(names, items, strict=True):
        store_member(b, ref, name, item)


def _tuple_of(value: Abstract) -> tuple[Any, ...]:
    assert isinstance(value, Const)
    return tuple(value.obj)


def _store_items(b: Builder, ref: Ref, items: tuple[Abstract, ...]) -> None:
    if len(items) > ref.ctype._length_:
        raise TypeMismatch(
            0,
            f"{hints.count(len(items), 'item')} do not fit a {type_name(ref.ctype)}",
            hints=(f"it has {ref.ctype._length_}",),
        )
    for i, item in enumerate(items):
        store(b, memory.element(ref, i), item)


def _fill_up(b: Builder, ref: Ref, count: int) -> None:
    """Writes zeros behind the ``count`` items of a tuple, as ctypes does, which makes an array of them and copies it.
    """
    if ref.ptr.region is Region.CTX:  # contexts allow stores of whole items only
        for i in range(count, ref.ctype._length_):
            store(b, memory.element(ref, i), Const(0))
        return
    begin = count * ctypes.sizeof(ref.ctype._type_)
    contents.store_bytes(b, ref.base, ref.offset + begin, bytes(ctypes.sizeof(ref.ctype) - begin))
