"""ctypes types as memory layouts: their scalars, and the offsets and bits of fields."""

from __future__ import annotations

import ctypes
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ... import padding
from ...fields import is_field, own


class Scalar(NamedTuple):
    """A number in memory. ``kind`` is 'int', 'bool', 'char' or 'pointer'; ``swapped``: not in host order."""

    size: int
    signed: bool
    kind: str
    swapped: bool


_INTS: Final = (
    ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_ushort, ctypes.c_uint,
    ctypes.c_ulong, ctypes.c_ulonglong, ctypes.c_size_t, ctypes.c_int8, ctypes.c_int16, ctypes.c_int32,
    ctypes.c_int64, ctypes.c_short, ctypes.c_int, ctypes.c_long, ctypes.c_longlong, ctypes.c_ssize_t,
)  # fmt: skip


def _scalars() -> dict[Any, Scalar]:
    table: dict[Any, Scalar] = {}
    for ctype in _INTS:
        signed = ctype(-1).value < 0
        size = ctypes.sizeof(ctype)
        for swapped in ("__ctype_le__", "__ctype_be__"):
            table[getattr(ctype, swapped)] = Scalar(size, signed, "int", True)
        table[ctype] = Scalar(size, signed, "int", False)
    table[ctypes.c_bool] = Scalar(1, False, "bool", False)
    table[ctypes.c_char] = Scalar(1, False, "char", False)
    table[ctypes.c_void_p] = table[ctypes.c_char_p] = Scalar(ctypes.sizeof(ctypes.c_void_p), False, "pointer", False)
    return table


SCALARS: Final = _scalars()
POINTER: Final = SCALARS[ctypes.c_void_p]


def scalar(ctype: Any) -> Scalar | None:
    """The scalar layout of a ctypes type; None for a struct, an array or a float."""
    found = SCALARS.get(ctype)
    if found is None and isinstance(ctype, type):
        if issubclass(ctype, (ctypes._Pointer, ctypes.CFUNCTYPE(None).__mro__[1])):
            return POINTER
        if issubclass(ctype, ctypes._SimpleCData):  # a user's subclass of c_int and the like
            return next((SCALARS[base] for base in ctype.__mro__[1:] if base in SCALARS), None)
    return found


def is_ctype(obj: Any) -> bool:
    """Whether an object is a ctypes type (not an instance of one)."""
    return isinstance(obj, type) and issubclass(obj, ctypes._SimpleCData.__mro__[1])


def is_aggregate(ctype: Any) -> bool:
    return isinstance(ctype, type) and issubclass(ctype, (ctypes.Structure, ctypes.Union, ctypes.Array))


def is_integer(ctype: Any) -> bool:
    """Whether it is the type of an integer, and not of a bool, char or pointer."""
    kind = scalar(ctype)
    return kind is not None and kind.kind == "int"


def is_record(ctype: Any) -> bool:
    return isinstance(ctype, type) and issubclass(ctype, (ctypes.Structure, ctypes.Union))


def is_array(ctype: Any) -> bool:
    return isinstance(ctype, type) and issubclass(ctype, ctypes.Array)


def is_chars(ctype: Any) -> bool:
    """An array of c_char, whose value in CPython is bytes."""
    return is_array(ctype) and ctype._type_ is ctypes.c_char


def is_char(ctype: Any) -> bool:
    """A c_char, whose value in CPython is bytes of length 1."""
    kind = scalar(ctype)
    return kind is not None and kind.kind == "char"


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a struct or union: ``bits`` is (lowest bit, width) of a bit field in its storage unit."""

    offset: int
    ctype: Any
    bits: tuple[int, int] | None = None


@lru_cache(maxsize=512)
def members(ctype: Any) -> dict[str, Member]:
    """All fields by name, those of base classes and anonymous members included."""
    table: dict[str, Member] = {}
    for cls in reversed(ctype.__mro__):
        for _, name, field_type, width in own(cls):
            descriptor = cls.__dict__.get(name)
            if not is_field(descriptor):  # another attribute of the same name hides the field
                table.pop(name, None)
                continue
            bits = _bits(descriptor) if width else None
            table[name] = Member(descriptor.offset, field_type, bits)
        for name in cls.__dict__.get("_anonymous_", ()):
            outer = table[name]
            for inner, member in members(outer.ctype).items():
                table.setdefault(inner, Member(outer.offset + member.offset, member.ctype, member.bits))
    return table


def _bits(descriptor: Any) -> tuple[int, int]:
    """Where a bit field lies: CPython packs (width << 16 | position) into ``size``; 3.14 also names both."""
    if hasattr(descriptor, "bit_size"):
        return descriptor.bit_offset, descriptor.bit_size
    return descriptor.size & 0xFFFF, descriptor.size >> 16


def is_strict(ctype: Any) -> bool:
    """Whether it is a py2bpf.Struct, whose fields refuse numbers that don't fit."""
    return bool(getattr(ctype, "_strict_", False))


OVERRIDES: Final = ("__init__", "__new__", "__bool__", "__len__", "__getattribute__", "__setattr__")
"""Methods that Python would call where programs access memory directly."""


@lru_cache(maxsize=512)
def override(ctype: Any) -> str | None:
    """The first method of OVERRIDES that a struct's or union's classes define in Python."""
    own = [vars(cls) for cls in ctype.__mro__ if is_record(cls) and "_strict_" not in vars(cls)]
    return next((name for name in OVERRIDES for names in own if isinstance(names.get(name), _METHODS)), None)


_METHODS: Final = (types.FunctionType, staticmethod)


@lru_cache(maxsize=512)
def has_padding(ctype: Any) -> bool:
    """Whether stores to all fields leave some bytes of the type unwritten, or read them, as stores to bit fields do."""
    if is_array(ctype):
        return has_padding(ctype._type_)
    if not is_record(ctype):
        return False
    if any(member.bits is not None or has_padding(member.ctype) for member in members(ctype).values()):
        return True
    return any(padding.of(ctype).gaps())
