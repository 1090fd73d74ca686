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

FRAME_HEADER: Final = 8
"""Bytes of ``struct p2b_frame``: CPU and size, each u32."""

FRAME_MAX: Final = FRAME_HEADER + (1 << 16)
"""No perf record makes a longer frame."""


class RingStats(NamedTuple):
    """Records delivered, lost (as far as the reader knows) and unreadable."""

    records: int
    lost: int
    corrupt: int


class CoreReader:
    """A reader that ``create`` makes in the C core: it stores the reader's address, and returns 0 or -errno.

    Every method may be called from any thread, close() too; drains take turns. In a forked child only close() and
    cancel() can be, which leave the parent's reader as it is; the others raise KernelError ECHILD.
    """

    def __init__(self, create: Callable[[Any], int], what: str) -> None:
        """``what`` the error says where it can't be made. Raises KernelError."""
        ret = ffi.new("struct p2b_reader **")
        checked(create(ret), what)
        # Collected when the last call that uses it is over, so closing never frees what a waiting thread uses.
        self._handle = ffi.gc(ret[0], lib.p2b_reader_destroy)
        self._turn = threading.RLock()
        self._owner = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is the copy of a reader that a forked child has: the records are the parent's."""
        return os.getpid() != self._owner

    def _open(self) -> Any:
        handle = self._handle
        if handle is None:
            raise ClosedError("the queue's reader is closed")
        self._check_owner()
        return handle

    def _check_owner(self) -> None:
        if self.forked:  # before the lock, which a thread that the child doesn't have may hold
            raise KernelError(errno.ECHILD, f"this queue belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't read it: make a queue and load its program in the child")

    def drain(self, out: bytearray | memoryview, max_records: int = (1 << 64) - 1) -> int:
        """Takes waiting records into frames (FRAME_HEADER, data, zeros to 8 bytes) at out; bytes written.

        FRAME_MAX bytes of room hold any perf record; with less, KernelError ENOSPC says that the next one needs more.
        """
        handle = self._open()
        with self._turn:
            n: int = lib.p2b_reader_drain(handle, ffi.from_buffer(out, require_writable=True), len(out), max_records)
        return checked(n, "cannot take the queue's records")

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
        """Ends this and every later wait. What is there can still be drained."""
        handle = self._handle
        if handle is not None:
            lib.p2b_reader_cancel(handle)

    def fileno(self) -> int:
        """A descriptor for event loops: readable when there are records; drain then, without a wait before."""
        result: int = lib.p2b_reader_fd(self._open())
        return result

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


def perf_reader(map_fd: int, n_cpus: int, pages: int, wakeup_events: int = 1, watermark: int = 0) -> CoreReader:
    """Reads what programs write to a perf event array.

    ``pages`` is the number of data pages of each CPU's ring, a power of two. A reader that waits is woken after
    ``wakeup_events`` records of one CPU, or after ``watermark`` bytes when that isn't 0. Raises KernelError.
    """
    return CoreReader(lambda ret: lib.p2b_perfbuf_create(map_fd, n_cpus, pages, wakeup_events, watermark, ret),
                      f"cannot make perf buffers of {pages} pages for each CPU")


def ring_reader(map_fd: int, size: int) -> CoreReader:
    """Reads a ring buffer of ``size`` bytes. Lost records it doesn't know of: only programs do. Raises KernelError."""
    return CoreReader(lambda ret: lib.p2b_ringbuf_create(map_fd, size, ret),
                      f"cannot map a ring buffer of {size} bytes")
