"""Reading records from programs: one interface for every kind of queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from ..exception import ClosedError, DataRangeError, DataTypeError


class RecordSource(Protocol):
    """Where a reader's records come from. All of it may be called from any thread and from signal handlers."""

    def read(self) -> list[Any]:
        """What is there, decoded; without waiting. Raises ClosedError after close()."""

    def wait(self, seconds: float) -> None:
        """Returns when records are likely there, at the latest after that time, or its own shorter one."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when records are there."""

    def lost(self) -> int:
        """How many records could not be delivered."""

    @property
    def forked(self) -> bool:
        """Whether this process is a forked child of the one whose records these are, and can't read them."""

    def cancel(self) -> None:
        """Ends every wait, now and later."""

    def close(self) -> None:
        """Gives everything back; idempotent."""


class Reader:
    """Records in the order in which each CPU wrote them.

    Iterating blocks until a record comes, and ends after close() (from any thread, or a signal handler) once the
    records that were there are delivered. Ctrl-C interrupts a wait at once. Several threads may read: each record
    goes to one of them. Leaving a loop early loses nothing, the next loop or poll() goes on.

    A reader belongs to the process that made it: in a forked child reading raises KernelError (ECHILD), and close()
    leaves the parent's reader alone.
    """

    def __init__(self, source: RecordSource) -> None:
        self._source = source
        self._pending: deque[Any] = deque()
        self._closing = False
        self._closed = threading.Event()
        self._lost_in_all = 0

    def __iter__(self) -> Iterator[Any]:
        self._drop_copies()
        while self._pending or self._fill(None):
            try:
                record = self._pending.popleft()
            except IndexError:  # another thread was quicker
                continue
            yield record

    def poll(self, timeout: float | None = None) -> list[Any]:
        """Waits for records, timeout seconds at most (None: no limit, 0: not at all), and takes what is there.

        The list is empty when the time is over, or when the queue was closed meanwhile. One call takes a bounded
        amount, so that it returns in time however fast programs write. Raises ClosedError when nothing is left of
        a closed queue.
        """
        deadline = None if timeout is None else time.monotonic() + _checked_timeout(timeout)
        self._drop_copies()
        if not self._pending:
            if self._closed.is_set():
                raise ClosedError(f"{self!r} is closed")
            self._fill(deadline)
        return self._take()

    def _drop_copies(self) -> None:
        """What was pending when the process forked is the parent's to deliver."""
        if self._source.forked:
            self._pending.clear()

    def _take(self) -> list[Any]:
        taken: list[Any] = []
        try:
            for _ in range(len(self._pending)):
                taken.append(self._pending.popleft())
        except IndexError:  # another thread took the rest
            pass
        return taken

    def _fill(self, deadline: float | None) -> bool:
        """Waits until records are pending: False at the deadline, and at the end of a closed queue."""
        while not self._closing:
            try:
                self._pending.extend(self._source.read())
            except ClosedError:
                break
            except DataRangeError as error:
                self._pending.extend(getattr(error, "records", ()))
                raise
            if self._pending:
                return True
            left = float("inf") if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            self._source.wait(left)
        self._closed.wait()
        return bool(self._pending)

    def deliver(self, record: Any) -> None:
        """Puts a record behind those that wait for a reader: what a simulated program wrote, see py2bpf.sim."""
        self._pending.append(record)

    @property
    def lost(self) -> int:
        """How many records programs could not write because their CPU's buffer was full."""
        if self._closed.is_set():
            return self._lost_in_all
        try:
            return self._source.lost()
        except ClosedError:
            return self._lost_in_all

    def fileno(self) -> int:
        """A descriptor for select() and event loops: when it is readable, call ``poll(0)``.

        Records that wait for a wake-up together are announced by a timer, so after the first call of this the
        descriptor also becomes readable every so often when nothing is there, and ``poll(0)`` gives []. Call
        ``poll(0)`` once before the first wait.
        """
        return self._source.fileno()

    @property
    def closed(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Ends iterations and waits in all threads, keeps what is unread for them, and gives the buffers back."""
        if self._closing:
            return
        self._closing = True
        try:
            self._source.cancel()
            self._drop_copies()
            if not self._source.forked:
                self._lost_in_all = self._source.lost()
                self._pending.extend(self._last_records())
        finally:
            self._source.close()
            self._closed.set()

    def _last_records(self) -> list[Any]:
        try:
            return self._source.read()
        except DataRangeError as error:
            records: list[Any] = getattr(error, "records", [])
            return records

    def __enter__(self) -> Self:
        if self._closing:
            raise ClosedError(f"{self!r} is closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _checked_timeout(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise DataTypeError(f"a timeout is a number of seconds or None, not {timeout!r}")
    if not timeout >= 0:
        raise DataRangeError(f"a timeout is 0 or more seconds, or None for no limit, not {timeout!r}")
    return timeout
