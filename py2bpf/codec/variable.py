"""Records of variable size: the first bytes of an array, or a structure whose last array is written only in part."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from ..exception import DataTypeError
from ..fields import declared
from .base import Buffer, Codec
from .choosing import codec_for


class VariableCodec(Codec):
    """Decodes records that may be shorter than the type.

    Arrays of one-byte items become bytes, exactly those that were written. Other types become values as codec_for()
    gives them, with zeros for the bytes that were not written.
    """

    def __init__(self, ctype: Any) -> None:
        super().__init__(ctype)
        self._whole = codec_for(ctype)
        if not _ends_in_array(ctype):
            raise DataTypeError(f"records of variable size are an array, or a structure whose last field is one; "
                                f"a {self.name} always has {self.size} bytes")
        self._bytes = _is_bytes(ctype)
        self.least = 0

    @property
    def dtype(self) -> Any:
        """The dtype of the whole type, even if a record is shorter."""
        return self._whole.dtype

    def encode(self, value: Any) -> bytes:
        """A record's bytes. For an array of one-byte items, the value may be shorter bytes."""
        if self._bytes and isinstance(value, (bytes, bytearray, memoryview)) and 0 < len(value) <= self.size:
            return bytes(value)
        return self._whole.encode(value)

    def value(self, data: Buffer) -> Any:
        """The value of a record that consists of exactly these bytes."""
        data = bytes(data[: self.size])
        return data if self._bytes else self._whole.decode(data.ljust(self.size, b"\0"))

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        """The value of a record that has all bytes of the type."""
        return self.value(data[offset : offset + self.size])

    def items(self, data: bytearray, count: int, sizes: Sequence[int] | None = None) -> Sequence[Any]:
        if not self._bytes or sizes is None:
            return self._whole.items(data, count)
        begins = range(0, count * self.size, self.size)
        return [bytes(data[at : at + min(size, self.size)]) for at, size in zip(begins, sizes, strict=True)]


def record_codec(ctype: Any, variable: bool) -> Codec:
    """The codec for a queue's records. Raises DataTypeError."""
    return VariableCodec(ctype) if variable else codec_for(ctype)


def record_value(ctype: Any, variable: bool, data: bytes) -> Any:
    """The value that a queue's reader gets for a record of these bytes."""
    if variable:
        return VariableCodec(ctype).value(data)
    codec = codec_for(ctype)
    return codec.decode(data.ljust(codec.size, b"\0"))


def _is_bytes(ctype: Any) -> bool:
    return issubclass(ctype, ctypes.Array) and ctypes.sizeof(ctype._type_) == 1


def _ends_in_array(ctype: Any) -> bool:
    if issubclass(ctype, ctypes.Structure):
        fields = list(declared(ctype))
        return bool(fields) and isinstance(fields[-1].ctype, type) and issubclass(fields[-1].ctype, ctypes.Array)
    return isinstance(ctype, type) and issubclass(ctype, ctypes.Array)
