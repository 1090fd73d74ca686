"""Codecs of numbers: integers of either byte order, c_bool, floating point numbers."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Any, Final

from ..exception import DataRangeError
from ..given import checked_int, plain_value, shown
from .base import Buffer, Codec
from .names import NATIVE, SIGNED, byte_order

_WIRE: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_AT_ONCE: Final = 1 << 13
"""How many values are packed by one format."""


class Packed(Codec):
    """A type that one struct module format describes."""

    def __init__(self, ctype: Any, wire: str) -> None:
        super().__init__(ctype)
        self._order = byte_order(ctype)
        self._wire = wire
        self._struct = struct.Struct(self._order + wire)
        self._unpack_from = self._struct.unpack_from

    @property
    def swapped(self) -> bool:
        """Whether the type has the other byte order than this machine."""
        return self.size > 1 and self._order != NATIVE

    def _pack_many(self, values: Sequence[Any]) -> bytes:
        """The bytes of all values, some thousands at a time. Raises struct.error or OverflowError."""
        pieces = (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))
        return b"".join(struct.pack(f"{self._order}{len(piece)}{self._wire}", *piece) for piece in pieces)

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        return self._unpack_from(data, offset)[0]

    def decode_many(self, data: Buffer, count: int, stride: int | None = None, offset: int = 0) -> list[Any]:
        if stride in (None, self.size):
            return list(struct.unpack_from(f"{self._order}{count}{self._wire}", data, offset))
        if stride is None or stride < self.size or not count:
            return super().decode_many(data, count, stride, offset)
        # The last value may be at the very end of data, without a gap after it.
        gapped = struct.iter_unpack(f"{self._order}{self._wire}{stride - self.size}x",
                                    memoryview(data)[offset : offset + (count - 1) * stride])
        return [*(value for value, in gapped), self.decode(data, offset + (count - 1) * stride)]


class IntCodec(Packed):
    """Integers of 1 to 8 bytes, either byte order; addresses (c_void_p) are unsigned ones."""

    def __init__(self, ctype: Any) -> None:
        wire = _WIRE[ctypes.sizeof(ctype)]
        self.signed = ctype._type_ in SIGNED
        super().__init__(ctype, wire if self.signed else wire.upper())
        bits = 8 * self.size
        self.low, self.high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        self._pack = self._struct.pack

    @property
    def dtype(self) -> Any:
        return f"{self._order}{'i' if self.signed else 'u'}{self.size}"

    def encode(self, value: Any) -> bytes:
        try:
            return self._pack(value)
        except (struct.error, TypeError):  # TypeError: an __index__ that gives no int, like that of Arrow's nulls
            return self._pack(checked_int(value, self.low, self.high, self.name))

    def encode_many(self, values: Sequence[Any]) -> bytes:
        try:
            return self._pack_many(values)
        except (struct.error, TypeError):
            return super().encode_many(values)  # some are instances of a ctypes type, or don't fit


class BoolCodec(Packed):
    """c_bool: any non-zero byte is True."""

    dtype = "?"

    def __init__(self, ctype: Any) -> None:
        super().__init__(ctype, "?")

    def encode(self, value: Any) -> bytes:
        return bytes((checked_int(value, 0, 1, self.name),))


class FloatCodec(Packed):
    """c_float and c_double. Programs can't compute with them; user space can keep them in values."""

    def __init__(self, ctype: Any) -> None:
        super().__init__(ctype, ctype._type_)

    @property
    def dtype(self) -> Any:
        return f"{self._order}f{self.size}"

    def encode(self, value: Any) -> bytes:
        value = plain_value(value)
        if isinstance(value, (bytes, str)):
            raise self._refuse(value, "a number")
        try:
            return self._struct.pack(value)
        except OverflowError:
            raise DataRangeError(f"{self.name} can't hold {shown(value)}") from None
        except struct.error:
            raise self._refuse(value, "a number") from None

    def encode_many(self, values: Sequence[Any]) -> bytes:
        try:
            return self._pack_many(values)
        except (struct.error, OverflowError):
            return super().encode_many(values)  # some are instances of a ctypes type, or don't fit
