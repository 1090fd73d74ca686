"""Struct: ctypes structures whose fields are declared by annotations."""

from __future__ import annotations

import ctypes
import inspect
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from . import padding
from .borders import mark, public, shorten
from .exception import DataTypeError
from .field_annotations import declared_in
from .field_limits import check_field, limits_of
from .fields import declared
from .spec import SpinLock
from .worlds import CURRENT

if TYPE_CHECKING:
    from _ctypes import _PyCStructType as _CtypesMeta
else:
    _CtypesMeta = type(ctypes.Structure)

_SWAPS: Final = sys.byteorder == "little"
"""Whether big-endian is the other byte order."""


class _StructMeta(_CtypesMeta):
    """Makes ``_fields_`` before the class is made, since ctypes reads it only then."""

    @public
    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *,
        big_endian: bool | None = None, packed: bool = False, **keywords: Any,
    ) -> Any:  # fmt: skip
        inherited = [field.name for base in bases for field in declared(base)]
        swapped = any(hasattr(base, "_swappedbytes_") for base in bases)
        big = swapped if inherited or big_endian is None else big_endian and _SWAPS
        if big_endian is not None and big != (big_endian and _SWAPS):
            raise DataTypeError(f"{name} begins with the fields of {bases[0].__name__}: "
                                "its byte order is theirs, leave big_endian out")  # fmt: skip
        rows = declared_in(name, namespace, inherited)
        if rows and "_fields_" in namespace:
            raise DataTypeError(f"{name} has _fields_ and the annotation of {rows[0].name}: use one of them")
        if rows:
            namespace["_fields_"] = tuple(row.ctypes_row(name, big) for row in rows)
        if big:
            namespace["_swappedbytes_"] = None
        if packed:
            namespace.update(_pack_=1, _layout_="ms")
        namespace.setdefault("__slots__", ())  # a mistyped field is an AttributeError, and no new attribute
        return super().__new__(cls, name, bases, namespace, **keywords)

    def __init__(
        self, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *,
        big_endian: bool | None = None, packed: bool = False, **keywords: Any,
    ) -> None:  # fmt: skip
        super().__init__(name, bases, namespace, **keywords)


def _items(record: ctypes.Structure) -> Iterator[tuple[str, Any]]:
    """The fields with their values."""
    return ((name, getattr(record, name)) for _, name, ctype, _ in declared(type(record)) if ctype is not SpinLock)


def _comparable(value: Any) -> Any:
    """A Python object that is equal for all ctypes objects of one type with the same content."""
    if isinstance(value, ctypes.Structure):
        return [_comparable(part) for _, part in _items(value)]
    if isinstance(value, ctypes.Array):
        return [_comparable(part) for part in value]
    return bytes(value) if isinstance(value, ctypes.Union) else value


def _shown(value: Any) -> str:
    if isinstance(value, ctypes.Array):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, ctypes.Structure) and type(value).__repr__ is object.__repr__:
        return f"{type(value).__qualname__}({', '.join(f'{name}={_shown(part)}' for name, part in _items(value))})"
    return repr(value)


class Struct(ctypes.Structure, metaclass=_StructMeta):
    """A ctypes.Structure whose fields are written as annotations, in their order in memory.

        class Event(py2bpf.Struct):
            pid: c_uint32
            comm: c_char * 16
            flags: Annotated[c_uint8, 4]  # a bit field of 4 bits

    In all other respects it is the Structure with these ``_fields_``: programs and Python make objects by position or
    keyword, and fields that aren't given are zero. ``class Header(py2bpf.Struct, big_endian=True)`` keeps numbers in
    network order, ``packed=True`` leaves no gaps between fields. A derived class begins with the fields of its base.
    ClassVars are no fields. Methods and properties work in programs too. Objects print as ``Event(pid=1,
    comm=b'init')``. In Python, objects of one class are equal if their fields are equal (padding and spin locks don't
    count). Objects aren't hashable, and have no attributes but their fields. A number that doesn't fit its field raises
    DataRangeError, where a ctypes.Structure truncates; a program with such a constant is refused. Numbers that a
    program computes are truncated, also in a simulation. Assigning a text fills the rest of its array with zeros, where
    a ctypes.Structure keeps the old bytes.

    Type checkers believe that reading ``pid: c_uint32`` gives a c_uint32, though it gives an int. ``Annotated[int,
    c_uint32]``, ``Annotated[bytes, c_char * 16]`` and ``Annotated[int, c_uint8, 4]`` tell them the right type.

    Raises DataTypeError, which names class and field, for annotations that are no ctypes types, for defaults and for
    names that are used twice, and DataRangeError for bit fields wider than their type.
    """

    _strict_ = True

    @mark
    def __setattr__(self, name: str, value: Any) -> None:  # ctypes also calls it for the constructor's arguments
        try:
            if CURRENT.get() is None and name in (fields := limits_of(type(self))):
                check_field(self, name, fields[name], value)
            super().__setattr__(name, value)
            if isinstance(value, bytes) and name in limits_of(type(self)):
                field = inspect.getattr_static(type(self), name)
                padding.end_text(self, field.offset, field.size, value)
        except Exception as error:  # also an error that ctypes raises about the value
            shorten(error)
            raise

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={_shown(value)}' for name, value in _items(self))})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return bool(_comparable(self) == _comparable(other))

    __hash__: ClassVar[None]  # type: ignore[assignment]  # as a dataclass's, since fields change

    def __reduce__(self) -> tuple[Any, ...]:  # for copy and pickle: ctypes's method needs a __dict__
        return type(self).from_buffer_copy, (bytes(self),)
