"""The base of all codecs: encodes and decodes values of one ctypes type."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ..exception import DataTypeError
from ..given import shown
from .names import type_name

Buffer = bytes | bytearray | memoryview


class Codec(ABC):
    """Encodes and decodes values of one ctypes type.

    ``size`` is in bytes; ``least`` is the least size of a queue's record. ``mask`` has the bits set that carry data:
    padding is 0. ``dtype`` is the argument for ``numpy.dtype()`` that describes the same bytes.
    """

    def __init__(self, ctype: Any) -> None:
        self.ctype = ctype
        self.size: int = ctypes.sizeof(ctype)
        self.least = self.size
        self.name = type_name(ctype)

    @property
    def mask(self) -> bytes:
        return b"\xff" * self.size

    @property
    @abstractmethod
    def dtype(self) -> Any: ...

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """The value's bytes. Raises DataTypeError or DataRangeError, which name the type and the value."""

    def encode_many(self, values: Sequence[Any]) -> bytes:
        """The bytes of all values, one after another. Raises the error of encode() for the first that doesn't fit."""
        return b"".join(map(self.encode, values))

    @abstractmethod
    def decode(self, data: Buffer, offset: int = 0) -> Any:
        """The value at data[offset:offset + size], independent of data."""

    def decode_many(self, data: Buffer, count: int, stride: int | None = None, offset: int = 0) -> list[Any]:
        """``count`` values, one every ``stride`` bytes (by default ``size``) from ``offset`` on."""
        step = stride or self.size
        return [self.decode(data, at) for at in range(offset, offset + count * step, step)]

    def items(self, data: bytearray, count: int, sizes: Sequence[int] | None = None) -> Sequence[Any]:
        """``count`` values that lie one after another at the start of ``data``. The values may share its memory, so
        nothing else may use ``data``.

        ``sizes`` are the sizes of a queue's records, if they vary.
        """
        return self.decode_many(data, count)

    def rows(self, numpy: Any, data: Buffer) -> Any:
        """``data`` as a numpy array of values, which shares the memory of ``data``."""
        return numpy.frombuffer(data, numpy.dtype(self.dtype))

    def _refuse(self, value: Any, wanted: str) -> DataTypeError:
        return DataTypeError(f"{self.name} takes {wanted}, not {shown(value)} of type {type(value).__name__}")


def raw_bytes(value: Any) -> bytes:
    return ctypes.string_at(ctypes.addressof(value), ctypes.sizeof(value))
