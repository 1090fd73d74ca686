"""Structures by annotations: the short form of a ctypes.Structure with ``_fields_``."""

from __future__ import annotations

import ctypes
import functools
import importlib
import inspect
import re
import sys
import typing
from collections import ChainMap
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, ForwardRef, NamedTuple

from . import padding
from .borders import mark, public, shorten
from .codec import BoolCodec, IntCodec, codec_for, type_name
from .exception import DataRangeError, DataTypeError
from .fields import declared
from .given import shown
from .spec import SpinLock
from .worlds import CURRENT

if TYPE_CHECKING:
    from _ctypes import _PyCStructType as _CtypesMeta
else:
    _CtypesMeta = type(ctypes.Structure)

_CLASS_VAR: Final = re.compile(r"(\w+\.)*ClassVar\b")
_SETTINGS: Final = frozenset({"_fields_", "_anonymous_", "_pack_", "_align_", "_layout_"})
"""What ctypes itself reads in a class."""


class _StructMeta(_CtypesMeta):
    """Makes ``_fields_`` before ctypes looks for it, which is when the class is made and never again."""

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
        rows = _declared(name, namespace, inherited)
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


_SWAPS: Final = sys.byteorder == "little"
"""Whether big-endian is the other byte order."""


class _Row(NamedTuple):
    """A field as it was declared; ``bits`` is 0 unless it is a bit field."""

    name: str
    ctype: Any
    bits: int

    def ctypes_row(self, owner: str, big: bool) -> tuple[Any, ...]:
        """The field's row of ``_fields_``."""
        where = f"{owner}.{self.name}"
        ctype = _swapped(where, self.ctype) if big else self.ctype
        return (self.name, ctype, self.bits) if self.bits else (self.name, ctype)


# Annotations


def _declared(owner: str, namespace: dict[str, Any], inherited: list[str]) -> list[_Row]:
    """The fields that the class's annotations declare."""
    scope = _Scope(namespace)
    rows = []
    for name in inherited:
        if name in namespace:
            raise DataTypeError(_taken(f"{owner}.{name}", owner, name, namespace[name]))
    for name, annotation in _annotations(namespace).items():
        where = f"{owner}.{name}"
        if _is_class_var(annotation):
            continue
        if name in _SETTINGS:
            raise DataTypeError(f"{where} is for ctypes and no field: leave its annotation out")
        if name in inherited:
            raise DataTypeError(f"{where}: a base class of {owner} has a field of this name already")
        if name in namespace:
            raise DataTypeError(_taken(where, owner, name, namespace[name]))
        rows.append(_row(where, name, scope.value(where, annotation), scope))
    return rows


def _taken(where: str, owner: str, name: str, value: Any) -> str:
    if callable(value) or isinstance(value, (property, staticmethod, classmethod)):
        return f"{where} is the name of a field and of a method: rename one"
    return (f"{where} has a default, and fields begin as zero: give the value when one is made, "
            f"{owner}({name}={shown(value)}), or annotate a constant as ClassVar")  # fmt: skip


def _annotations(namespace: dict[str, Any]) -> Mapping[str, Any]:
    """The annotations of a class that is being made: values, or strings from ``from __future__ import annotations``."""
    if "__annotations__" in namespace:
        found: Mapping[str, Any] = namespace["__annotations__"]
        return found
    try:
        lazy = importlib.import_module("annotationlib")  # Python 3.14
    except ImportError:
        return {}
    annotate = lazy.get_annotate_from_class_namespace(namespace)
    return annotate(lazy.Format.VALUE) if annotate is not None else {}


