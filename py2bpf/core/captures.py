"""The C core's index of captured packets; csrc/api.h describes it."""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from .._ffi import ffi, lib

Buffer = bytes | bytearray | memoryview
ROOM: Final = 1 << 15
"""How many packets one call of find() finds at most."""


class Found(NamedTuple):
    """Packets: their offsets, sizes and times as arrays of u64, u32 and u64. ``cut`` of them were captured only in
    part. ``used`` is the first byte after them; ``damaged`` says that no valid record can begin there."""

    offsets: memoryview
    sizes: memoryview
    times: memoryview
    cut: int
    used: int
    damaged: bool


class Index:
    """Finds the packets of a file, piece by piece. The arrays are allocated once, since a file with few packets between
    other blocks may need many calls."""

    def __init__(self) -> None:
        self._pcap = ffi.new("struct p2b_pcap *")
        self._arrays = array("Q", bytes(8 * ROOM)), array("I", bytes(4 * ROOM)), array("Q", bytes(8 * ROOM))
        self._held = [ffi.from_buffer(kind, each)
                      for kind, each in zip(("uint64_t[]", "uint32_t[]", "uint64_t[]"), self._arrays, strict=True)]
        self._pcap.offsets, self._pcap.sizes, self._pcap.times = self._held

    def find(self, data: Buffer, begin: int, units: array[int], *, swapped: bool, blocks: bool) -> Found:
        """The packets from ``begin`` on, at most ROOM, up to an incomplete record or a block that is no packet.
        ``units`` (u64) are, for pcap, the nanoseconds in a unit of the time's fraction; for pcapng (``blocks``), the
        ticks per second of each interface."""
        pcap, numbers = self._pcap, ffi.from_buffer("uint64_t[]", units)
        pcap.cap, pcap.used, pcap.units, pcap.n_units = ROOM, begin, numbers, len(units)
        flags = (lib.P2B_PCAP_SWAPPED if swapped else 0) | (lib.P2B_PCAP_NG if blocks else 0)
        result: int = lib.p2b_pcap_index(ffi.from_buffer(data), len(data), flags, pcap)
        offsets, sizes, times = (memoryview(each[: pcap.n]) for each in self._arrays)
        return Found(offsets, sizes, times, pcap.cut, pcap.used, result < 0)
