"""Records from the rings of a perf event array: from C's frames to Python values."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from mmap import PAGESIZE
from typing import Any, Final

from ..exception import DataRangeError
from .codec import Codec
from .readers import FRAME_HEADER, FRAME_MAX, CoreReader, perf_reader

_HEADER: Final = struct.Struct("=II")
_ROOM_MAX: Final = 64 << 20
_WATERMARK_SHARE: Final = 4
_SLICE_MAX: Final = 1.0
_SLICE_IMMEDIATE: Final = 0.1
"""Seconds that one system call waits at most: so long a signal that came just before the call may go unnoticed."""


class FrameSource:
    """A reader's records as values of the codec's type. See datastructures.reader.RecordSource.

    Records that aren't announced are fetched after ``latency`` seconds; 0: the reader announces every record.
    ``room`` is how many bytes can be there. ``lost`` tells how many records were lost, where the reader doesn't know.
    """

    def __init__(
        self, reader: CoreReader, codec: Codec, latency: float, room: int, lost: Callable[[], int] | None = None
    ) -> None:
        self._codec = codec
        self._lost = lost
        self._latency = latency
        self._reader = reader
        # A frame is as long as its record in the ring, so this holds everything that can be there.
        self._room = min(max(room, FRAME_MAX), _ROOM_MAX)
        self._spare: list[bytearray] = []

    def read(self) -> list[Any]:
        """What is there now, without waiting, oldest first for every CPU; a bounded amount.

        Raises ClosedError after close(), and DataRangeError for records shorter than the type: its ``records``
        are those that came with them.
        """
        buffer = self._spare.pop() if self._spare else bytearray(self._room)
        try:
            return self._decode(buffer, self._reader.drain(buffer))
        finally:
            self._spare.append(buffer)

    def _decode(self, buffer: bytearray, used: int) -> list[Any]:
        if not used:
            return []
        size: int = _HEADER.unpack_from(buffer)[1]
        stride = FRAME_HEADER + _round_up(size)
        count = used // stride
        if size < self._codec.size or count * stride != used or not _all_of_size(buffer, used, stride, size):
            return self._decode_mixed(buffer, used)
        return self._codec.decode_many(buffer, count, stride, FRAME_HEADER)

    def _decode_mixed(self, buffer: bytearray, used: int) -> list[Any]:
        good, short = [], []
        for cpu, size, offset in _frames(buffer, used):
            if size < self._codec.size:
                short.append((cpu, size))
            else:
                good.append(self._codec.decode(buffer, offset))
        if short:
            raise ShortRecordError(self._codec, short, good)
        return good

    def wait(self, seconds: float) -> None:
        """Waits for a wake-up, cancel(), a signal, or that time."""
        self._reader.wait(math.ceil(1000 * min(seconds, self._latency or _SLICE_IMMEDIATE, _SLICE_MAX)))

    def fileno(self) -> int:
        if self._latency:
            self._reader.tick(math.ceil(1000 * self._latency))
        return self._reader.fileno()

    def lost(self) -> int:
        """Records that found no room or that can't be read, so far."""
        stats = self._reader.stats()
        return (stats.lost if self._lost is None else self._lost()) + stats.corrupt

    @property
    def forked(self) -> bool:
        return self._reader.forked

    def cancel(self) -> None:
        self._reader.cancel()

    def close(self) -> None:
        self._reader.close()


class PerfSource(FrameSource):
    """The records of all CPUs' rings of a perf event array.

    ``pages`` are data pages per CPU. The kernel wakes the reader when a quarter of a ring is full, since a wake-up
    costs more than many records; what comes slower is fetched after ``latency`` seconds at most. A latency of 0
    asks for a wake-up by every record.
    """

    def __init__(self, map_fd: int, n_cpus: int, pages: int, latency: float, codec: Codec) -> None:
        size = pages * PAGESIZE
        reader = perf_reader(
            map_fd, n_cpus, pages, wakeup_events=1, watermark=size // _WATERMARK_SHARE if latency else 0)
        super().__init__(reader, codec, latency, size * n_cpus)


class ShortRecordError(DataRangeError):
    """A program wrote fewer bytes than a queue's type has. ``records`` are the good ones read at the same time."""

    def __init__(self, codec: Codec, short: list[tuple[int, int]], records: list[Any]) -> None:
        cpu, size = short[0]
        super().__init__(f"a program on CPU {cpu} wrote a record of at most {size} bytes into a queue of "
                         f"{codec.name}, which has {codec.size} bytes; {len(short)} such records were dropped")
        self.records = records


def _round_up(size: int) -> int:
    return size + 7 & ~7


def _all_of_size(buffer: bytearray, used: int, stride: int, size: int) -> bool:
    """Whether all frames have the size of the first: then each header is where the one before says."""
    sizes: list[int] = memoryview(buffer)[:used].cast("I")[1 :: stride // 4].tolist()
    return sizes.count(size) == len(sizes)


def _frames(buffer: bytearray, used: int) -> Iterator[tuple[int, int, int]]:
    at = 0
    while at < used:
        cpu, size = _HEADER.unpack_from(buffer, at)
        yield cpu, size, at + FRAME_HEADER
        at += FRAME_HEADER + _round_up(size)
