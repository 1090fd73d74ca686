"""Readers of event queues in the C core; csrc/api.h describes the calls, which release the GIL."""

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
"""How many forks lie between the process that imported this module and the running process."""


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class RingStats(NamedTuple):
    """How many records were delivered, lost (as far as the reader knows) and unreadable."""

    records: int
    lost: int
    corrupt: int


class CoreReader:
    """A reader in the C core. ``create`` puts it into a handle's cell, and returns 0 or -errno.

    All methods, including close(), may be called from any thread; threads that take records take turns. A forked child
    can only call close() and cancel(), which leave the parent's reader alone; other methods raise KernelError ECHILD.
    """

    def __init__(
        self, create: Callable[[Any], int], what: str, source: Handle | None = None, operation: Operation | None = None
    ) -> None:
        """``source`` is the handle that ``create`` uses, and ``what`` the text for errors. Raises KernelError,
        ClosedError."""
        self._handle = Handle("the queue's reader")
        checked(create(self._handle.cell), what, source, operation)
        self.turn: Final = threading.RLock()
        """The lock that a thread holds while it takes records. Call check() first."""
        self._owner, self._forks = os.getpid(), _forks

    @property
    def forked(self) -> bool:
        """Whether this is a forked child's copy of its parent's reader."""
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
        if self.forked:  # before taking the lock, which a thread of the parent may hold
            raise KernelError(errno.ECHILD, f"this queue belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't read it: make a queue and load its program in the child")

    def take(self, batch: Batch) -> None:
        """Puts the waiting records into the batch, without waiting for more."""
        queue = self._open()
        with self.turn:
            result = lib.p2b_queue_take(queue, batch.struct)
        if result:
            checked(result, "cannot take the queue's records", self._handle)

    def wait(self, timeout_ms: int) -> bool | None:
        """Waits for records: True when there are some, False after the time (-1: no limit) or a signal, None after
        cancel() or close(). Python's signal handlers have run before this method returns.
        """
        self._check_owner()
        result: int = lib.p2b_queue_wait(self._handle.cell, timeout_ms)
        if result == -errno.ECANCELED or is_closed(result):
            return None
        return result != -errno.EINTR and bool(checked(result, "cannot wait for records"))

    def cancel(self) -> None:
        """Ends the current wait and all later ones. Records that are there can still be taken."""
        lib.p2b_queue_cancel(self._handle.cell)

    def poller(self) -> Handle:
        """A descriptor for event loops, readable when there are records: take them then, without calling wait(). The
        descriptor stays open until its handle is closed, even after close() of the reader."""
        made = Handle("a queue's descriptor")
        checked(lib.p2b_queue_poll(self._open(), made.cell), "cannot watch the queue", self._handle)
        return made

    def tick(self, ms: int) -> None:
        """Also makes the poller's descriptor readable every ``ms`` milliseconds, for records that aren't announced."""
        checked(lib.p2b_queue_tick(self._open(), ms), "cannot start a timer for the queue", self._handle)

    def revive(self) -> int:
        """Makes buffers for CPUs that came online, or went offline and came back. Returns how many. Raises
        KernelError."""
        queue = self._open()
        with self.turn:
            return checked(lib.p2b_queue_revive(queue), "cannot make a perf buffer for a CPU that came", self._handle)

    def stats(self, cpu: int | None = None) -> RingStats:
        """The counters of all CPUs' buffers, or of one. Raises KernelError ENOENT if the CPU has no buffer of its
        own."""
        ret = ffi.new("struct p2b_ring_stats *")
        what = "cannot count the records" if cpu is None else f"CPU {cpu} has no perf buffer"
        checked(lib.p2b_queue_stats(self._open(), -1 if cpu is None else cpu, ret), what, self._handle)
        return RingStats(ret.records, ret.lost, ret.corrupt)

    def close(self) -> None:
        """Cancels, and releases the buffers as soon as no thread uses them. Idempotent."""
        self.cancel()
        self._handle.close()
