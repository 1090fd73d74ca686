"""Chooses the codec for a ctypes type."""

from __future__ import annotations

import _ctypes
import ctypes
import functools
from typing import Any, Final

from ..exception import DataTypeError
from ..fields import Declared, declared
from ..given import shown
from .base import Codec
from .compounds import ArrayCodec, Member, RecordCodec
from .names import SIGNED, UNSIGNED, type_name
from .numbers import BoolCodec, FloatCodec, IntCodec
from .texts import CharArrayCodec, CharCodec, CharKeyCodec

_FLOATS: Final = frozenset("fd")
_POINTERS: Final = (_ctypes._Pointer, _ctypes.CFuncPtr)


def codec_for(ctype: Any) -> Codec:
    """The codec of a ctypes type. Raises DataTypeError for types that can't be shared with the kernel."""
    if not isinstance(ctype, type):
        raise DataTypeError(f"expected a ctypes type such as ctypes.c_uint32, not {shown(ctype)}")
    return _build(ctype)


@functools.lru_cache(maxsize=1024)
def _build(ctype: Any) -> Codec:
    if issubclass(ctype, ctypes._SimpleCData) and not _is_abstract(ctype):
        return _simple(ctype)
    if not issubclass(ctype, (ctypes.Array, ctypes.Structure, ctypes.Union)):
        hint = "; use ctypes.c_uint64 for an address" if issubclass(ctype, _POINTERS) else _python_hint(ctype)
        raise DataTypeError(f"{type_name(ctype)} can't be shared with the kernel{hint}")
    if _is_abstract(ctype):
        raise DataTypeError(f"{ctype.__name__} itself has no fields: "
                            "give a class of your own that derives from it, or an array of a type (c_uint8 * 6)")
    if ctypes.sizeof(ctype) == 0:
        raise DataTypeError(f"{type_name(ctype)} has no bytes")
    if not issubclass(ctype, ctypes.Array):
        return RecordCodec(ctype, tuple(Member(field, _of_field(field)) for field in declared(ctype)))
    item: Any = ctype._type_
    return CharArrayCodec(ctype) if item is ctypes.c_char else ArrayCodec(ctype, codec_for(item))


def _is_abstract(ctype: Any) -> bool:
    """Whether the type is one of ctypes' base classes, or a class derived from one that declares no data."""
    try:
        ctypes.sizeof(ctype)
    except TypeError:
        return True
    return False


def key_codec_for(ctype: Any) -> Codec:
    """The codec of a key type. Raises DataTypeError for types with floating point numbers too, since keys are compared
    byte by byte."""
    codec = codec_for(ctype)
    if _has_float(codec):
        raise DataTypeError(f"{codec.name} has floating point numbers, which can't be keys: "
                            "the kernel compares keys byte by byte")
    return _with_whole_texts(codec)


def _with_whole_texts(codec: Codec) -> Codec:
    if isinstance(codec, ArrayCodec):
        return ArrayCodec(codec.ctype, _with_whole_texts(codec.item))
    return CharKeyCodec(codec.ctype) if isinstance(codec, CharArrayCodec) else codec


def _simple(ctype: Any) -> Codec:
    code = ctype._type_
    if code in SIGNED or code in UNSIGNED:
        return IntCodec(ctype)
    if code in _FLOATS:
        return FloatCodec(ctype)
    if code == "?":
        return BoolCodec(ctype)
    if code == "c":
        return CharCodec(ctype)
    hint = "; use ctypes.c_uint64 for an address, c_char * n for text" if code in "zZO" else ""
    raise DataTypeError(f"{type_name(ctype)} can't be shared with the kernel{hint}")


def _python_hint(ctype: type) -> str:
    known = {int: "c_int64", bool: "c_bool", bytes: "c_char * 16", str: "c_char * 16", float: "c_double"}
    return f"; did you mean ctypes.{known[ctype]}?" if ctype in known else "; a ctypes type can, such as c_uint32"


def _has_float(codec: Codec) -> bool:
    if isinstance(codec, ArrayCodec):
        return _has_float(codec.item)
    if isinstance(codec, RecordCodec):
        return any(_has_float(member.codec) for member in codec.members)
    return isinstance(codec, FloatCodec)


def _of_field(field: Declared) -> Codec:
    try:
        return codec_for(field.ctype)
    except DataTypeError as error:
        raise DataTypeError(f"{field.owner.__name__}.{field.name}: {error}") from None
