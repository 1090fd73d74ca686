"""Codecs of c_char and of char arrays: bytes and texts."""

from __future__ import annotations

from typing import Any

from ..exception import DataRangeError
from ..given import plain_value, shown, utf8
from .base import Buffer, Codec, raw_bytes


class CharCodec(Codec):
    """A single c_char: one byte, NUL or not."""

    dtype = "S1"

    def encode(self, value: Any) -> bytes:
        value = plain_value(value)
        if not isinstance(value, (bytes, bytearray)):
            raise self._refuse(value, "bytes of length 1")
        if len(value) != 1:
            raise DataRangeError(f"{self.name} takes bytes of length 1, not {bytes(value)!r}")
        return bytes(value)

    def decode(self, data: Buffer, offset: int = 0) -> bytes:
        return bytes(data[offset : offset + 1])


class CharArrayCodec(Codec):
    """c_char * n: a string that ends at its first NUL, or fills the array."""

    @property
    def dtype(self) -> Any:
        return f"S{self.size}"

    def encode(self, value: Any) -> bytes:
        value = utf8(value) if isinstance(value, str) else getattr(value, "value", value)
        if not isinstance(value, (bytes, bytearray)):
            raise self._refuse(value, f"bytes or str of at most {self.size} bytes")
        text = bytes(value).rstrip(b"\0")
        if len(text) > self.size:
            raise DataRangeError(f"{self.name} holds {self.size} bytes, not the {len(text)} of {shown(text)}")
        if 0 in text:
            raise DataRangeError(f"{self.name} ends at the first NUL, and {shown(text)} has one inside; "
                                 f"use c_uint8 * {self.size} for binary data")
        return text.ljust(self.size, b"\0")

    def decode(self, data: Buffer, offset: int = 0) -> bytes:
        return bytes(data[offset : offset + self.size]).partition(b"\0")[0]


class CharKeyCodec(CharArrayCodec):
    """c_char * n as a key: bytes after a NUL are part of the key, as in programs and in the kernel, and only the NULs
    at its end are left out. So every key that is read can be looked up again."""

    def encode(self, value: Any) -> bytes:
        if isinstance(value, self.ctype):
            return raw_bytes(value)
        value = utf8(value) if isinstance(value, str) else getattr(value, "raw", value)
        text = bytes(value).rstrip(b"\0") if isinstance(value, (bytes, bytearray)) else b""
        return text.ljust(self.size, b"\0") if 0 < len(text) <= self.size else super().encode(value)

    def decode(self, data: Buffer, offset: int = 0) -> bytes:
        return bytes(data[offset : offset + self.size]).rstrip(b"\0")
