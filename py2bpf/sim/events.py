"""Texts and arrays of variable length in simulated events: they follow the event's structure, as in the kernel."""

from __future__ import annotations

import ctypes
from typing import Any, Final

from ..codec import type_name
from ..exception import DataTypeError
from ..given import shown, text_for_c
from ..spec import Located
from .errors import SimulationError

_MOST: Final = 0xFFFF


def read(event: bytes, struct: ctypes.Structure, where: Located) -> Any:
    """The value for a program: the bytes of a text up to its NUL, or an array. Longer data is cut, and an array is
    filled up with zeros."""
    number = getattr(struct, where.path)
    begin, size = where.begin + (number & _MOST), number >> 16
    data, room = event[begin : begin + size], ctypes.sizeof(where.ctype)
    if where.ctype._type_ is ctypes.c_char:
        return data.partition(b"\0")[0][: room - 1]
    return where.ctype.from_buffer_copy(data[:room].ljust(room, b"\0"))


def write(tail: bytearray, struct: ctypes.Structure, where: Located, value: Any) -> None:
    """Appends a text (bytes or str, to which a NUL is added) or the items of an array to the event."""
    data = _encoded(where.ctype._type_, value)
    offset = ctypes.sizeof(struct) + len(tail) - where.begin
    if max(offset, len(data)) > _MOST:
        raise SimulationError(f"an event has room for {_MOST} bytes, and {where.path} would lie behind them")
    tail += data
    setattr(struct, where.path, len(data) << 16 | offset)


def _encoded(item: Any, value: Any) -> bytes:
    if item is ctypes.c_char:
        if not isinstance(value, (bytes, str)):
            raise DataTypeError(f"a text of an event is bytes or a str, not {shown(value)}")
        return text_for_c(value)
    try:
        return bytes((item * len(value))(*value))
    except TypeError:
        raise DataTypeError(f"an array of an event is a sequence of {type_name(item)}, not {shown(value)}") from None
