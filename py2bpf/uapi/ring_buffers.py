"""Ring buffers, as in include/uapi/linux/bpf.h: what a record takes, when its reader is woken, what can be asked."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

HEADER: Final = 8
"""BPF_RINGBUF_HDR_SZ: what a record takes beside its own bytes, which count in multiples of 8."""


class RingFlags(IntFlag):
    """Flags of the helpers that write records. Without one a reader who has caught up is woken."""

    NO_WAKEUP = 1 << 0
    FORCE_WAKEUP = 1 << 1


class RingQuery(IntEnum):
    """What bpf_ringbuf_query() is asked for."""

    AVAIL_DATA = 0
    RING_SIZE = 1
    CONS_POS = 2
    PROD_POS = 3


def taken(size: int) -> int:
    """The bytes of a ring that a record of that size takes."""
    return HEADER + (size + 7 & ~7)
