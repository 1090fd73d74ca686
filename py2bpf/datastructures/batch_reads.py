"""Reading many records at once, without any work in Python for each: numpy arrays and Arrow tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..kernel.codec import checked_int
from .pending import PendingReads

if TYPE_CHECKING:
    import numpy
    import pyarrow

BATCH: Final = 1 << 20
"""Bytes of a batch whose size nobody gives."""

_RECORDS_MAX: Final = (1 << 63) - 1


class BatchReads(PendingReads):
    """What Reader has of batches."""

    def read_batch(self, max: int | None = None, timeout: float | None = None) -> numpy.ndarray[Any, Any]:
        """Waits for records as poll() does, and takes what is there as a numpy array, at most ``max`` of them.

        Of structures it is a structured array, whose fields have the names, types and byte order of the structure's;
        of numbers a plain one. ``max`` is by default what makes a megabyte. The array is empty when the time is over,
        or when the queue was closed meanwhile. Raises ClosedError and ShortRecordError as poll() does, DataTypeError
        for types that numpy can't describe (structures with bit fields), ImportError without numpy.
        """
        rows = self._empty_rows(max)
        return _used(rows, self.read_into(rows, timeout))

    def read_arrow(self, max: int | None = None, timeout: float | None = None) -> pyarrow.RecordBatch:
        """What read_batch() gives as a batch of Arrow: a column for every field (``value`` for plain numbers).

        Structures within become struct columns, arrays lists of fixed size. Raises ImportError without pyarrow.
        """
        from .arrow import record_batch

        return record_batch(self.read_batch(max, timeout))

    def _empty_rows(self, most: int | None) -> numpy.ndarray[Any, Any]:
        """An array for so many records."""
        count = BATCH // self._codec.size or 1 if most is None else checked_int(most, 1, _RECORDS_MAX, "max")
        rows: numpy.ndarray[Any, Any] = self._numpy.empty(count, self._dtype)
        return rows

    @cached_property
    def _numpy(self) -> Any:
        try:
            import numpy
        except ImportError:
            raise ImportError("read_batch() needs numpy: pip install 'py2bpf[numpy]'") from None
        return numpy

    @cached_property
    def _dtype(self) -> Any:
        return self._numpy.dtype(self._codec.dtype)


def _used(rows: numpy.ndarray[Any, Any], count: int) -> numpy.ndarray[Any, Any]:
    """The first rows; as a copy where that keeps much less memory."""
    return rows[:count] if 2 * count >= len(rows) else rows[:count].copy()
