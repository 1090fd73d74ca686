"""The environment of simulated programs: the running process, the time, random numbers, and foreign memory."""

from __future__ import annotations

import bisect
import ctypes
import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..borders import Public
from ..exception import DataTypeError
from ..given import shown, text_for_c

_PAGE: Final = 1 << 12
_FIRST: Final = 0x7F00_0000_0000


def _bytes_of(content: Any) -> memoryview:
    try:
        return memoryview(content).cast("B")
    except TypeError:
        raise DataTypeError(f"memory holds bytes, a str or a ctypes object, not {shown(content)}") from None


class Memory(Public):
    """Memory of the kernel or of a process, for programs that follow addresses: ``probe_read`` and ``deref``.

    address = memory.put(b"/etc/passwd")             # bytes and str end with a NUL
    address = memory.put(c_uint64(5))                # ctypes objects stay what they are: writes are seen
    """

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._pieces: dict[int, memoryview] = {}
        self._own: set[int] = set()
        self._next = itertools.count(_FIRST, _PAGE)

    def put(self, content: Any) -> int:
        """Stores bytes, a str or a ctypes object at a new address, which is returned."""
        piece = _bytes_of(bytearray(text_for_c(content)) if isinstance(content, (str, bytes)) else content)
        address = next(self._next)
        for _ in range(len(piece) // _PAGE):
            next(self._next)
        return self.put_at(address, piece)

    def put_at(self, address: int, content: Any) -> int:
        """Stores bytes or a ctypes object at the given address, which is returned."""
        piece = _bytes_of(bytearray(content) if isinstance(content, bytes) else content)
        if address not in self._pieces:
            bisect.insort(self._begins, address)
        self._pieces[address] = piece
        return address

    def share(self, content: Any) -> int:
        """The address of a program's own object, through which programs can read the object from now on."""
        address = self.put_at(ctypes.addressof(content), content)
        self._own.add(address)
        return address

    def is_own(self, address: int) -> bool:
        """Whether the byte at an address belongs to a program's own object."""
        at = bisect.bisect_right(self._begins, address & (1 << 64) - 1) - 1
        return at >= 0 and self._begins[at] in self._own and self._find(address & (1 << 64) - 1, 1) is not None

    def _find(self, address: int, size: int) -> memoryview | None:
        at = bisect.bisect_right(self._begins, address) - 1
        if at < 0:
            return None
        begin = self._begins[at]
        piece = self._pieces[begin]
        return piece[address - begin :] if address + size <= begin + len(piece) else None

    def read(self, address: int, size: int) -> bytes | None:
        """``size`` bytes; None if there is nothing at one of their addresses."""
        found = self._find(address, size)
        return None if found is None else bytes(found[:size])

    def read_text(self, address: int, size: int) -> bytes | None:
        """The bytes up to a NUL, without it, at most ``size``; None if there is nothing at the address."""
        found = self._find(address, 1)
        return None if found is None else bytes(found[:size]).partition(b"\0")[0]

    def write(self, address: int, data: bytes) -> bool:
        """Writes bytes. False if there is nothing at one of their addresses."""
        found = self._find(address, len(data))
        if found is None:
            return False
        found[: len(data)] = data
        return True


def _comm() -> bytes:
    return Path("/proc/thread-self/comm").read_bytes().rstrip(b"\n")


@dataclass
class Environment:
    """The facts that helpers give to programs. By default they are those of the running thread.

    ``tgid`` is the number of the process and ``pid`` that of the thread, in the kernel's words. ``clock`` is a number
    of nanoseconds, or a function that gives it. ``random`` gives get_prandom_u32() its numbers.
    """

    pid: int = field(default_factory=threading.get_native_id)
    tgid: int = field(default_factory=os.getpid)
    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    comm: bytes = field(default_factory=_comm)
    cpu: int = 0
    clock: int | Callable[[], int] = time.monotonic_ns
    random: random.Random = field(default_factory=random.Random)
    memory: Memory = field(default_factory=Memory)

    def now(self) -> int:
        return self.clock if isinstance(self.clock, int) else self.clock()
