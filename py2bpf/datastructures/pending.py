"""The common part of all ways to read a queue: pending records, waiting for more records, and closing."""

from __future__ import annotations

import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from ..borders import Public, mark, shorten
from ..codec import Codec
from ..core.batches import Batch, Refused, copy_bytes, size_of_buffer
from ..exception import ClosedError, DataRangeError, DataTypeError, Py2BpfError, ShortRecordError
from ..given import shown
from ..record_streams import RecordSource
from .chunks import Chunk, Taken

CHUNK: Final = 1 << 16
"""Bytes of the records that are read together. An instance of one record keeps all of them in memory."""


class PendingReads(Public):
    """Reads bytes from a source, and manages the life of a queue's reader. See Reader."""

    def __init__(self, source: RecordSource) -> None:
        self._source = source
        self._codec = source.codec
        self._pending: deque[Chunk] = deque()
        self._spare: list[Batch] = []
        self._closing = False
        self._closed = threading.Event()
        self._closer = threading.Lock()  # whoever gets this lock closes, and never releases it
        self._lost_in_all = 0

    # Records

    def _front(self) -> Chunk | None:
        """The first chunk that has records left."""
        while True:
            try:
                chunk = self._pending[0]
            except IndexError:
                return None
            if not chunk.ready:
                return None
            if chunk.left:
                return chunk
            with suppress(ValueError):  # another thread was quicker
                self._pending.remove(chunk)

    def _drop_copies(self) -> None:
        """In a forked child, forgets the pending records, which the parent delivers."""
        if self._pending and self._source.forked:
            self._pending.clear()

    def _read_chunk(self) -> bool:
        """Appends the waiting records to the pending ones, at most one chunk. Returns whether there may be more.

        Raises ClosedError after close(), and ShortRecordError, after the other records of the chunk became pending.
        """
        self._source.check()
        with self._source.turn:
            self._settle()
            batch = self._spare.pop() if self._spare else self._new_batch()
            batch.clear()
            # Appended before it is filled, so that no signal handler can raise between reading and keeping.
            chunk = Chunk(self._codec, batch)
            self._pending.append(chunk)
            try:
                self._source.take(batch)
            finally:
                chunk.settle()
            self._spare.append(batch)
            full, refused = batch.full, batch.refused
        if refused:
            raise _short(self._codec, refused)
        return full

    def _settle(self) -> None:
        """Makes chunks ready whose reading a signal handler interrupted. The caller holds the source's lock."""
        for interrupted in [chunk for chunk in self._pending.copy() if not chunk.ready]:  # others take meanwhile
            interrupted.settle()

    def _new_batch(self) -> Batch:
        count = max(CHUNK // self._codec.size, 1)
        sizes = array("I", bytes(4 * count)) if self._codec.least < self._codec.size else None
        return self._source.batch(bytearray(count * self._codec.size), count, sizes)

    def _read_chunks(self) -> None:
        """Reads all waiting records, but stops if programs write so fast that there are always more."""
        short: ShortRecordError | None = None
        for _ in range(self._source.most * self._codec.size // CHUNK + 2):
            try:
                if not self._read_chunk():
                    break
            except ShortRecordError as error:
                short = short or error
        if short:
            raise short

    def _fill(self, deadline: float | None, read: Callable[[], object]) -> bool:
        """Waits until ``read`` finds records. False at the deadline, and at the end of a closed queue."""
        while not self._closing:
            try:
                read()
            except ClosedError:
                break
            if self._front():
                return True
            if not self._wait(deadline):
                return False
        self._wait_for_the_end()
        return self._front() is not None

    def _wait(self, deadline: float | None) -> bool:
        """Waits for a wake-up, or for a limited time. False at the deadline."""
        left = float("inf") if deadline is None else deadline - time.monotonic()
        if left > 0:
            self._source.wait(left)
        return left > 0

    def _wait_for_the_end(self) -> None:
        """Waits until a close() that has begun is complete. Calls close() too, since the collector may have closed only
        the reader of a queue in a cycle."""
        self.close()
        self._closed.wait()

    def _check_not_over(self) -> None:
        if self._closed.is_set():
            raise ClosedError(f"{self!r} is closed")

    # Bytes

    @mark
    def read_into(self, buffer: Any, timeout: float | None = None) -> int:
        """Waits for records as poll() does, and puts them into a writable buffer as they lie in memory.

        ``buffer`` is a bytearray, a numpy array, a ctypes array or any other writable buffer. Gives the number of
        records, each of which has the type's size; 0 when the time is over, or when the queue was closed meanwhile.
        ``timeout`` is in seconds. Raises DataTypeError if the buffer can't be written to, DataRangeError if not even
        one record fits, ShortRecordError and ClosedError like poll().
        """
        batch = None
        try:
            batch = self._batch_in(buffer)
            return self._fill_batch(batch, timeout)
        except BaseException as error:
            if batch is not None:
                self._put_back(batch.rows(), batch.n)
            if isinstance(error, Py2BpfError):
                shorten(error)
            raise

    def _batch_in(self, buffer: Any) -> Batch:
        """A batch for as many records as fit into a buffer."""
        size = self._codec.size
        found = size_of_buffer(buffer)
        if found < size:
            raise DataRangeError(f"a record of {self._codec.name} has {size} bytes, the buffer {found}")
        return self._source.batch(buffer, found // size)

    def _fill_batch(self, batch: Batch, timeout: float | None) -> int:
        """Waits for records, and puts them into an empty batch. Returns how many; 0 when the time is over.

        If anything raises meanwhile, for example a signal handler, the caller puts the batch's records back.
        """
        deadline = None if timeout is None else deadline_of(timeout)
        self._drop_copies()
        if self._closing and self._front() is None:
            self._check_not_over()
        while not self._closing:
            try:
                if n := self._take_into(batch):
                    return n
            except ClosedError:
                break
            if not self._wait(deadline):
                return 0
        self._wait_for_the_end()
        return self._pending_into(batch)

    def _take_into(self, batch: Batch) -> int:
        """Without waiting, puts the pending records into a batch, or else the waiting ones. Returns how many."""
        if self._pending:
            self._source.check()
            with self._source.turn:
                self._settle()
            if n := self._pending_into(batch):
                return n
        self._source.take(batch)
        if refused := batch.refused:
            raise _short(self._codec, refused)
        return batch.n

    def _pending_into(self, batch: Batch) -> int:
        """Moves pending records into an empty batch. Returns how many."""
        n, size = 0, self._codec.size
        taken = Taken()
        try:
            while n < batch.count and (chunk := self._front()):
                numbers = taken.take(chunk, batch.count - n)
                copy_bytes(batch.out, n * size, chunk.rows_of(numbers))
                n += len(numbers)
            batch.n = n
        except BaseException:
            taken.undo(self._pending)
            raise
        return n

    def _put_back(self, rows: bytes, count: int) -> None:
        """Puts records back that were taken but not delivered: the next call delivers them."""
        if count:
            self._pending.appendleft(Chunk.of(self._codec, self._codec.items(bytearray(rows), count), rows, count))

    def deliver(self, record: Any) -> Chunk:
        """Appends a record of a simulated program (py2bpf.sim) to the pending ones. Gives its chunk, which tells
        whether the record still waits."""
        data = self._codec.encode(record).ljust(self._codec.size, b"\0")
        chunk = Chunk.of(self._codec, (record,), data, 1)
        self._pending.append(chunk)
        return chunk

    # Life

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

        If programs don't announce each record, a timer also makes the descriptor readable after the first call of
        fileno(), even when there are no records and ``poll(0)`` gives []. Call ``poll(0)`` once before the first wait.
        """
        return self._source.fileno()

    @property
    def closed(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Ends iterations and waits in all threads, keeps the unread records for them, and releases the buffers."""
        if not self._closer.acquire(blocking=False):
            if self._closed.is_set():  # a signal handler may have interrupted the first close()
                self._give_back()
            return
        self._closing = True
        try:
            self._source.cancel()
            self._drop_copies()
            with suppress(ClosedError):  # the collector may have closed the reader
                if not self._source.forked:
                    self._read_last()
        finally:
            try:
                self._source.close()
            finally:
                self._closed.set()
                self._give_back()

    def _give_back(self) -> None:
        """Releases everything but the source, at the end of close(). Idempotent."""

    def _read_last(self) -> None:
        """Reads the remaining records, and stores the final count of lost ones."""
        with suppress(ShortRecordError):
            self._read_chunks()
        self._lost_in_all = self._source.lost()

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Raises DataTypeError: readers can't be copied or pickled."""
        raise DataTypeError(f"{self!r} can't be copied or pickled: each record goes to one reader. Pass it on as it is")

    def __enter__(self) -> Self:
        if self._closing:
            raise ClosedError(f"{self!r} is closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _short(codec: Codec, refused: Refused) -> ShortRecordError:
    return ShortRecordError(f"a program on CPU {refused.cpu} wrote a record of at most {refused.size} bytes into a "
                            f"queue of {codec.name}, which has {codec.size} bytes; {refused.records} such records were "
                            "dropped")


def deadline_of(timeout: float | None) -> float | None:
    """The time.monotonic() at which a wait that begins now is over; None for no limit. Raises DataTypeError,
    DataRangeError."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise DataTypeError(f"a timeout is a number of seconds or None, not {shown(timeout)}")
    if not timeout >= 0:
        raise DataRangeError(f"a timeout is 0 or more seconds, or None for no limit, not {shown(timeout)}")
    return time.monotonic() + timeout
