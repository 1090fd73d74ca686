"""The writer of user ring buffers in the C core; csrc/api.h describes the calls, which release the GIL."""

from __future__ import annotations

import errno
import os
import threading
from typing import Any

from .._ffi import ffi, lib
from ..core.failures import checked, is_closed
from ..core.handles import Handle
from ..exception import KernelError


class UserRing:
    """Sends records of at most ``largest`` bytes to the programs that read a user ring buffer of ``size`` bytes.

    All methods, including close(), may be called from any thread; senders take turns. In a forked child all methods
    but close() and cancel() raise KernelError ECHILD, since two writers would overwrite each other's records.
    """

    def __init__(self, map: Handle, size: int, largest: int) -> None:
        self._handle = Handle("the user ring buffer")
        checked(lib.p2b_uring_make(map.cell, size, self._handle.cell), f"cannot map a user ring buffer of {size} bytes",
                map)  # fmt: skip
        self._turn = threading.RLock()
        self._owner = os.getpid()
        self._largest = largest
        self._position = ffi.new("uint64_t *")

    def _open(self) -> Any:
        self._handle.check_open()
        if os.getpid() != self._owner:  # before taking the lock, which a thread of the parent may hold
            raise KernelError(errno.ECHILD, f"this user ring buffer belongs to process {self._owner}, its forked child "
                              f"{os.getpid()} can't send: make one and load its program in the child")
        return self._handle.cell

    def send(self, record: bytes) -> bool:
        """Appends a record. False if there is no room now."""
        ring = self._open()
        with self._turn:
            result: int = lib.p2b_uring_send(ring, record, len(record))
        return result != -errno.ENOSPC and checked(result, "cannot send to a user ring buffer", self._handle) == 0

    def wait(self, size: int, timeout_ms: int) -> bool:
        """Waits until there may be room. False after cancel() or close(). Python's signal handlers have run before this
        method returns."""
        result: int = lib.p2b_uring_wait(self._handle.cell, size, timeout_ms)
        if is_closed(result) or result == -errno.ECANCELED:
            return False
        if result != -errno.EINTR:
            checked(result, "cannot wait for room in a user ring buffer")
        return True

    def next(self, begin: bool, take: bool) -> bytes | None:
        """The record after the one that the last call gave, or the first one (``begin``); None at the end. With
        ``take`` the record is removed, so that no program gets it."""
        ring, room = self._open(), ffi.new("char[]", self._largest)
        with self._turn:
            if begin:
                self._position[0] = (1 << 64) - 1
            n = lib.p2b_uring_peek(ring, self._position, room, self._largest, take)
        size = checked(n, "cannot look into a user ring buffer", self._handle)
        return bytes(ffi.buffer(room, size)) if size else None

    def waiting(self) -> int:
        """The bytes that programs have not taken yet, headers included."""
        return checked(lib.p2b_uring_waiting(self._open()), "cannot look into a user ring buffer", self._handle)

    def cancel(self) -> None:
        """Ends the current wait and all later ones."""
        lib.p2b_uring_cancel(self._handle.cell)

    def close(self) -> None:
        """Cancels, and releases the mapping as soon as no thread uses it. Idempotent."""
        self.cancel()
        self._handle.close()
