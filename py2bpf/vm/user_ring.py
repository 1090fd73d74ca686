"""The writer of the VM's user ring buffers, as kernel.user_ring.UserRing is of the kernel's."""

from __future__ import annotations

import errno
import threading

from .._ffi import ffi, lib
from ..core.failures import checked
from ..core.handles import Handle
from ..exception import ClosedError


class VmUserRing:
    """Sends records of at most ``largest`` bytes. Nothing wakes a sender who waits for room: it looks now and then."""

    def __init__(self, map: Handle, largest: int) -> None:
        self._map = map
        self._largest = largest
        self._turn = threading.RLock()
        self._position = ffi.new("uint64_t *")
        self._closed = threading.Event()

    def send(self, record: bytes) -> bool:
        """Puts a record behind the others; False where there is no room now."""
        result: int = lib.p2b_vm_user_ring_send(self._map.cell, record, len(record))
        return result != -errno.ENOSPC and checked(result, "cannot send to a user ring buffer", self._map) == 0

    def wait(self, size: int, timeout_ms: int) -> bool:
        """Waits a moment. False once closed."""
        return not self._closed.wait(min(timeout_ms, 1) / 1000)

    def next(self, begin: bool, take: bool) -> bytes | None:
        """The record behind the one that this gave before, or the first (``begin``); None behind the last. With
        ``take`` no program will get it."""
        room = ffi.new("char[]", self._largest)
        with self._turn:  # the machine's lock doesn't hold while the position is set here
            if begin:
                self._position[0] = (1 << 64) - 1
            n: int = lib.p2b_vm_user_ring_peek(self._map.cell, self._position, room, self._largest, take)
        size = checked(n, "cannot look into a user ring buffer", self._map)
        return bytes(ffi.buffer(room, size)) if size else None

    def waiting(self) -> int:
        """The bytes that programs have not taken yet, headers included."""
        if self._closed.is_set():
            raise ClosedError("the user ring buffer is closed")
        n: int = lib.p2b_vm_user_ring_waiting(self._map.cell)
        return checked(n, "cannot look into a user ring buffer", self._map)

    def close(self) -> None:
        """Ends waits. May be called again."""
        self._closed.set()
