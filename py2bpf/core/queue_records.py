"""Records of an event queue as bytes: when to look for them, how many were lost, which are too short."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from ..codec import Codec
from ..exception import KernelError
from ..uapi.ring_buffers import taken
from .batches import Batch
from .handles import Handle
from .readers import CoreReader

_SLICE_MAX: Final = 1.0
_SLICE_IMMEDIATE: Final = 0.1
"""Seconds that one system call waits at most: so long a signal that came just before the call may go unnoticed."""


class Records:
    """A reader's records, for values of the codec's type. See record_streams.RecordSource.

    What isn't announced is fetched after ``latency`` seconds; 0: everything is announced. ``room`` is how many bytes
    can be there. ``lost`` tells how many records were lost, where the reader doesn't know; ``refused`` how many beside
    those that it knows of.
    """

    def __init__(
        self, reader: CoreReader, codec: Codec, latency: float, room: int, lost: Callable[[], int] | None = None,
        refused: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        self.codec = codec
        self.most = room // taken(codec.least) + 1
        self._reader = reader
        self._latency = latency
        self._lost, self._refused = lost, refused
        self._watching: Final = threading.RLock()
        self._poller: Handle | None = None
        self.take: Callable[[Batch], None] = reader.take
        """Puts waiting records into a batch, without waiting. Raises ClosedError, KernelError."""

    def batch(self, out: Any, count: int, sizes: Any = None) -> Batch:
        """A batch for at most count records of the codec's size in out; ``sizes`` gets what they had, as u32."""
        return Batch(out, self.codec.size, count, self.codec.least, sizes=sizes)

    @property
    def turn(self) -> AbstractContextManager[Any]:
        return self._reader.turn

    def check(self) -> None:
        """Raises ClosedError after close(), KernelError in a forked child."""
        self._reader.check()

    def wait(self, seconds: float) -> None:
        """Waits for a wake-up, cancel(), a signal, or that time."""
        self._reader.wait(math.ceil(1000 * min(seconds, self._latency or _SLICE_IMMEDIATE, _SLICE_MAX)))

    def poller(self) -> Handle:
        self._reader.check()
        if self._latency:
            self._reader.tick(math.ceil(1000 * self._latency))
        return self._reader.poller()

    def fileno(self) -> int:
        with self._watching:
            self._reader.check()
            if self._poller is None:
                self._poller = self.poller()
            return self._poller.fd

    def lost(self) -> int:
        """Records that found no room or that can't be read, so far."""
        stats = self._reader.stats()
        return (stats.lost if self._lost is None else self._lost()) + self._refused() + stats.corrupt

    def lost_by_cpu(self, n_cpus: int) -> dict[int, int]:
        """Likewise for each CPU that has a buffer of its own."""
        found = {}
        for cpu in range(n_cpus):
            try:
                stats = self._reader.stats(cpu)
            except KernelError:
                continue  # it was never online
            found[cpu] = stats.lost + stats.corrupt
        return found

    @property
    def forked(self) -> bool:
        return self._reader.forked

    def cancel(self) -> None:
        self._reader.cancel()

    def close(self) -> None:
        self._reader.close()
        with self._watching:
            if self._poller is not None:
                self._poller.close()
