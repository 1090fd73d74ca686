"""Reads records from programs: one interface for all kinds of queues."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..borders import mark, shorten
from ..exception import Py2BpfError
from .async_reads import AsyncReads
from .chunks import Taken
from .pending import deadline_of


class Reader(AsyncReads):
    """Records in the order in which each CPU wrote them.

    Iterating blocks until a record comes. After close(), which any thread or signal handler may call, the records that
    are there are delivered, and the iteration ends. Ctrl-C interrupts a wait at once. Several threads may read: each
    record goes to one of them. Leaving a loop early loses nothing: the next loop or poll() continues there.

    Structures are instances that share the memory of some dozens of kB of records, to which nothing else is written. A
    record that is kept for long keeps all of that memory: copy it instead.

    A reader belongs to the process that made it. In a forked child, reading raises KernelError (ECHILD), and close()
    does not touch the parent's reader.
    """

    def __iter__(self) -> Iterator[Any]:
        self._drop_copies()
        return chain.from_iterable(self._runs())

    def _runs(self) -> Iterator[Iterator[Any]]:
        """Iterators over the records of one chunk each. The next chunk is read when the last iterator is exhausted."""
        try:
            while True:
                chunk = self._front()
                if chunk is not None:
                    yield chunk.values()
                elif not self._fill(None, self._read_chunk):
                    return
        except Py2BpfError as error:
            shorten(error)
            raise

    @mark
    def poll(self, timeout: float | None = None) -> list[Any]:
        """Waits for records, at most ``timeout`` seconds (None: without limit, 0: not at all), and gives those that are
        there as a list.

        The list is empty if the time is over, or if the queue was closed meanwhile. One call takes a bounded number of
        records, so it returns in time however fast programs write. Raises ClosedError when the queue is closed and has
        no records left, and ShortRecordError if a program wrote fewer bytes than the type has: the next call gives the
        records that came with the short one.
        """
        try:
            deadline = deadline_of(timeout)
            self._drop_copies()
            if self._front() is None:
                self._check_not_over()
                self._fill(deadline, self._read_chunks)
            return self._take()
        except Py2BpfError as error:
            shorten(error)
            raise

    def _take(self) -> list[Any]:
        values: list[Any] = []
        taken = Taken()
        try:
            while chunk := self._front():
                values += chunk.values_of(taken.take(chunk))
            return values
        except BaseException:
            taken.undo(self._pending)
            raise
