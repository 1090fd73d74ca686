"""Records of an event queue as bytes: taking them, waiting for them, and counting lost ones."""

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
"""The longest wait of one system call, in seconds. A signal that comes just before the call is noticed after it."""


class Records:
    """A reader's records, for values of the codec's type. See record_streams.RecordSource.

    Records that programs don't announce are fetched after ``latency`` seconds; 0: all records are announced. ``room``
    is how many bytes can wait. ``lost`` gives the number of lost records if the reader doesn't count them itself;
    ``refused`` gives the number of records that were lost in addition to the reader's count.
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
        """Puts the waiting records into a batch, without waiting for more. Raises ClosedError, KernelError."""

    def batch(self, out: Any, count: int, sizes: Any = None) -> Batch:
        """A batch for at most ``count`` records of the codec's size in ``out``. ``sizes`` receives the size of each
        record as u32."""
        return Batch(out, self.codec.size, count, self.codec.least, sizes=sizes)

    @property
    def turn(self) -> AbstractContextManager[Any]:
        return self._reader.turn

    def check(self) -> None:
        """Raises ClosedError after close(), KernelError in a forked child."""
        self._reader.check()

    def wait(self, seconds: float) -> None:
        """Waits for a wake-up, cancel() or a signal, at most ``seconds``."""
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
        """How many records so far found no room, or could not be read."""
        stats = self._reader.stats()
        return (stats.lost if self._lost is None else self._lost()) + self._refused() + stats.corrupt

    def lost_by_cpu(self, n_cpus: int) -> dict[int, int]:
        """The same for each CPU that has a buffer of its own."""
        found = {}
        for cpu in range(n_cpus):
            try:
                stats = self._reader.stats(cpu)
            except KernelError:
                continue  # the CPU was never online
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
