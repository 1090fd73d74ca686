"""Readers of event queues in the C core: csrc/api.h tells what the calls do. They release the GIL."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .._ffi import ffi, lib
from ..exception import ClosedError, KernelError
from .core import checked

_forks = 0
"""How many forks lie between the process that imported this and the one that runs."""


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)

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
        self._held = [_room(out, count * size)]  # pointers in a structure keep nothing alive
        self.struct.out = self._held[0]
        for name, numbers in (("cpus", cpus), ("sizes", sizes)):
            if numbers is not None:
                self._held.append(_room(numbers, count * _NUMBER))
                setattr(self.struct, name, ffi.cast("uint32_t *", self._held[-1]))

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


class RingStats(NamedTuple):
    """Records delivered, lost (as far as the reader knows) and unreadable."""

    records: int
    lost: int
    corrupt: int


class CoreReader:
    """A reader that ``create`` makes in the C core: it stores the reader's address, and returns 0 or -errno.

    Every method may be called from any thread, close() too; those that take records do it in turns. In a forked child
    only close() and cancel() can be, which leave the parent's reader as it is; the others raise KernelError ECHILD.
    """

    def __init__(self, create: Callable[[Any], int], what: str) -> None:
        """``what`` the error says where it can't be made. Raises KernelError."""
        ret = ffi.new("struct p2b_reader **")
        checked(create(ret), what)
        # Collected when the last call that uses it is over, so closing never frees what a waiting thread uses.
        self._handle = ffi.gc(ret[0], lib.p2b_reader_destroy)
        self.turn: Final = threading.RLock()
        """Whoever takes records has it, after check()."""
        self._owner, self._forks = os.getpid(), _forks

    @property
    def forked(self) -> bool:
        """Whether this is the copy of a reader that a forked child has: the records are the parent's."""
        return self._forks != _forks

    def _open(self) -> Any:
        handle = self._handle
        if handle is None:
            raise ClosedError("the queue's reader is closed")
        if self._forks != _forks:
            self._check_owner()
        return handle

    def check(self) -> None:
        """Raises ClosedError after close(), KernelError in a forked child."""
        self._open()

    def _check_owner(self) -> None:
        if self.forked:  # before the lock, which a thread that the child doesn't have may hold
            raise KernelError(errno.ECHILD, f"this queue belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't read it: make a queue and load its program in the child")

    def take(self, batch: Batch) -> None:
        """Puts waiting records into the batch, without waiting."""
        handle = self._open()
        with self.turn:
            result = lib.p2b_reader_take(handle, batch.struct)
        if result:
            checked(result, "cannot take the queue's records")

    def wait(self, timeout_ms: int) -> bool | None:
        """Waits for records: True when there are some, False after the time (-1: no limit) or a signal, None once
        cancelled or closed. Python's signal handlers have run when it returns.
        """
        handle = self._handle
        self._check_owner()
        result: int = -errno.ECANCELED if handle is None else lib.p2b_reader_wait(handle, timeout_ms)
        if result == -errno.ECANCELED:
            return None
        return result != -errno.EINTR and bool(checked(result, "cannot wait for records"))

    def cancel(self) -> None:
        """Ends this and every later wait. What is there can still be taken."""
        handle = self._handle
        if handle is not None:
            lib.p2b_reader_cancel(handle)

    def fileno(self) -> int:
        """A descriptor for event loops: readable when there are records; take them then, without a wait before."""
        result: int = lib.p2b_reader_fd(self._open())
        return result

    def keep(self) -> Any:
        """Something that keeps the descriptor open as long as anybody has it, also after close()."""
        return self._open()

    def tick(self, ms: int) -> None:
        """Makes that descriptor readable every ms milliseconds too, for records that aren't announced."""
        checked(lib.p2b_reader_tick(self._open(), ms), "cannot start a timer for the queue")

    def stats(self, cpu: int | None = None) -> RingStats:
        """Counters of all CPUs' buffers, or of one; KernelError ENOENT where a CPU has none of its own."""
        ret = ffi.new("struct p2b_ring_stats *")
        if cpu is None:
            checked(lib.p2b_reader_stats(self._open(), ret), "cannot count the records")
        else:
            checked(lib.p2b_reader_cpu_stats(self._open(), cpu, ret), f"CPU {cpu} has no perf buffer")
        return RingStats(ret.records, ret.lost, ret.corrupt)

    def close(self) -> None:
        """Cancels, and gives the buffers back as soon as no thread uses them. May be called again."""
        self.cancel()
        self._handle = None


def _room(buffer: Any, wanted: int) -> Any:
    memory = ffi.from_buffer(buffer, require_writable=True)
    if len(memory) < wanted:
        raise ValueError(f"a buffer of {len(memory)} bytes has no room for {wanted}")
    return memory


def copy_bytes(buffer: Any, offset: int, data: bytes | memoryview) -> None:
    """Puts data into a writable buffer of any kind, from that byte on."""
    memory = _room(buffer, offset + len(data))
    ffi.memmove(memory + offset, data, len(data))


def room_of(buffer: Any) -> int:
    """How many bytes a writable buffer of any kind has. Raises TypeError, ValueError or BufferError for others."""
    return len(ffi.from_buffer(buffer, require_writable=True))


def perf_reader(
    map_fd: int, n_cpus: int, pages: int, wakeup_events: int = 1, watermark: int = 0, hold: int = 0
) -> CoreReader:
    """Reads what programs write to a perf event array.

    ``pages`` is the number of data pages of each CPU's ring, a power of two. A reader that waits is woken after
    ``wakeup_events`` records of one CPU, or after ``watermark`` bytes when that isn't 0. With ``hold`` other than 0 the
    CPUs' records are merged by time, and wait up to so many nanoseconds for older ones. Raises KernelError.
    """
    return CoreReader(lambda ret: lib.p2b_perfbuf_create(map_fd, n_cpus, pages, wakeup_events, watermark, hold, ret),
                      f"cannot make perf buffers of {pages} pages for each CPU")


def ring_reader(map_fd: int, size: int) -> CoreReader:
    """Reads a ring buffer of ``size`` bytes. Lost records it doesn't know of: only programs do. Raises KernelError."""
    return CoreReader(lambda ret: lib.p2b_ringbuf_create(map_fd, size, ret),
                      f"cannot map a ring buffer of {size} bytes")
