"""Reading many records at once, without any work in Python for each: numpy arrays and Arrow tables."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ..borders import mark, shorten
from ..exception import Py2BpfError
from ..given import checked_int
from ..record_streams import RecordSource
from .columns import end_texts, numpy_for
from .pending import PendingReads

if TYPE_CHECKING:
    import numpy
    import pyarrow

BATCH: Final = 1 << 19
"""Bytes of a batch whose size nobody gives: few enough to stay in a processor's own cache until they are looked at."""

_KEPT: Final = 3
"""How many arrays are kept: the one that is read, the one before that the caller still has, and one to spare."""

_RECORDS_MAX: Final = (1 << 63) - 1


class BatchReads(PendingReads):
    """What Reader has of batches."""

    @mark
    def read_batch(self, max: int | None = None, timeout: float | None = None) -> numpy.ndarray[Any, Any]:
        """Waits for records as poll() does, and takes what is there as a numpy array, at most ``max`` of them.

        Of structures it is a structured array, whose fields have the names, types and byte order of the structure's;
        of numbers a plain one. ``max`` is by default what makes 512 kB. The array is empty when the time is over,
        or when the queue was closed meanwhile. Raises ClosedError and ShortRecordError as poll() does, DataTypeError
        for types that numpy can't describe (structures with bit fields), ImportError without numpy.
        """
        rows = None
        try:
            rows = self._rows_for(max)
            array = rows.array
            return rows.used(array, self._fill_batch(rows.batch, timeout))
        except BaseException as error:
            if rows is not None:
                self._put_back(rows.batch.rows(), rows.batch.n)
            if isinstance(error, Py2BpfError):
                shorten(error)
            raise

    @mark
    def read_arrow(self, max: int | None = None, timeout: float | None = None) -> pyarrow.RecordBatch:
        """What read_batch() gives as a batch of Arrow: a column for every field (``value`` for plain numbers).

        Structures within become struct columns, arrays lists of fixed size. Raises ImportError without pyarrow.
        """
        from .arrow import record_batch

        rows = None
        try:
            rows = self.read_batch(max, timeout)
            return record_batch(rows)
        except BaseException as error:
            if rows is not None:
                self._put_back(rows.tobytes(), len(rows))
            if isinstance(error, Py2BpfError):
                shorten(error)
            raise

    def _rows_for(self, most: int | None) -> Rows:
        """Memory for so many records, if possible some that was used before: touching new memory costs more."""
        usual = self._usual
        count = usual if most is None else min(checked_int(most, 1, _RECORDS_MAX, "max"), max(self._source.most, usual))
        for _ in range(len(self._kept)):
            try:
                rows = self._kept.popleft()
            except IndexError:  # another thread has it
                break
            if rows.is_free():
                if len(rows.array) == count:
                    rows.batch.n = 0
                    return rows
            else:
                self._kept.append(rows)
        return Rows(lambda: self._numpy.empty(count, self._dtype), self._source, self._kept)

    @cached_property
    def _usual(self) -> int:
        return BATCH // self._codec.size or 1

    @cached_property
    def _kept(self) -> deque[Rows]:
        return deque(maxlen=_KEPT)

    @cached_property
    def _numpy(self) -> Any:
        return numpy_for("read_batch() and read_arrow()")

    @cached_property
    def _dtype(self) -> Any:
        return self._numpy.dtype(self._codec.dtype)


class Rows:
    """An array that a batch fills. Once nobody has a view of it any more, it may be filled again."""

    def __init__(
        self, make: Callable[[], numpy.ndarray[Any, Any]], source: RecordSource, kept: deque[Rows]
    ) -> None:
        self.array = make()
        self.batch = source.batch(self.array, len(self.array))
        self._kept = kept
        self._free = self._references()  # nobody else has it yet, no local variable either

    def _references(self) -> int:
        """Views refer to the array that has the memory."""
        return sys.getrefcount(self.array)

    def is_free(self) -> bool:
        return self._references() == self._free

    def used(self, array: numpy.ndarray[Any, Any], count: int) -> numpy.ndarray[Any, Any]:
        """The first rows of the array, as a copy where a view would keep much more memory; the rest is kept for later.

        While the caller has the array, nobody else fills it.
        """
        found = array[:count] if 2 * count >= len(array) else array[:count].copy()
        end_texts(found)
        self._kept.append(self)
        return found
