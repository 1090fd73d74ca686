"""Records of perf event arrays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from mmap import PAGESIZE
from typing import Final

from .. import clocks
from .._ffi import lib
from ..codec import Codec
from ..core.batches import Batch
from ..core.handles import Handle
from ..core.queue_records import Records
from ..core.readers import CoreReader
from ..cpus import online_list
from ..exception import KernelError
from ..uapi.operations import Operation

_WATERMARK_SHARE: Final = 4
_NANO: Final = 1_000_000_000
_HOLD_IMMEDIATE: Final = 0.005
"""Seconds for which records wait for older ones if the latency is 0."""


_LOOK: Final = 0.1
"""Seconds between two checks for CPUs that came online."""
_TRY: Final = 10.0
"""Seconds after which all rings are tried even if the checks found nothing: programs that other processes loaded don't
count their refused records here."""
_TICK: Final = 1.0
"""Seconds between two wake-ups of event loops if each record wakes them: a CPU without a ring wakes nobody."""


class PerfRecords(Records):
    """The records of the rings of all CPUs, including CPUs that come online later. ``refused`` gives how many records
    programs could not write for other reasons than lack of room: because a CPU has no ring, or its ring stopped working
    when the CPU went offline.
    """

    def __init__(
        self, reader: CoreReader, codec: Codec, latency: float, room: int, refused: Callable[[], int]
    ) -> None:
        super().__init__(reader, codec, latency, room, refused=refused)
        self._seen = (online_list(), 0)
        self._look_at, self._try_at = time.monotonic() + _LOOK, time.monotonic() + _TRY
        self.take = self._look_and_take

    def _look_and_take(self, batch: Batch) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            self._reader.check()
            self._look_at = now + _LOOK
            self._look(now)
        self._reader.take(batch)

    def _look(self, now: float) -> None:
        found = (online_list(), self._refused())  # read first: changes during revive() are seen the next time
        if found == self._seen and now < self._try_at:
            return
        self._try_at = now + _TRY
        with suppress(KernelError):  # for example no descriptors left: tried again later, and losses count
            self._reader.revive()
            self._seen = found

    def poller(self) -> Handle:
        if not self._latency:
            self._reader.tick(math.ceil(1000 * _TICK))
        return super().poller()


def perf_source(
    map: Handle, n_cpus: int, pages: int, latency: float, codec: Codec, ordered: bool,
    refused: Callable[[], int],
) -> PerfRecords:  # fmt: skip
    """The records of all CPUs' rings of a perf event array; see PerfRecords.

    ``pages`` are data pages per CPU. The kernel wakes the reader when a quarter of a ring is full, since a wake-up
    costs more than many records; fewer records are fetched after at most ``latency`` seconds. With a latency of 0 every
    record wakes the reader. If ``ordered``, records wait half of the latency for older ones. Raises KernelError, and
    Py2BpfError like clocks.offset().
    """
    size = pages * PAGESIZE
    watermark = size // _WATERMARK_SHARE if latency else 0
    if not ordered:
        return PerfRecords(perf_reader(map, n_cpus, pages, 1, watermark), codec, latency, size * n_cpus, refused)
    hold = latency / 2 or _HOLD_IMMEDIATE
    reader = perf_reader(map, n_cpus, pages, 1, watermark, math.ceil(hold * _NANO), clocks.offset())
    return PerfRecords(reader, codec, hold, size * n_cpus, refused)


def perf_reader(
    map: Handle, n_cpus: int, pages: int, wakeup_events: int = 1, watermark: int = 0, hold: int = 0, ahead: int = 0
) -> CoreReader:
    """A reader of the records that programs write to a perf event array.

    ``pages`` is the number of data pages of each CPU's ring, a power of two. A waiting reader is woken after
    ``wakeup_events`` records of one CPU, or after ``watermark`` bytes if that isn't 0. If ``hold`` isn't 0, the CPUs'
    records are merged by time, and wait up to ``hold`` nanoseconds for older ones. ``ahead`` is how many nanoseconds
    this process's CLOCK_MONOTONIC is ahead of the kernel's. Raises KernelError.
    """
    return CoreReader(
        lambda ret: lib.p2b_perfbuf_make(map.cell, n_cpus, pages, wakeup_events, watermark, hold, ahead, ret),
        f"cannot make perf buffers of {pages} pages for each CPU", map, Operation.READ_QUEUE,
    )  # fmt: skip
