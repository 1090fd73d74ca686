"""Turns the counts of a program into counts that never decrease, and into rates. Doesn't use the kernel.

A map that forgets flows when it is full (an LRU map) makes two things hard. A flow that comes back after it was
forgotten counts from zero again: the time in its entry tells that the count is a new one. And the packets of a flow
between its last reading and its removal are in no entry any more: they are only known as the difference between the
total and all flows. Ledger handles both.
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
"""A flow's entry in the map: start time, packets, bytes. The start time differs whenever the flow is entered again.
A plain tuple, since there are very many."""


@dataclass(frozen=True)
class Snapshot:
    """The contents of the maps. The total is read before and after the flows, since packets come meanwhile."""

    time: float
    """The time in seconds, by a clock that never goes back."""
    total_before: Count
    flows: dict[bytes, Entry]
    total: Count
    missed: int = 0
    """Packets that weren't counted at all: see py2bpf.losses()."""


@dataclass(frozen=True)
class Standing:
    """All counts until a time."""

    time: float = 0.0
    total: Count = NOTHING
    unattributed: Count = NOTHING
    """Packets and bytes of flows that were forgotten before they were read; they are included in the total."""
    flows: dict[bytes, Count] = field(default_factory=dict)
    missed: int = 0


class Ledger:
    """Adds up snapshots. Remembers twice as many flows as the map has room for, so that returning flows continue."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._entries: dict[bytes, Entry] = {}
        self._flows: dict[bytes, Count] = {}
        self._attributed = NOTHING
        self._unattributed = NOTHING

    def add(self, now: Snapshot) -> Standing:
        """All counts until a snapshot, which must be newer than the previous ones."""
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
        # Packets that came while the flows were read may be missing from the first total: never negative, never less.
        missing = now.total_before.minus(self._attributed)
        self._unattributed = Count(*map(max, self._unattributed, missing))
        if len(self._flows) > 2 * self._room:
            self._flows = {key: count for key, count in self._flows.items() if key in now.flows}
        return Standing(now.time, now.total, self._unattributed, dict(self._flows), now.missed)


class Row(NamedTuple):
    """Counts since the start, and rates over an interval."""

    packets: int
    bytes: int
    packets_per_second: float
    bytes_per_second: float


class FlowRow(NamedTuple):
    flow: bytes
    row: Row


@dataclass(frozen=True)
class Report:
    """The report on an interval: ``top`` are the flows with the most bytes, ``other`` is the total without them."""

    seconds: float
    total: Row
    top: list[FlowRow]
    other: Row
    n_flows: int
    unattributed: Count
    missed: int = 0


def report(before: Standing, now: Standing, top: int) -> Report:
    """The changes between two standings."""
    seconds = now.time - before.time

    def earlier(key: bytes) -> Count:
        """A flow's earlier counts; zeros if the count went back, since the ledger had forgotten the flow."""
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
    """The difference, but at least 0: a packet may already be counted in its flow, but not yet in the total."""
    return Count(max(total.packets - part.packets, 0), max(total.bytes - part.bytes, 0))
