"""Makes ctypes objects from values: by constructors, as keys of maps, as arguments of helpers."""

from __future__ import annotations

import ctypes
from typing import Any

from ...exception import TypeMismatch
from ...fields import declared
from ..ir.types import Region
from ..ir.values import Value
from . import contents, hints, kind, locks, memory, paddings, places, records, stores
from .builder import Builder
from .layout import has_padding, is_array, is_chars, is_record, scalar
from .naming import type_name
from .values import Abstract, Ref


def construct(b: Builder, ctype: Any, args: tuple[Abstract, ...], kwargs: dict[str, Abstract]) -> Ref:
    """``ctype(*args, **kwargs)`` as ctypes does it."""
    ref = memory.new(b, ctype)
    if is_record(ctype):
        memory.check_plain(ctype)
        names = [field.name for field in declared(ctype)]
        if len(args) > len(names):
            raise TypeMismatch(
                0,
                f"{type_name(ctype)} has {hints.count(len(names), 'field')}, but {len(args)} values are given",
                hints=(f"its fields are {', '.join(names)}",),
            )
        if twice := [name for name in names[: len(args)] if name in kwargs]:
            raise TypeMismatch(0, f"{type_name(ctype)}() is given {twice[0]!r} twice, by position and by name",
                               hints=("leave one out",))  # fmt: skip
        for name, value in [*zip(names, args, strict=False), *kwargs.items()]:
            stores.store_member(b, ref, name, value)
    elif kwargs:
        raise TypeMismatch(0, f"{type_name(ctype)}() takes no keyword arguments", hints=("give the values alone",))
    elif is_array(ctype):
        if is_chars(ctype) and len(args) == 1:
            stores.store(b, ref, args[0])
        else:
            stores._store_items(b, ref, args)
    elif args:
        if len(args) > 1:
            raise TypeMismatch(
                0,
                f"{type_name(ctype)}() takes one value, but {len(args)} are given",
                hints=(f"an array of {len(args)} is made by ({type_name(ctype)} * {len(args)})(...)",),
            )
        stores.store(b, ref, args[0])
    return ref


def address_of(b: Builder, ref: Ref) -> Value:
    """The object's address as one pointer value. Parts of the context are copied, since helpers don't take them."""
    if ref.ptr.region is Region.CTX:
        copy = memory.new(b, ref.ctype, zero=has_padding(ref.ctype))
        stores.copy_numbers(b, copy, ref)
        return copy.base
    if ref.ptr.region is Region.PACKET:
        b.guard_not_null(ref.base)
    locks.check_whole(ref)
    return b.address(ref.base, ref.offset)


def materialise(b: Builder, ctype: Any, value: Abstract) -> Ref:
    """The value as an object of ``ctype`` in memory that a helper may read; no copy if it is one already."""
    if isinstance(value, Ref) and value.ctype is ctype and value.offset % 8 == 0 and not (
        memory.in_packet(value) or records.is_record(value)  # kernels before 6.1 take no keys and values from there
    ):
        b.guard_not_null(value.base, "TypeError")
        return value
    filled = scalar(ctype) is not None or (not has_padding(ctype) and kind.of(value).fills(value, ctype))
    ref = memory.new(b, ctype, zero=not filled)
    stores.store(b, ref, places.entry(b, ctype, value))
    return ref


def key(b: Builder, ctype: Any, value: Abstract) -> Ref:
    """The value as a key of a map, with zeros in its padding, so that equal values are equal keys."""
    if (place := all_bytes(b, ctype, value)) is not None:
        return place
    place = materialise(b, ctype, value)
    if paddings.is_clean(b, place):
        return place
    if place is value:
        place = memory.new(b, ctype, zero=False)
        b.copy(place.base, 0, value.base, value.offset, ctypes.sizeof(ctype))
    paddings.clear(b, place)
    return place


def all_bytes(b: Builder, ctype: Any, value: Abstract) -> Ref | None:
    """Constant bytes in a char array of which all bytes count, also those behind a NUL: for keys, and for records with
    a length of their own. None for any other value."""
    if not is_chars(ctype) or not contents.texts(value):
        return None
    place = memory.new(b, ctype, zero=False)
    contents.store_text(b, place, value, whole=True)
    return place
