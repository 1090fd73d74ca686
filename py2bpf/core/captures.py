"""The C core's index of captured packets: csrc/api.h tells what it does."""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from .._ffi import ffi, lib

Buffer = bytes | bytearray | memoryview
ROOM: Final = 1 << 15
"""Packets that one look finds."""


class Found(NamedTuple):
    """Packets: where they begin, how long they are, when they came, as arrays of u64, u32 and u64. ``cut`` of them
    were longer before they were captured. ``used`` is the first byte that belongs to none of them; ``damaged`` says
    that what comes there can't be a record."""

    offsets: memoryview
    sizes: memoryview
    times: memoryview
    cut: int
    used: int
    damaged: bool


class Index:
    """Finds the packets of a file, piece after piece. Its room is made once: a file may have few packets between other
    blocks, and so many pieces."""

    def __init__(self) -> None:
        self._pcap = ffi.new("struct p2b_pcap *")
        self._arrays = array("Q", bytes(8 * ROOM)), array("I", bytes(4 * ROOM)), array("Q", bytes(8 * ROOM))
        self._held = [ffi.from_buffer(kind, each)
                      for kind, each in zip(("uint64_t[]", "uint32_t[]", "uint64_t[]"), self._arrays, strict=True)]
        self._pcap.offsets, self._pcap.sizes, self._pcap.times = self._held

    def find(self, data: Buffer, begin: int, units: array[int], *, swapped: bool, blocks: bool) -> Found:
        """The packets from ``begin`` on, ROOM at most, up to what isn't whole, or no packet. ``units`` (u64): of pcap
        the nanoseconds in a fraction's unit, of pcapng (``blocks``) each interface's ticks in a second."""
        pcap, numbers = self._pcap, ffi.from_buffer("uint64_t[]", units)
        pcap.cap, pcap.used, pcap.units, pcap.n_units = ROOM, begin, numbers, len(units)
        flags = (lib.P2B_PCAP_SWAPPED if swapped else 0) | (lib.P2B_PCAP_NG if blocks else 0)
        result: int = lib.p2b_pcap_index(ffi.from_buffer(data), len(data), flags, pcap)
        offsets, sizes, times = (memoryview(each[: pcap.n]) for each in self._arrays)
        return Found(offsets, sizes, times, pcap.cut, pcap.used, result < 0)
