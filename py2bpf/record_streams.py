"""Where records of programs come from, and where those for programs go: implemented by the kernel side and the VM."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from .codec import Codec
from .core.batches import Batch
from .core.handles import Handle


class RingPositions(NamedTuple):
    """Bytes that went through a ring buffer: what was read, and what was reserved."""

    consumed: int
    produced: int


class UserRing(Protocol):
    """What a UserRingBuffer sends by: kernel.user_ring.UserRing, whose docstrings tell what the methods do."""

    def send(self, record: bytes) -> bool: ...

    def wait(self, size: int, timeout_ms: int) -> bool: ...

    def next(self, begin: bool, take: bool) -> bytes | None: ...

    def waiting(self) -> int: ...

    def close(self) -> None: ...


class RecordSource(Protocol):
    """Where a reader's records come from. All of it may be called from any thread and from signal handlers."""

    codec: Codec
    most: int
    """How many records can be there at a time, about."""

    @property
    def turn(self) -> AbstractContextManager[Any]:
        """Who takes records has it, after check(): the lock may be one that a forked child can't get."""

    def check(self) -> None:
        """Raises ClosedError after close(), KernelError in a forked child."""

    def batch(self, out: Any, count: int, sizes: Any = None) -> Batch:
        """For at most count records in a buffer; sizes gets what size each had."""

    def take(self, batch: Batch) -> None:
        """Puts into the batch what is there, without waiting. Raises as check() does."""

    def wait(self, seconds: float) -> None:
        """Returns when records are likely there, at the latest after that time, or its own shorter one."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when records are there."""

    def poller(self) -> Handle:
        """Another such descriptor, the caller's own, which stays open after close()."""

    def lost(self) -> int:
        """How many records could not be delivered."""

    def lost_by_cpu(self, n_cpus: int) -> dict[int, int]:
        """Likewise for each CPU below n_cpus that has a buffer of its own."""

    @property
    def forked(self) -> bool:
        """Whether this process is a forked child of the one whose records these are, and can't read them."""

    def cancel(self) -> None:
        """Ends every wait, now and later."""

    def close(self) -> None:
        """Gives everything back; idempotent."""
