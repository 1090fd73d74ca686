"""The fields of a Struct, as the annotations of its class declare them."""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
import typing
from collections import ChainMap
from collections.abc import Mapping
from types import FrameType
from typing import Annotated, Any, ClassVar, Final, ForwardRef, NamedTuple

from .codec import BoolCodec, IntCodec, codec_for, type_name
from .exception import DataRangeError, DataTypeError
from .given import shown

_CLASS_VAR: Final = re.compile(r"(\w+\.)*ClassVar\b")
_SETTINGS: Final = frozenset({"_fields_", "_anonymous_", "_pack_", "_align_", "_layout_"})
"""The attributes of a class that ctypes itself reads."""


class FieldRow(NamedTuple):
    """A field as it was declared; ``bits`` is 0 unless it is a bit field."""

    name: str
    ctype: Any
    bits: int

    def ctypes_row(self, owner: str, big: bool) -> tuple[Any, ...]:
        """The field's row of ``_fields_``."""
        where = f"{owner}.{self.name}"
        ctype = _swapped(where, self.ctype) if big else self.ctype
        return (self.name, ctype, self.bits) if self.bits else (self.name, ctype)


def declared_in(owner: str, namespace: dict[str, Any], inherited: list[str]) -> list[FieldRow]:
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
    """The annotations of a class that is being made: values, or strings with ``from __future__ import annotations``."""
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
    """The names that a class's annotations may use: of the class, of the function around the class, of its module."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        module = namespace.get("__module__", "")
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and (frame.f_globals is globals() or frame.f_globals.get("__name__") != module):
            frame = frame.f_back
        self._globals: dict[str, Any] = frame.f_globals if frame is not None else vars(sys.modules.get(module, typing))
        while frame is not None and "__qualname__" in frame.f_locals and "__module__" in frame.f_locals:
            frame = frame.f_back  # an enclosing class, whose names Python doesn't see from here
        self._locals: Mapping[str, Any] = ChainMap(namespace, dict(frame.f_locals) if frame is not None else {})

    def value(self, where: str, annotation: Any) -> Any:
        """The value of an annotation, which may be given as text."""
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, self._globals, self._locals)
        except (NameError, AttributeError, TypeError, SyntaxError) as error:
            raise DataTypeError(f"{where}: can't evaluate the annotation {annotation!r}: {error}") from error


def _row(where: str, name: str, annotation: Any, scope: _Scope) -> FieldRow:
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
        return FieldRow(name, ctype, 0)
    if isinstance(codec, BoolCodec):
        raise DataTypeError(f"{where}: ctypes puts a bit field of c_bool into the whole byte: use c_uint8")
    if not isinstance(codec, IntCodec) or ctype._type_ == "P":
        raise DataTypeError(f"{where}: bit fields are of integer types, not of {type_name(ctype)}")
    most = 8 * codec.size
    if not 1 <= bits <= most:
        raise DataRangeError(f"{where}: a bit field of {type_name(ctype)} has 1 to {most} bits, not {shown(bits)}")
    return FieldRow(name, ctype, bits)


def _is_ctype(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, ctypes._SimpleCData.__mro__[1])


def _swapped(where: str, ctype: Any) -> Any:
    """The type with the other byte order; structures and unions keep their own."""
    if issubclass(ctype, ctypes.Array):
        return _swapped(where, ctype._type_) * ctype._length_
    if issubclass(ctype, (ctypes.Structure, ctypes.Union)) or ctypes.sizeof(ctype) == 1:
        return ctype
    found = getattr(ctype, "__ctype_be__", None)
    if found is None:
        raise DataTypeError(f"{where}: ctypes has no big-endian {type_name(ctype)}")
    return found
