"""Converts between Python values and bytes like programs: numbers that don't fit are truncated, as in ctypes."""

from __future__ import annotations

import ctypes
import functools
import operator
from collections.abc import Callable
from typing import Any, Final

from ..codec import RecordCodec, codec_for, key_codec_for, type_name
from ..exception import DataTypeError
from ..given import shown

Encoder = Callable[[Any], bytes]


@functools.lru_cache(maxsize=1024)
def encoder(ctype: Any) -> Encoder:
    """The function that encodes a program's values for a ctypes type. It raises DataTypeError for values that no
    program can store, and for None, which a compiled program finds only when it runs, a TypeError as an error of the
    program."""
    return functools.partial(_encoded, ctype, _encoder(ctype))


@functools.lru_cache(maxsize=1024)
def key_encoder(ctype: Any) -> Encoder:
    """Like encoder(), for keys, where all bytes of a char array count."""
    return functools.partial(_encoded, ctype, key_codec_for(ctype).encode) if is_chars(ctype) else encoder(ctype)


def _encoded(ctype: Any, encode: Encoder, value: Any) -> bytes:
    if value is None:
        raise TypeError(f"{type_name(ctype)} is needed, not None")
    return encode(value)


def _encoder(ctype: Any) -> Encoder:
    if issubclass(ctype, ctypes._SimpleCData) and ctype._type_ in "bhilqBHILQP?":
        return functools.partial(_scalar, ctype)
    if issubclass(ctype, (ctypes.Structure, ctypes.Union)):
        return functools.partial(_record, ctype)
    if issubclass(ctype, ctypes.Array) and ctype._type_ is not ctypes.c_char:
        return functools.partial(_array, ctype)
    return functools.partial(_text, codec_for(ctype).encode) if is_chars(ctype) else codec_for(ctype).encode


def plain(value: Any) -> Any:
    """The number in a ctypes scalar; other values unchanged."""
    return (value.value or 0) if isinstance(value, ctypes._SimpleCData) else value


def _text(encode: Encoder, value: Any) -> bytes:
    """A text ends at its first NUL, as in a program."""
    return encode(value.partition(b"\0")[0] if isinstance(value, bytes) else value)


def _scalar(ctype: Any, value: Any) -> bytes:
    try:
        return bytes(ctype(operator.index(plain(value))))
    except TypeError:
        raise DataTypeError(f"{type_name(ctype)} takes an integer, not {shown(value)}") from None


def _record(ctype: Any, value: Any) -> bytes:
    if isinstance(value, ctype):
        return codec_for(ctype).encode(value)
    if not isinstance(value, (tuple, list)):
        raise DataTypeError(f"{type_name(ctype)} takes an instance of it or a tuple, not {shown(value)}")
    members = _codec(ctype).members
    if len(members) != len(value):
        raise DataTypeError(f"{type_name(ctype)} has {len(members)} fields, not the {len(value)} of {shown(value)}")
    made = ctype()
    for member, part in zip(members, value, strict=True):
        if isinstance(part, (tuple, list)):
            inner = member.codec.ctype
            part = inner.from_buffer_copy(encoder(inner)(part))
        setattr(made, member.name, plain(part))
    return bytes(made)


def _codec(ctype: Any) -> RecordCodec:
    codec = codec_for(ctype)
    assert isinstance(codec, RecordCodec)
    return codec


def _array(ctype: Any, value: Any) -> bytes:
    if isinstance(value, (ctypes.Array, bytes, bytearray, tuple, list)) and len(value) == ctype._length_:
        item = encoder(ctype._type_)
        return b"".join(item(each) for each in value)
    raise DataTypeError(f"{type_name(ctype)} takes a sequence of {ctype._length_} items, not {shown(value)}")


def is_number(ctype: Any) -> bool:
    """Whether programs read the type as a number, and not by reference."""
    return issubclass(ctype, ctypes._SimpleCData) and ctype is not ctypes.c_char


def view(ctype: Any, buffer: bytearray | memoryview, offset: int = 0) -> Any:
    """An object of the type that lives in the buffer."""
    return view_type(ctype).from_buffer(buffer, offset)


def view_type(ctype: Any) -> Any:
    """The type itself; for a char array, a subclass with the operations that programs have."""
    return _chars(ctype) if is_chars(ctype) else ctype


def is_chars(ctype: Any) -> bool:
    """Whether the type is a char array, which ctypes reads as bytes if it is a field."""
    return issubclass(ctype, ctypes.Array) and ctype._type_ is ctypes.c_char


class _Chars:
    """The operations of programs on a char array, besides reading its characters."""

    value: bytes

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.value == other.encode()
        return self.value == getattr(other, "value", other)

    def __hash__(self) -> int:
        return hash(self.value)

    def startswith(self, prefix: bytes) -> bool:
        return self.value.startswith(prefix)

    def endswith(self, suffix: bytes) -> bool:
        return self.value.endswith(suffix)


@functools.lru_cache(maxsize=256)
def _chars(ctype: Any) -> Any:
    return type(f"Chars{ctype._length_}", (_Chars, ctype), {"_type_": ctypes.c_char, "_length_": ctype._length_})


BYTES: Final = (bytes, bytearray, memoryview)
