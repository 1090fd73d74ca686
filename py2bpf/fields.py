"""The fields of ctypes structures and unions: how they were declared, and their descriptors."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .exception import DataTypeError


class Declared(NamedTuple):
    """A row of ``_fields_``, and the class that has the row. ``bits`` is 0 unless the field is a bit field."""

    owner: Any
    name: str
    ctype: Any
    bits: int


def own(owner: Any) -> Iterator[Declared]:
    """The rows of a class's own ``_fields_``; none for a class that is no structure or union."""
    for name, ctype, *bits in owner.__dict__.get("_fields_", ()):
        yield Declared(owner, name, ctype, bits[0] if bits else 0)


def declared(ctype: Any) -> Iterator[Declared]:
    """The rows of a type, those of base classes first."""
    for owner in reversed(ctype.__mro__):
        yield from own(owner)


def contents(record: Any) -> dict[str, Any]:
    """The values of an object's fields by name, those of base classes first."""
    return {field.name: getattr(record, field.name) for field in declared(type(record))}


class _Sample(ctypes.Structure):
    _fields_ = (("field", ctypes.c_int),)


_FIELD: Final = type(_Sample.__dict__["field"])


def is_field(descriptor: Any) -> bool:
    """Whether an attribute of a struct's class is the descriptor that ctypes made for a field."""
    return type(descriptor) is _FIELD


def field_of(owner: Any, name: str) -> Any:
    """The descriptor that ctypes made for a field of a class. Raises DataTypeError if another attribute has replaced
    it, since the field's place is then unknown."""
    descriptor = owner.__dict__.get(name)
    if not is_field(descriptor):
        raise DataTypeError(f"{owner.__name__}.{name} is a field, and the class defines something else with the "
                            "same name: give one of them another name")
    return descriptor
