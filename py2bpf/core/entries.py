"""Keys and values of many entries, one after another in buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._ffi import ffi

Buffer = bytes | bytearray | memoryview

Buffers = Callable[[int], tuple[memoryview, memoryview]]
"""Gives writable memory for at least the given number of keys and values."""


def entries_of(keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int) -> tuple[Any, Any]:
    """The bytes of ``count`` keys and values, as C pointers. While these are held, the lengths of the buffers can't
    change. Raises ValueError if a buffer is too short."""
    source, target = ffi.from_buffer(keys), ffi.from_buffer(values)
    if len(source) < count * key_size or len(target) < count * value_size:
        raise ValueError(f"{count} entries need more than {len(source)} bytes of keys and {len(target)} of values")
    return source, target


class Stored(NamedTuple):
    """How many entries were stored, and the errno for the next one (0: no error)."""

    done: int
    error: int


class Entries(NamedTuple):
    """``n`` contiguous keys and values."""

    keys: memoryview
    values: memoryview
    n: int


class ReusedBuffers:
    """Buffers that gives the same memory again if it is large enough."""

    def __init__(self, key_size: int, value_size: int) -> None:
        self._sizes = key_size, value_size
        self._buffers = memoryview(b""), memoryview(b"")
        self._cap = 0

    def __call__(self, cap: int) -> tuple[memoryview, memoryview]:
        """Writable memory for at least ``cap`` keys and as many values."""
        if cap > self._cap:
            self._cap = cap
            self._buffers = memoryview(bytearray(cap * self._sizes[0])), memoryview(bytearray(cap * self._sizes[1]))
        return self._buffers
