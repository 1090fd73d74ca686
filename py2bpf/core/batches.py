"""Where records of event queues are put, and writable buffers of any kind."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .._ffi import ffi
from ..given import plain_memory

_WANTED: Final = "records are read into a writable, contiguous buffer of numbers or structures, such as a bytearray"
_NUMBER: Final = 4
"""Bytes of an entry of the arrays beside records."""


class Batch:
    """Where a reader puts records: ``size`` bytes each, one after another, at most ``count``.

    Longer ones are cut. Shorter ones of ``least`` bytes (by default size) or more get zeros at their end, others are
    refused and gone. ``out`` is any writable buffer, ``cpus`` and ``sizes`` are buffers of u32 for what each record
    had. Raises ValueError where one is too small.
    """

    def __init__(
        self, out: Any, size: int, count: int, least: int | None = None, cpus: Any = None, sizes: Any = None
    ) -> None:
        self.out = out
        self.size = size
        self.count = count
        self.sizes = sizes
        self.struct = ffi.new("struct p2b_batch *")
        self.struct.cap, self.struct.size = count, size
        self.struct.least = size if least is None else least
        self.struct.out, held = _memory_of(out, count * size)
        self._held = [held]  # pointers in a structure keep nothing alive
        for name, numbers in (("cpus", cpus), ("sizes", sizes)):
            if numbers is not None:
                place, held = _memory_of(numbers, count * _NUMBER)
                self._held.append(held)
                setattr(self.struct, name, ffi.cast("uint32_t *", place))

    @property
    def n(self) -> int:
        """How many records there are since the last call; none before its very end."""
        count: int = self.struct.n
        return count

    @n.setter
    def n(self, count: int) -> None:
        self.struct.n = count

    def clear(self) -> None:
        """Forgets the last call's records."""
        self.struct.n = self.struct.refused = 0

    def rows(self) -> bytes:
        """A copy of these records."""
        return bytes(ffi.buffer(self.struct.out, self.n * self.size))

    @property
    def full(self) -> bool:
        result: bool = self.struct.n == self.struct.cap
        return result

    @property
    def refused(self) -> Refused | None:
        """What the last call had to refuse."""
        s = self.struct
        return Refused(s.refused, s.refused_cpu, s.refused_size) if s.refused else None


class Refused(NamedTuple):
    """How many records were too short, and of the first of them the CPU and the size."""

    records: int
    cpu: int
    size: int


def _memory_of(buffer: Any, wanted: int) -> tuple[Any, memoryview]:
    """A pointer to a writable buffer, and what keeps it: the memoryview itself and nothing made of it, since CPython
    crashes where it collects a memoryview together with somebody who still uses its memory."""
    memory = plain_memory(buffer, _WANTED, writable=True)
    if memory.nbytes < wanted:
        raise ValueError(f"a buffer of {memory.nbytes} bytes has no room for {wanted}")
    return ffi.cast("char *", ffi.from_buffer(memory, require_writable=True)), memory


def copy_bytes(buffer: Any, offset: int, data: bytes | memoryview) -> None:
    """Puts data into a writable buffer of any kind, from that byte on."""
    place, _held = _memory_of(buffer, offset + len(data))
    ffi.memmove(place + offset, data, len(data))


def size_of_buffer(buffer: Any) -> int:
    """How many bytes a writable buffer of any kind has. Raises DataTypeError for others."""
    return plain_memory(buffer, _WANTED, writable=True).nbytes
