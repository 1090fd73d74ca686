"""From what a program counted to what happened: counts that never go back, and rates. Nothing here meets the kernel.

A map that forgets flows when it is full (an LRU map) makes two things hard. A flow that comes back after it was
forgotten counts from zero again: its entry tells since when it counts, so that this isn't taken for a step back. And
what a flow counted between the last look at it and its end is in nobody's entry any more: it is known only as what the
total has beyond all flows. Ledger keeps both right.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple


class Count(NamedTuple):
    packets: int
    bytes: int

    def plus(self, other: Count) -> Count:
        return Count(self.packets + other.packets, self.bytes + other.bytes)

    def minus(self, other: Count) -> Count:
        return Count(self.packets - other.packets, self.bytes - other.bytes)


NOTHING = Count(0, 0)


Entry = tuple[int, int, int]
"""A flow's entry in the map: since when it counts, packets, bytes. The time is another one whenever the flow is entered
anew. A plain tuple: there are very many."""


@dataclass(frozen=True)
class Snapshot:
    """What the maps have. The total is read before the flows, and again after them: packets come meanwhile."""

    time: float
    """In seconds, by a clock that never goes back."""
    total_before: Count
    flows: dict[bytes, Entry]
    total: Count
    missed: int = 0
    """Packets that weren't counted at all: see py2bpf.losses()."""


@dataclass(frozen=True)
class Standing:
    """All that was counted until a time."""

    time: float = 0.0
    total: Count = NOTHING
    unattributed: Count = NOTHING
    """Of flows that were forgotten before anybody looked at them; counted in the total."""
    flows: dict[bytes, Count] = field(default_factory=dict)
    missed: int = 0


class Ledger:
    """Adds up snapshots. Remembers twice as many flows as the map has room for, so that flows that come back go on."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._entries: dict[bytes, Entry] = {}
        self._flows: dict[bytes, Count] = {}
        self._attributed = NOTHING
        self._unattributed = NOTHING

    def add(self, now: Snapshot) -> Standing:
        """What was counted in all until a snapshot, which is newer than those before."""
        for key, entry in now.flows.items():
            before = self._entries.get(key)
            if before == entry:
                continue
            since, packets, size = entry
            came = Count(packets, size)
            if before and before[0] == since:
                came = came.minus(Count(*before[1:]))
            self._flows[key] = self._flows.get(key, NOTHING).plus(came)
            self._attributed = self._attributed.plus(came)
        self._entries = now.flows
        # What came while the flows were read may be in them and not in the total of before: never negative, never less.
        missing = now.total_before.minus(self._attributed)
        self._unattributed = Count(*map(max, self._unattributed, missing))
        if len(self._flows) > 2 * self._room:
            self._flows = {key: count for key, count in self._flows.items() if key in now.flows}
        return Standing(now.time, now.total, self._unattributed, dict(self._flows), now.missed)


class Row(NamedTuple):
    """Counts since the begin, and rates over an interval."""

    packets: int
    bytes: int
    packets_per_second: float
    bytes_per_second: float


class FlowRow(NamedTuple):
    flow: bytes
    row: Row


@dataclass(frozen=True)
class Report:
    """An interval: ``top`` are the flows that sent most bytes in it, ``other`` is the total without them."""

    seconds: float
    total: Row
    top: list[FlowRow]
    other: Row
    n_flows: int
    unattributed: Count
    missed: int = 0


def report(before: Standing, now: Standing, top: int) -> Report:
    """What happened between two standings."""
    seconds = now.time - before.time

    def earlier(key: bytes) -> Count:
        """What a flow had then; nothing where its count went back, since the ledger forgot it in between."""
        old = before.flows.get(key, NOTHING)
        return old if old.packets <= now.flows[key].packets else NOTHING

    def row(count: Count, old: Count) -> Row:
        came = count.minus(old)
        return Row(*count, *(number / seconds if seconds > 0 else 0.0 for number in came))

    def weight(key: bytes) -> tuple[int, int]:
        count = now.flows[key]
        return count.bytes - earlier(key).bytes, count.bytes

    largest = heapq.nlargest(top, now.flows, key=weight)
    shown, shown_before = NOTHING, NOTHING
    for key in largest:
        shown, shown_before = shown.plus(now.flows[key]), shown_before.plus(earlier(key))
    return Report(
        seconds,
        row(now.total, before.total),
        [FlowRow(key, row(now.flows[key], earlier(key))) for key in largest],
        row(_rest(now.total, shown), _rest(before.total, shown_before)),
        len(now.flows),
        now.unattributed,
        now.missed,
    )


def _rest(total: Count, part: Count) -> Count:
    """A packet that is being counted may be in its flow already and not yet in the total."""
    return Count(max(total.packets - part.packets, 0), max(total.bytes - part.bytes, 0))
