"""The writer of the VM's user ring buffers: the counterpart of kernel.user_ring.UserRing."""

from __future__ import annotations

import errno
import threading

from .._ffi import ffi, lib
from ..core.failures import checked
from ..core.handles import Handle
from ..exception import ClosedError


class VmUserRing:
    """Sends records of at most ``largest`` bytes. Nothing wakes a sender that waits for room, so it polls."""

    def __init__(self, map: Handle, largest: int) -> None:
        self._map = map
        self._largest = largest
        self._turn = threading.RLock()
        self._position = ffi.new("uint64_t *")
        self._closed = threading.Event()

    def send(self, record: bytes) -> bool:
        """Appends a record. False if there is no room now."""
        result: int = lib.p2b_vm_user_ring_send(self._map.cell, record, len(record))
        return result != -errno.ENOSPC and checked(result, "cannot send to a user ring buffer", self._map) == 0

    def wait(self, size: int, timeout_ms: int) -> bool:
        """Waits at most a millisecond. False after close()."""
        return not self._closed.wait(min(timeout_ms, 1) / 1000)

    def next(self, begin: bool, take: bool) -> bytes | None:
        """The record after the one that the last call gave, or the first one (``begin``); None at the end. With
        ``take`` the record is removed, so that no program gets it."""
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
        """Ends waits. Idempotent."""
        self._closed.set()
