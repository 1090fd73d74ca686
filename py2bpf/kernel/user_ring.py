"""The writer of user ring buffers in the C core: csrc/api.h tells what the calls do. They release the GIL."""

from __future__ import annotations

import errno
import os
import threading
from typing import Any

from .._ffi import ffi, lib
from ..exception import ClosedError, KernelError
from .core import checked


class UserRing:
    """Sends records of at most ``largest`` bytes to the programs that read a user ring buffer of ``size`` bytes.

    Every method may be called from any thread, close() too; senders take turns. In a forked child all but close() and
    cancel() raise KernelError ECHILD: two writers would overwrite each other's records.
    """

    def __init__(self, map_fd: int, size: int, largest: int) -> None:
        ret = ffi.new("struct p2b_user_ring **")
        checked(lib.p2b_user_ring_create(map_fd, size, ret), f"cannot map a user ring buffer of {size} bytes")
        # Collected when the last call that uses it is over, so closing never frees what a waiting thread uses.
        self._handle = ffi.gc(ret[0], lib.p2b_user_ring_destroy)
        self._turn = threading.RLock()
        self._owner = os.getpid()
        self._largest = largest
        self._position = ffi.new("uint64_t *")

    def _open(self) -> Any:
        handle = self._handle
        if handle is None:
            raise ClosedError("the user ring buffer is closed")
        if os.getpid() != self._owner:  # before the lock, which a thread that the child doesn't have may hold
            raise KernelError(errno.ECHILD, f"this user ring buffer belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't send: make one and load its program in the child")
        return handle

    def send(self, record: bytes) -> bool:
        """Puts a record behind the others; False where there is no room now."""
        handle = self._open()
        with self._turn:
            result: int = lib.p2b_user_ring_send(handle, record, len(record))
        return result != -errno.ENOSPC and checked(result, "cannot send to a user ring buffer") == 0

    def wait(self, size: int, timeout_ms: int) -> bool:
        """Waits until there may be room. False once cancelled or closed. Python's signal handlers have run then."""
        handle = self._handle
        result: int = -errno.ECANCELED if handle is None else lib.p2b_user_ring_wait(handle, size, timeout_ms)
        if result not in (-errno.ECANCELED, -errno.EINTR):
            checked(result, "cannot wait for room in a user ring buffer")
        return result != -errno.ECANCELED

    def next(self, begin: bool, take: bool) -> bytes | None:
        """The record behind the one that this gave before, or the first (``begin``); None behind the last. With
        ``take`` no program will get it."""
        handle, room = self._open(), ffi.new("char[]", self._largest)
        with self._turn:
            if begin:
                self._position[0] = (1 << 64) - 1
            n = lib.p2b_user_ring_peek(handle, self._position, room, self._largest, take)
        size = checked(n, "cannot look into a user ring buffer")
        return bytes(ffi.buffer(room, size)) if size else None

    def waiting(self) -> int:
        """The bytes that programs have not taken yet, headers included."""
        return int(lib.p2b_user_ring_waiting(self._open()))

    def cancel(self) -> None:
        """Ends this and every later wait."""
        handle = self._handle
        if handle is not None:
            lib.p2b_user_ring_cancel(handle)

    def close(self) -> None:
        """Cancels, and gives the mapping back as soon as no thread uses it. May be called again."""
        self.cancel()
        self._handle = None
