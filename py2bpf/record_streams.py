"""Protocols of the sources of records from programs, and of the way records are sent to programs. The kernel side and
the VM implement them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from .codec import Codec
from .core.batches import Batch
from .core.handles import Handle


class RingPositions(NamedTuple):
    """How many bytes of a ring buffer were read so far, and how many were reserved."""

    consumed: int
    produced: int


class UserRing(Protocol):
    """Sends the records of a UserRingBuffer. The docstrings of kernel.user_ring.UserRing describe the methods."""

    def send(self, record: bytes) -> bool: ...

    def wait(self, size: int, timeout_ms: int) -> bool: ...

    def next(self, begin: bool, take: bool) -> bytes | None: ...

    def waiting(self) -> int: ...

    def close(self) -> None: ...


class RecordSource(Protocol):
    """The source of a reader's records. All methods may be called from any thread and from signal handlers."""

    codec: Codec
    most: int
    """About how many records can wait at a time."""

    @property
    def turn(self) -> AbstractContextManager[Any]:
        """The lock that a thread holds while it takes records. Call check() first: in a forked child, the lock may
        never become free."""

    def check(self) -> None:
        """Raises ClosedError after close(), KernelError in a forked child."""

    def batch(self, out: Any, count: int, sizes: Any = None) -> Batch:
        """A batch for at most ``count`` records in the buffer ``out``; ``sizes`` receives the size of each record."""

    def take(self, batch: Batch) -> None:
        """Puts the waiting records into the batch, without waiting for more. Raises the errors of check()."""

    def wait(self, seconds: float) -> None:
        """Waits until records are likely there, but at most ``seconds``, or a shorter time that the source chooses."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when records are there."""

    def poller(self) -> Handle:
        """A descriptor like fileno(), which the caller owns, and which stays open after close()."""

    def lost(self) -> int:
        """How many records could not be delivered."""

    def lost_by_cpu(self, n_cpus: int) -> dict[int, int]:
        """The same for each CPU below ``n_cpus`` that has a buffer of its own."""

    @property
    def forked(self) -> bool:
        """Whether this process is a forked child, which can't read its parent's records."""

    def cancel(self) -> None:
        """Ends all waits, also later ones."""

    def close(self) -> None:
        """Releases everything; idempotent."""
