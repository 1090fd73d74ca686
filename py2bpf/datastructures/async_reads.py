"""Reading a queue in asyncio's event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..borders import mark, shorten
from ..exception import ClosedError, Py2BpfError
from ..record_streams import RecordSource
from .batch_reads import BatchReads

if TYPE_CHECKING:
    import numpy

_T = TypeVar("_T")


class AsyncReads(BatchReads):
    """Reader's methods for asyncio. Tasks of several loops, and threads, may read at the same time."""

    def __init__(self, source: RecordSource) -> None:
        super().__init__(source)
        self._watches: dict[asyncio.AbstractEventLoop, _Watch] = {}

    @mark
    async def get(self) -> Any:
        """The next record. Raises ClosedError when the queue is closed and has no records left.

        Several tasks may wait: each record goes to one of them. Cancelling a task loses no record.
        """
        try:
            self._drop_copies()
            found = self._next_record()
            if found is None:
                found = await self._until(self._read_record)
            return found[0]
        except Py2BpfError as error:
            shorten(error)
            raise

    @mark
    async def get_batch(self, max: int | None = None) -> numpy.ndarray[Any, Any]:
        """Like read_batch(), but waits for at least one record. Raises ClosedError like get()."""
        try:
            self._drop_copies()
            return await self._until(lambda: self._batch_now(max))
        except Py2BpfError as error:
            shorten(error)
            raise

    @mark
    async def __aiter__(self) -> AsyncIterator[Any]:
        """The records, until the queue is closed and has no records left."""
        try:
            while True:
                try:
                    record = await self.get()
                except ClosedError:
                    return
                yield record
        except Py2BpfError as error:
            shorten(error)
            raise

    def _read_chunk(self) -> bool:
        """Wakes other waiting tasks if records are left pending, since no descriptor announces those."""
        try:
            return super()._read_chunk()
        finally:
            if self._watches and self._front():
                for watch in list(self._watches.values()):
                    watch.announce()

    def _next_record(self) -> tuple[Any] | None:
        while chunk := self._front():
            for record in chunk.values():
                return (record,)
        return None

    def _read_record(self) -> tuple[Any] | None:
        if self._front() is None:
            self._read_chunk()
        return self._next_record()

    def _batch_now(self, most: int | None) -> numpy.ndarray[Any, Any] | None:
        buffer = self._buffer_for(most)
        array = buffer.array
        try:
            count = self._pending_into(buffer.batch) if self._closing else self._take_into(buffer.batch)
            return buffer.used(array, count) if count else None
        except BaseException:
            self._put_back(buffer.batch.rows(), buffer.batch.n)
            raise

    async def _until(self, attempt: Callable[[], _T | None]) -> _T:
        """Waits until attempt() gives a result other than None. Yields to other tasks at least once."""
        await asyncio.sleep(0)
        while True:
            over = self._closed.is_set()
            with suppress(ClosedError):
                if (found := attempt()) is not None:
                    return found
            if over:
                self._check_not_over()
            if self._closing:
                self._wait_for_the_end()
            else:
                await self._readable()

    async def _readable(self) -> None:
        """Returns when records are likely there, or after close()."""
        loop = asyncio.get_running_loop()
        for other in [each for each in self._watches if each.is_closed()]:
            self._watches.pop(other, None)
        watch = self._watches.get(loop)
        if watch is None:
            try:
                watch = self._watches[loop] = _Watch(loop, self._source)
            except ClosedError:
                return
        future = loop.create_future()
        watch.waiting.add(future)
        try:
            if self._front() is None:  # no records became pending before this future could be woken
                await future
        finally:
            watch.waiting.discard(future)
            if not watch.waiting and self._watches.pop(loop, None) is not None:
                watch.stop()


class _Watch:
    """A loop that watches a source's descriptor while tasks wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: RecordSource) -> None:
        self.waiting: set[asyncio.Future[None]] = set()
        self._loop = loop
        self._poller = source.poller()
        loop.add_reader(self._poller.fd, self._wake)

    def _wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)

    def announce(self) -> None:
        """Wakes the waiting tasks. May be called from any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def stop(self) -> None:
        self._loop.remove_reader(self._poller.fd)
        self._poller.close()
