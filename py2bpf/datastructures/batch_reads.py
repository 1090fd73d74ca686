"""Reads many records at once, as numpy arrays or Arrow tables, without Python code for each record."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..borders import mark, shorten
from ..exception import Py2BpfError
from ..given import checked_int
from .chunks import ArrayBuffer
from .columns import numpy_for
from .pending import PendingReads

if TYPE_CHECKING:
    import numpy
    import pyarrow

BATCH: Final = 1 << 19
"""The default size of a batch in bytes: small enough to stay in a processor's cache until the records are used."""

_KEPT: Final = 3
"""How many arrays are kept for reuse: the current one, the previous one if the caller still has it, and a spare."""

_RECORDS_MAX: Final = (1 << 63) - 1


class BatchReads(PendingReads):
    """Reader's methods that read batches."""

    @mark
    def read_batch(self, max: int | None = None, timeout: float | None = None) -> numpy.ndarray[Any, Any]:
        """Waits for records as poll() does, and gives those that are there as a numpy array, at most ``max`` of them.

        Structures become a structured array, whose fields have the names, types and byte order of the structure's
        fields. Numbers become a plain array. ``max`` defaults to as many records as fit in 512 kB. ``timeout`` is in
        seconds. The array is empty if the time is over, or if the queue was closed meanwhile. Raises ClosedError and
        ShortRecordError as poll() does, DataTypeError for types that numpy can't describe (structures with bit fields),
        ImportError without numpy.
        """
        buffer = None
        try:
            buffer = self._buffer_for(max)
            array = buffer.array
            return buffer.used(array, self._fill_batch(buffer.batch, timeout))
        except BaseException as error:
            if buffer is not None:
                self._put_back(buffer.batch.rows(), buffer.batch.n)
            if isinstance(error, Py2BpfError):
                shorten(error)
            raise

    @mark
    def read_arrow(self, max: int | None = None, timeout: float | None = None) -> pyarrow.RecordBatch:
        """The records that read_batch() gives, as a pyarrow.RecordBatch: a column for every field (``value`` for plain
        numbers).

        Nested structures become struct columns, arrays become lists of fixed size. Raises ImportError without pyarrow.
        """
        from .arrow import record_batch

        array = None
        try:
            array = self.read_batch(max, timeout)
            return record_batch(array)
        except BaseException as error:
            if array is not None:
                self._put_back(array.tobytes(), len(array))
            if isinstance(error, Py2BpfError):
                shorten(error)
            raise

    def _buffer_for(self, most: int | None) -> ArrayBuffer:
        """Memory for ``most`` records, if possible reused: touching new memory costs more."""
        usual = self._usual
        count = usual if most is None else min(checked_int(most, 1, _RECORDS_MAX, "max"), max(self._source.most, usual))
        for _ in range(len(self._kept)):
            try:
                buffer = self._kept.popleft()
            except IndexError:  # another thread took it
                break
            if buffer.is_free():
                if len(buffer.array) == count:
                    buffer.batch.n = 0
                    return buffer
            else:
                self._kept.append(buffer)
        return ArrayBuffer(lambda: self._numpy.empty(count, self._dtype), self._source, self._kept)

    @cached_property
    def _usual(self) -> int:
        return BATCH // self._codec.size or 1

    @cached_property
    def _kept(self) -> deque[ArrayBuffer]:
        return deque(maxlen=_KEPT)

    @cached_property
    def _numpy(self) -> Any:
        return numpy_for("read_batch() and read_arrow()")

    @cached_property
    def _dtype(self) -> Any:
        return self._numpy.dtype(self._codec.dtype)