def _is_class_var(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return _CLASS_VAR.match(annotation) is not None
    return annotation is ClassVar or typing.get_origin(annotation) is ClassVar


class _Scope:
    """The names that a class's annotations may use: its own, those of the function around it, its module's."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        module = namespace.get("__module__", "")
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and (frame.f_globals is globals() or frame.f_globals.get("__name__") != module):
            frame = frame.f_back
        self._globals: dict[str, Any] = frame.f_globals if frame is not None else vars(sys.modules.get(module, typing))
        while frame is not None and "__qualname__" in frame.f_locals and "__module__" in frame.f_locals:
            frame = frame.f_back  # a class around it, whose names Python doesn't see from here
        self._locals: Mapping[str, Any] = ChainMap(namespace, dict(frame.f_locals) if frame is not None else {})

    def value(self, where: str, annotation: Any) -> Any:
        """What an annotation means that may be text."""
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, self._globals, self._locals)
        except (NameError, AttributeError, TypeError, SyntaxError) as error:
            raise DataTypeError(f"{where}: can't evaluate the annotation {annotation!r}: {error}") from error


def _row(where: str, name: str, annotation: Any, scope: _Scope) -> _Row:
    """``c_uint32``, ``Annotated[c_uint8, 4]``, or ``Annotated[int, c_uint8, 4]``."""
    parts = [annotation]
    if typing.get_origin(annotation) is Annotated:
        parts = [scope.value(where, part) for part in typing.get_args(annotation)]
    ctype = next((part for part in parts if _is_ctype(part)), parts[0])
    bits = next((part for part in parts if isinstance(part, int)), 0)
    try:
        codec = codec_for(ctype)
    except DataTypeError as error:
        raise DataTypeError(f"{where}: {error}") from None
    if not any(isinstance(part, int) for part in parts):
        return _Row(name, ctype, 0)
    if isinstance(codec, BoolCodec):
        raise DataTypeError(f"{where}: ctypes puts a bit field of c_bool into the whole byte: use c_uint8")
    if not isinstance(codec, IntCodec) or ctype._type_ == "P":
        raise DataTypeError(f"{where}: bit fields are of integer types, not of {type_name(ctype)}")
    most = 8 * codec.size
    if not 1 <= bits <= most:
        raise DataRangeError(f"{where}: a bit field of {type_name(ctype)} has 1 to {most} bits, not {shown(bits)}")
    return _Row(name, ctype, bits)


def _is_ctype(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, ctypes._SimpleCData.__mro__[1])


def _swapped(where: str, ctype: Any) -> Any:
    """The type with the other byte order; structures and unions have the one that they have."""
    if issubclass(ctype, ctypes.Array):
        return _swapped(where, ctype._type_) * ctype._length_
    if issubclass(ctype, (ctypes.Structure, ctypes.Union)) or ctypes.sizeof(ctype) == 1:
        return ctype
    found = getattr(ctype, "__ctype_be__", None)
    if found is None:
        raise DataTypeError(f"{where}: ctypes has no big-endian {type_name(ctype)}")
    return found


# Objects


def _items(record: ctypes.Structure) -> Iterator[tuple[str, Any]]:
    """The fields with their values."""
    return ((name, getattr(record, name)) for _, name, ctype, _ in declared(type(record)) if ctype is not SpinLock)


def _comparable(value: Any) -> Any:
    """Python objects that are equal where ctypes objects of one type have the same content."""
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


def _limits(ctype: Any, bits: int) -> tuple[int, int] | None:
    """The least and the most that a field of an integer type holds; None for another type."""
    if not issubclass(ctype, ctypes._SimpleCData) or not isinstance(codec := codec_for(ctype), IntCodec):
        return None
    if not bits:
        return codec.low, codec.high
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if codec.signed else (0, (1 << bits) - 1)


@functools.lru_cache(maxsize=1024)
def _fields(ctype: Any) -> dict[str, tuple[Any, int, tuple[int, int] | None]]:
    """By name the type of each field, its bits (0 where it is none of bits) and its limits."""
    return {name: (field, bits, _limits(field, bits)) for _, name, field, bits in declared(ctype)}


def _check_field(owner: Any, name: str, row: tuple[Any, int, tuple[int, int] | None], value: Any) -> None:
    limits = row[2]
    if type(value) is not int or (limits is not None and not limits[0] <= value <= limits[1]):
        _check(f"{type(owner).__name__}.{name}", *row, value)


def _check(where: str, ctype: Any, bits: int, limits: tuple[int, int] | None, value: Any) -> None:
    """Raises DataRangeError for an integer, also in a tuple, that ctypes would truncate."""
    if isinstance(value, int):
        if limits is not None and not limits[0] <= value <= limits[1]:
            what = f"{where} ({bits} bits)" if bits else type_name(ctype)
            place = "" if bits else f"{where}: "
            raise DataRangeError(f"{place}{shown(value)} doesn't fit {what}: it holds {limits[0]} to {limits[1]}")
    elif not isinstance(value, tuple):
        return
    elif issubclass(ctype, ctypes.Array):
        for i, item in enumerate(value):
            _check(f"{where}: item {i} of {type_name(ctype)}", ctype._type_, 0, _limits(ctype._type_, 0), item)
    elif issubclass(ctype, ctypes.Structure):
        for (name, row), item in zip(_fields(ctype).items(), value, strict=False):
            _check(f"{where}.{name}", *row, item)


class Struct(ctypes.Structure, metaclass=_StructMeta):
    """A ctypes.Structure whose fields are written as annotations, in their order in memory.

        class Event(py2bpf.Struct):
            pid: c_uint32
            comm: c_char * 16
            flags: Annotated[c_uint8, 4]  # a bit field of 4 bits

    For all else it is the Structure with these ``_fields_``: programs and Python make it by position or keyword,
    fields that aren't given are zero. ``class Header(py2bpf.Struct, big_endian=True)`` keeps numbers in network order,
    ``packed=True`` leaves no gaps between fields. A derived class has its base's fields first; ClassVars are no
    fields; methods and properties work in programs too. Objects print as ``Event(pid=1, comm=b'init')``, and in
    Python those of one class are equal where their fields are (padding and spin locks don't count). They aren't
    hashable, and take no attributes but their fields. A number that a field can't hold raises a DataRangeError, where a
    ctypes.Structure truncates it, and as a constant in a program it is refused. What a program computes is truncated,
    also in a simulation. A text that is assigned leaves zeros in the rest of its array, where a ctypes.Structure keeps
    what was there.

    Type checkers take ``pid: c_uint32`` at its word, though reading gives an int. ``Annotated[int, c_uint32]``,
    ``Annotated[bytes, c_char * 16]`` and ``Annotated[int, c_uint8, 4]`` tell them what reading gives.

    Raises DataTypeError, naming class and field, for annotations that are no ctypes types, for defaults and for names
    that are used twice, and DataRangeError for bit fields wider than their type.
    """

    _strict_ = True

    @mark
    def __setattr__(self, name: str, value: Any) -> None:  # also called for what is given when one is made
        try:
            if CURRENT.get() is None and name in (fields := _fields(type(self))):
                _check_field(self, name, fields[name], value)
            super().__setattr__(name, value)
            if isinstance(value, bytes) and name in _fields(type(self)):
                field = inspect.getattr_static(type(self), name)
                padding.end_text(self, field.offset, field.size, value)
        except Exception as error:  # also what ctypes says of the value
            shorten(error)
            raise

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={_shown(value)}' for name, value in _items(self))})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return bool(_comparable(self) == _comparable(other))

    __hash__: ClassVar[None]  # type: ignore[assignment]  # as a dataclass's, since fields change

    def __reduce__(self) -> tuple[Any, ...]:  # for copies and pickles: that of ctypes looks for a __dict__
        return type(self).from_buffer_copy, (bytes(self),)
