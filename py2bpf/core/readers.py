"""Readers of event queues in the C core: csrc/api.h tells what the calls do. They release the GIL."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .._ffi import ffi, lib
from ..exception import KernelError
from ..uapi.operations import Operation
from .batches import Batch
from .failures import checked, is_closed
from .handles import Handle

_forks = 0
"""How many forks lie between the process that imported this and the one that runs."""


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class RingStats(NamedTuple):
    """Records delivered, lost (as far as the reader knows) and unreadable."""

    records: int
    lost: int
    corrupt: int


class CoreReader:
    """A reader that ``create`` makes in the C core: it puts it into a handle's cell, and returns 0 or -errno.

    Every method may be called from any thread, close() too; those that take records do it in turns. In a forked child
    only close() and cancel() can be, which leave the parent's reader as it is; the others raise KernelError ECHILD.
    """

    def __init__(
        self, create: Callable[[Any], int], what: str, source: Handle | None = None, operation: Operation | None = None
    ) -> None:
        """``what`` the error says where it can't be made from ``source``. Raises KernelError, ClosedError."""
        self._handle = Handle("the queue's reader")
        checked(create(self._handle.cell), what, source, operation)
        self.turn: Final = threading.RLock()
        """Whoever takes records has it, after check()."""
        self._owner, self._forks = os.getpid(), _forks

    @property
    def forked(self) -> bool:
        """Whether this is the copy of a reader that a forked child has: the records are the parent's."""
        return self._forks != _forks

    def _open(self) -> Any:
        self._handle.check_open()
        if self._forks != _forks:
            self._check_owner()
        return self._handle.cell

    def check(self) -> None:
        """Raises ClosedError after close(), KernelError in a forked child."""
        self._open()

    def _check_owner(self) -> None:
        if self.forked:  # before the lock, which a thread that the child doesn't have may hold
            raise KernelError(errno.ECHILD, f"this queue belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't read it: make a queue and load its program in the child")

    def take(self, batch: Batch) -> None:
        """Puts waiting records into the batch, without waiting."""
        queue = self._open()
        with self.turn:
            result = lib.p2b_queue_take(queue, batch.struct)
        if result:
            checked(result, "cannot take the queue's records", self._handle)

    def wait(self, timeout_ms: int) -> bool | None:
        """Waits for records: True when there are some, False after the time (-1: no limit) or a signal, None once
        cancelled or closed. Python's signal handlers have run when it returns.
        """
        self._check_owner()
        result: int = lib.p2b_queue_wait(self._handle.cell, timeout_ms)
        if result == -errno.ECANCELED or is_closed(result):
            return None
        return result != -errno.EINTR and bool(checked(result, "cannot wait for records"))

    def cancel(self) -> None:
        """Ends this and every later wait. What is there can still be taken."""
        lib.p2b_queue_cancel(self._handle.cell)

    def poller(self) -> Handle:
        """The descriptor for event loops, readable when there are records: take them then, without a wait before. It is
        there as long as the handle is open, also after close()."""
        made = Handle("a queue's descriptor")
        checked(lib.p2b_queue_poll(self._open(), made.cell), "cannot watch the queue", self._handle)
        return made

    def tick(self, ms: int) -> None:
        """Makes that descriptor readable every ms milliseconds too, for records that aren't announced."""
        checked(lib.p2b_queue_tick(self._open(), ms), "cannot start a timer for the queue", self._handle)

    def revive(self) -> int:
        """Makes buffers for CPUs that came online, or went and came back; gives how many. Raises KernelError."""
        queue = self._open()
        with self.turn:
            return checked(lib.p2b_queue_revive(queue), "cannot make a perf buffer for a CPU that came", self._handle)

    def stats(self, cpu: int | None = None) -> RingStats:
        """Counters of all CPUs' buffers, or of one; KernelError ENOENT where a CPU has none of its own."""
        ret = ffi.new("struct p2b_ring_stats *")
        what = "cannot count the records" if cpu is None else f"CPU {cpu} has no perf buffer"
        checked(lib.p2b_queue_stats(self._open(), -1 if cpu is None else cpu, ret), what, self._handle)
        return RingStats(ret.records, ret.lost, ret.corrupt)

    def close(self) -> None:
        """Cancels, and gives the buffers back as soon as no thread uses them. May be called again."""
        self.cancel()
        self._handle.close()
