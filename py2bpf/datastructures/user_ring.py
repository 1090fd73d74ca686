"""The BPF user ring buffer: records from Python to programs."""

from __future__ import annotations

import math
import time
from typing import Any, Final, NoReturn

from ..backend import current
from ..codec import codec_for, type_name
from ..exception import ClosedError, DataRangeError, Py2BpfError
from ..spec import MapSpec
from ..uapi.map_types import MapType
from ..uapi.ring_buffers import HEADER
from ..worlds import in_programs
from .lifetime import OnStorage
from .names import checked_name
from .pending import deadline_of
from .ring import checked_size

RECORD_MAX: Final = 472
"""Bytes. Of the stack's 512 bytes, 8 hold the copy's status, and 32 are the frame of the function that copies."""

_SLICE: Final = 0.1
"""The longest wait of one system call, in seconds. A signal that comes just before the call is noticed after it."""


class UserRingBuffer(OnStorage):
    """``UserRingBuffer(data_type, size=1 << 20, *, name="")``: records from Python to programs, in their order.

    BPF_MAP_TYPE_USER_RINGBUF, Linux 6.1: one buffer. ``size`` is in bytes, a power of two, and a multiple of the page
    size. A record takes 8 bytes in addition to its own, rounded up to a multiple of 8. ``send()`` adds a value of
    ``data_type``, converted as py2bpf.codec says. A program takes records out by ``ring.receive()``, which gives None
    if there is none.

    The buffer belongs to the process that made it: a forked child can't send. A context manager.

    Raises NotSupported on older kernels, KernelError if the map can't be made, DataRangeError for sizes that the kernel
    doesn't accept, and for types too large for the buffer.
    """

    def __init__(self, data_type: Any, size: int = 1 << 20, *, name: str = "") -> None:
        self._codec = codec_for(data_type)
        size = checked_size(size)
        if self._codec.size > min(size - HEADER, RECORD_MAX):
            raise DataRangeError(f"a record in a user ring buffer of {size} bytes has at most "
                                 f"{min(size - HEADER, RECORD_MAX)} bytes, {self._codec.name} has {self._codec.size}")
        self.map_spec: Final = MapSpec(
            kind=int(MapType.USER_RINGBUF), key_type=None, value_type=None, max_entries=size, name=checked_name(name),
            data_type=data_type,
        )  # fmt: skip
        self._storage = current().create_map(self.map_spec, 0, 0)
        try:
            self._ring = self._storage.user_ring(size, self._codec.size)
        except BaseException:
            self._storage.close()
            raise

    def send(self, record: Any, timeout: float | None = None) -> None:
        """Sends a record, and waits for room at most ``timeout`` seconds (None: without limit, 0: not at all).

        Raises TimeoutError if there was no room in this time: the record is not sent. Raises DataTypeError and
        DataRangeError if the record doesn't fit the type, and ClosedError after close(), also if another thread closes
        the buffer meanwhile.
        """
        data = self._codec.encode(record)
        deadline = deadline_of(timeout)
        while not self._ring.send(data):
            left = math.inf if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self!r} is full: no program took a record out within {timeout} seconds")
            if not self._ring.wait(len(data), math.ceil(1000 * min(left, _SLICE))):
                raise ClosedError(f"{self!r} was closed while send() waited for room")

    @property
    def waiting(self) -> int:
        """The bytes that programs have not taken yet, headers included. Raises ClosedError after close()."""
        return self._ring.waiting()

    @in_programs
    def receive(self) -> Any:
        """In a program: takes out the oldest record; None if there is none, or if another program is taking one."""
        self._only_in_programs()

    def _only_in_programs(self) -> NoReturn:
        raise Py2BpfError(f"receive() of {self!r} runs inside BPF programs only, or where py2bpf.sim runs one")

    def close(self) -> None:
        """Releases the buffer; programs that use it keep it alive. Ends waits in other threads. Idempotent."""
        self._ring.close()
        self._storage.close()

    def __repr__(self) -> str:
        name = f" {self.map_spec.name!r}" if self.map_spec.name else ""
        state = "closed" if self.closed else self._storage.where
        return f"<UserRingBuffer{name}({type_name(self.map_spec.data_type)}, {self.map_spec.max_entries}), {state}>"
