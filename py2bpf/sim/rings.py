"""Ring buffers as simulated programs fill them: as large as the real ones, and read in the order of reservation.

What a simulated program wrote waits with the reader; until somebody takes it, it fills the ring. Records that programs
of the kernel (or the VM) wrote to the same ring aren't counted, nor do they count these; and a discarded record that
nothing is in front of gives its room back at once.
"""

from __future__ import annotations

import ctypes
import errno
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from ..uapi.ring_buffers import taken
from . import values
from .errors import SimulationError
from .running import Run

_FULL: Final = -errno.EAGAIN


def _unread(ring: Any) -> deque[tuple[Any, int]]:
    """What a ring's reader was given, and the bytes that takes. It goes with the ring, and by no callback: what a
    signal's handler raises within one is lost."""
    found: deque[tuple[Any, int]] = vars(ring).setdefault("_py2bpf_unread", deque())
    return found


class _State(Enum):
    BUSY = "reserved"
    READY = "submitted"
    GONE = "discarded"


@dataclass(eq=False)
class _Record:
    content: Any
    room: int
    state: _State


class RingView:
    """A ring buffer in one run of a program."""

    def __init__(self, map: Any, isolated: bool) -> None:
        self._map, self._isolated = map, isolated
        self._size: int = map.map_spec.max_entries
        self._records: list[_Record] = []
        self._written = 0  # bytes, where the run is isolated, and nobody is given anything

    def waiting(self) -> int:
        """Bytes that the reader has not taken, of submitted records and others: BPF_RB_AVAIL_DATA."""
        unread = _unread(self._map)
        while unread and not unread[0][0].left:
            unread.popleft()
        return sum(room for _, room in unread) + self._written + sum(record.room for record in self._records)

    def _add(self, content: Any, size: int, state: _State) -> bool:
        """False, and a loss, where the ring is full. The kernel never fills the last byte."""
        room = taken(size)
        if self.waiting() + room > self._size - 1:
            if not self._isolated:
                self._map.lost_counter.add()
            return False
        self._records.append(_Record(content, room, state))
        return True

    def output(self, run: Run, data: bytes) -> int:
        """ring.output(): 0, or a negative error number."""
        if not self._add(data, len(data), _State.READY):
            return _FULL
        self._give(run)
        return 0

    def reserve(self) -> Any:
        """ring.reserve(): a record of zeros, or None."""
        ctype = self._map.map_spec.data_type
        record = values.view(ctype, bytearray(ctypes.sizeof(ctype)))
        return record if self._add(record, ctypes.sizeof(ctype), _State.BUSY) else None

    def end(self, run: Run, content: Any, submit: bool) -> None:
        """ring.submit() or ring.discard()."""
        if content is None:
            raise TypeError("a ring buffer that is full has reserved no record")
        busy = (record for record in self._records if record.content is content and record.state is _State.BUSY)
        found = next(busy, None)
        if found is None:
            raise SimulationError(f"{self._map!r} has not reserved that, or not any more")
        found.state = _State.READY if submit else _State.GONE
        self._give(run)

    def forget(self, run: Run) -> None:
        """The program ends: what it still holds is discarded."""
        for record in self._records:
            record.state = _State.GONE if record.state is _State.BUSY else record.state
        self._give(run)

    def _give(self, run: Run) -> None:
        """Gives the reader what is submitted, up to the first record that isn't."""
        while self._records and self._records[0].state is not _State.BUSY:
            record = self._records.pop(0)
            chunk = None
            if record.state is _State.READY:
                chunk = run.deliver(self._map, bytes(record.content))
            self._stays(chunk, record.room)

    def _stays(self, chunk: Any, room: int) -> None:
        """What a record takes until the reader comes by; one that was discarded goes with the record before it."""
        unread = _unread(self._map)
        if self._isolated:
            self._written += room
        elif chunk is not None:
            unread.append((chunk, room))
        elif unread:
            unread.append((unread[-1][0], room))
