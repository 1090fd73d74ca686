"""The C core's index of captured packets: csrc/api.h tells what it does."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
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


def index(data: Buffer, begin: int, units: Sequence[int], *, swapped: bool, blocks: bool) -> Found:
    """The packets from ``begin`` on, ROOM at most, up to what isn't whole, or no packet. ``units``: of pcap the
    nanoseconds in a fraction's unit, of pcapng (``blocks``) each interface's ticks in a second."""
    offsets, sizes, times = array("Q", bytes(8 * ROOM)), array("I", bytes(4 * ROOM)), array("Q", bytes(8 * ROOM))
    pcap, numbers = ffi.new("struct p2b_pcap *"), ffi.new("uint64_t[]", list(units))
    arrays = [ffi.from_buffer(f"{kind}[]", each)
              for kind, each in (("uint64_t", offsets), ("uint32_t", sizes), ("uint64_t", times))]  # fmt: skip
    pcap.offsets, pcap.sizes, pcap.times = arrays
    pcap.cap, pcap.used, pcap.units, pcap.n_units = ROOM, begin, numbers, len(units)
    flags = (lib.P2B_PCAP_SWAPPED if swapped else 0) | (lib.P2B_PCAP_NG if blocks else 0)
    result: int = lib.p2b_pcap_index(ffi.from_buffer(data), len(data), flags, pcap)
    n = pcap.n
    return Found(memoryview(offsets)[:n], memoryview(sizes)[:n], memoryview(times)[:n], pcap.cut, pcap.used, result < 0)
