"""The reader of BPF ring buffers in the C core: csrc/api.h tells what the calls do. They release the GIL."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any

from .._ffi import ffi, lib
from ..exception import ClosedError, KernelError
from .codec import Codec
from .core import RingStats, checked
from .perfbuf import FrameSource


class RingReader:
    """Reads the records that programs write to a ring buffer of ``size`` bytes.

    Every method may be called from any thread, close() too; drains take turns. In a forked child only close() and
    cancel() can be, which leave the parent's reader as it is; the others raise KernelError ECHILD.
    """

    def __init__(self, map_fd: int, size: int) -> None:
        ret = ffi.new("struct p2b_ringbuf **")
        checked(lib.p2b_ringbuf_create(map_fd, size, ret), f"cannot map a ring buffer of {size} bytes")
        # Collected when the last call that uses it is over, so closing never frees what a waiting thread uses.
        self._handle = ffi.gc(ret[0], lib.p2b_ringbuf_destroy)
        self._turn = threading.RLock()
        self._owner = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is the copy of a reader that a forked child has: the records are the parent's."""
        return os.getpid() != self._owner

    def _open(self) -> Any:
        handle = self._handle
        if handle is None:
            raise ClosedError("the ring buffer's reader is closed")
        self._check_owner()
        return handle

    def _check_owner(self) -> None:
        if self.forked:  # before the lock, which a thread that the child doesn't have may hold
            raise KernelError(errno.ECHILD, f"this ring buffer belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't read it: make one and load its program in the child")

    def drain(self, out: bytearray | memoryview, max_records: int = (1 << 64) - 1) -> int:
        """Takes records into frames (FRAME_HEADER, data, zeros to 8 bytes) at out; bytes written."""
        handle = self._open()
        with self._turn:
            n: int = lib.p2b_ringbuf_drain(handle, ffi.from_buffer(out, require_writable=True), len(out), max_records)
        return checked(n, "cannot drain the ring buffer")

    def wait(self, timeout_ms: int) -> bool | None:
        """Waits for records: True when there are some, False after the time (-1: no limit) or a signal, None once
        cancelled or closed. Python's signal handlers have run when it returns.
        """
        handle = self._handle
        self._check_owner()
        result: int = -errno.ECANCELED if handle is None else lib.p2b_ringbuf_wait(handle, timeout_ms)
        if result == -errno.ECANCELED:
            return None
        return result != -errno.EINTR and bool(checked(result, "cannot wait for records"))

    def cancel(self) -> None:
        """Ends this and every later wait. What is there can still be drained."""
        handle = self._handle
        if handle is not None:
            lib.p2b_ringbuf_cancel(handle)

    def fileno(self) -> int:
        """A descriptor for event loops: readable when there are records."""
        result: int = lib.p2b_ringbuf_fd(self._open())
        return result

    def tick(self, ms: int) -> None:
        """Nothing to do: every record is announced at once."""

    def stats(self) -> RingStats:
        """What was delivered and what can't be read; lost records only the programs know."""
        ret = ffi.new("struct p2b_ring_stats *")
        checked(lib.p2b_ringbuf_stats(self._open(), ret), "cannot count the records")
        return RingStats(ret.records, ret.lost, ret.corrupt)

    def close(self) -> None:
        """Cancels, and gives the mapping back as soon as no thread uses it. May be called again."""
        self.cancel()
        self._handle = None


def ring_source(map_fd: int, size: int, codec: Codec, lost: Callable[[], int]) -> FrameSource:
    """The records of a ring buffer of size bytes. ``lost`` tells how many programs could not write."""
    return FrameSource(RingReader(map_fd, size), codec, 0.0, size, lost)
