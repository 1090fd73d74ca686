"""Ring buffers, as in include/uapi/linux/bpf.h: the size of records in the ring, flags, and queries."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

HEADER: Final = 8
"""BPF_RINGBUF_HDR_SZ: the bytes that a record takes in addition to its own, which are rounded up to a multiple of 8."""


class RingFlags(IntFlag):
    """Flags of the helpers that write records. Without a flag, a reader that has caught up is woken."""

    NO_WAKEUP = 1 << 0
    FORCE_WAKEUP = 1 << 1


class RingQuery(IntEnum):
    """The queries of bpf_ringbuf_query()."""

    AVAIL_DATA = 0
    RING_SIZE = 1
    CONS_POS = 2
    PROD_POS = 3


def taken(size: int) -> int:
    """The bytes that a record of ``size`` bytes takes in a ring."""
    return HEADER + (size + 7 & ~7)
