"""Records of perf event arrays."""

from __future__ import annotations

import math
from mmap import PAGESIZE
from typing import Final

from .codec import Codec
from .readers import perf_reader
from .records import Records

_WATERMARK_SHARE: Final = 4
_NANO: Final = 1_000_000_000
_HOLD_IMMEDIATE: Final = 0.005
"""Seconds for which records wait for older ones where nobody gives a latency."""


def perf_source(map_fd: int, n_cpus: int, pages: int, latency: float, codec: Codec, ordered: bool) -> Records:
    """The records of all CPUs' rings of a perf event array.

    ``pages`` are data pages per CPU. The kernel wakes the reader when a quarter of a ring is full, since a wake-up
    costs more than many records; what comes slower is fetched after ``latency`` seconds at most. A latency of 0
    asks for a wake-up by every record. Where they are ordered, half of the latency is for waiting for older ones.
    Raises KernelError.
    """
    size = pages * PAGESIZE
    watermark = size // _WATERMARK_SHARE if latency else 0
    if not ordered:
        return Records(perf_reader(map_fd, n_cpus, pages, 1, watermark), codec, latency, size * n_cpus)
    hold = latency / 2 or _HOLD_IMMEDIATE
    reader = perf_reader(map_fd, n_cpus, pages, 1, watermark, math.ceil(hold * _NANO))
    return Records(reader, codec, hold, size * n_cpus)
