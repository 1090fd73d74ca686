"""Ring buffers of simulated programs: as large as the real ones, and read in the order of reservation.

Records of a simulated program wait in the reader, and count as content of the ring until somebody takes them. Programs
of the kernel or the VM that use the same ring have their own room: neither side counts the other's records. A discarded
record with no record before it frees its room at once.
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
    """The records that a ring's reader was given, with their bytes in the ring. An attribute of the ring, so that they
    need no callback to be freed: an exception that a signal handler raises in a callback would be lost."""
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
        self._written = 0  # bytes of finished records in an isolated run, which gives the reader nothing

    def waiting(self) -> int:
        """The bytes that the reader has not taken, including records not yet submitted: BPF_RB_AVAIL_DATA."""
        unread = _unread(self._map)
        while unread and not unread[0][0].left:
            unread.popleft()
        return sum(room for _, room in unread) + self._written + sum(record.room for record in self._records)

    def _add(self, content: Any, size: int, state: _State) -> bool:
        """Adds a record. If the ring is full, counts a loss and returns False. The kernel never fills the last byte."""
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
        """Discards the records that the program still holds at its end."""
        for record in self._records:
            record.state = _State.GONE if record.state is _State.BUSY else record.state
        self._give(run)

    def _give(self, run: Run) -> None:
        """Gives the reader the submitted records, up to the first one that is still reserved."""
        while self._records and self._records[0].state is not _State.BUSY:
            record = self._records.pop(0)
            chunk = None
            if record.state is _State.READY:
                chunk = run.deliver(self._map, bytes(record.content))
            self._stays(chunk, record.room)

    def _stays(self, chunk: Any, room: int) -> None:
        """Counts a record's bytes until the reader takes it. A discarded record is freed with the record before it."""
        unread = _unread(self._map)
        if self._isolated:
            self._written += room
        elif chunk is not None:
            unread.append((chunk, room))
        elif unread:
            unread.append((unread[-1][0], room))
