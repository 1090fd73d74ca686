"""Batches, the buffers into which readers put records; and writable buffers of any kind."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .._ffi import ffi
from ..given import plain_memory

_WANTED: Final = "records are read into a writable, contiguous buffer of numbers or structures, such as a bytearray"
_NUMBER: Final = 4
"""Bytes of an entry in the arrays ``cpus`` and ``sizes``."""


class Batch:
    """A buffer into which a reader puts at most ``count`` records, one after another, each in ``size`` bytes.

    Longer records are cut. Shorter records of at least ``least`` bytes (by default ``size``) are filled up with zeros;
    still shorter ones are refused and lost. ``out`` is any writable buffer. ``cpus`` and ``sizes`` are buffers of u32
    that receive the CPU and the original size of each record. Raises ValueError if a buffer is too small.
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
        self._held = [held]  # the structure's pointers keep nothing alive
        for name, numbers in (("cpus", cpus), ("sizes", sizes)):
            if numbers is not None:
                place, held = _memory_of(numbers, count * _NUMBER)
                self._held.append(held)
                setattr(self.struct, name, ffi.cast("uint32_t *", place))

    @property
    def n(self) -> int:
        """How many records the last call put here; 0 until the call's very end."""
        count: int = self.struct.n
        return count

    @n.setter
    def n(self, count: int) -> None:
        self.struct.n = count

    def clear(self) -> None:
        """Forgets the records of the last call."""
        self.struct.n = self.struct.refused = 0

    def rows(self) -> bytes:
        """A copy of the records' bytes."""
        return bytes(ffi.buffer(self.struct.out, self.n * self.size))

    @property
    def full(self) -> bool:
        result: bool = self.struct.n == self.struct.cap
        return result

    @property
    def refused(self) -> Refused | None:
        """The records that the last call refused; None if it refused none."""
        s = self.struct
        return Refused(s.refused, s.refused_cpu, s.refused_size) if s.refused else None


class Refused(NamedTuple):
    """How many records were too short, and the CPU and the size of the first one."""

    records: int
    cpu: int
    size: int


def _memory_of(buffer: Any, wanted: int) -> tuple[Any, memoryview]:
    """A pointer to a writable buffer, and the memoryview that keeps the buffer alive. Keep this memoryview itself, not
    an object made from it: CPython crashes if it collects a memoryview together with a user of its memory."""
    memory = plain_memory(buffer, _WANTED, writable=True)
    if memory.nbytes < wanted:
        raise ValueError(f"a buffer of {memory.nbytes} bytes has no room for {wanted}")
    return ffi.cast("char *", ffi.from_buffer(memory, require_writable=True)), memory


def copy_bytes(buffer: Any, offset: int, data: bytes | memoryview) -> None:
    """Copies ``data`` into a writable buffer of any kind, starting at byte ``offset``."""
    place, _held = _memory_of(buffer, offset + len(data))
    ffi.memmove(place + offset, data, len(data))


def size_of_buffer(buffer: Any) -> int:
    """The size in bytes of a writable buffer of any kind. Raises DataTypeError for other objects."""
    return plain_memory(buffer, _WANTED, writable=True).nbytes
