"""Chunks of records, shared by all readers, whose values are made only when they are read; and the arrays into which
batches are read."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from operator import getitem, length_hint
from typing import TYPE_CHECKING, Any

from ..codec import Codec
from ..core.batches import Batch
from ..record_streams import RecordSource
from .columns import end_texts

if TYPE_CHECKING:
    import numpy


class Chunk:
    """Records that a reader put into a batch, to be taken as values or as bytes.

    ``ready`` is False until settle(). Each record is given to one taker, even with several threads: the numbers of the
    records come from one iterator, whose steps the interpreter never interrupts.
    """

    def __init__(self, codec: Codec, batch: Batch | None = None) -> None:
        self.batch = batch
        self.ready = False
        self._codec = codec
        self._data: bytes | memoryview = b""
        self._items: Sequence[Any] = ()
        self._next: Iterator[int] = iter(range(0))

    @classmethod
    def of(cls, codec: Codec, items: Sequence[Any], data: bytes, count: int) -> Chunk:
        """A chunk of existing records and their bytes."""
        chunk = cls(codec)
        chunk._data, chunk._items, chunk._next = data, items, iter(range(count))
        chunk.ready = True
        return chunk

    def settle(self) -> None:
        """Copies the records out of the batch, whose memory can then be reused. The caller holds the reader's lock."""
        batch = self.batch
        if batch is not None and batch.n:
            data = bytearray(memoryview(batch.out)[: batch.n * batch.size])
            self._items = self._codec.items(data, batch.n, batch.sizes and batch.sizes[: batch.n])
            self._data = memoryview(data)
            self._next = iter(range(batch.n))
        self.ready = True  # if a signal handler raised before, settle() is called again
        self.batch = None

    @property
    def left(self) -> int:
        """How many records nobody took yet."""
        return length_hint(self._next)

    def values(self) -> Iterator[Any]:
        """The values of the records that are left. Several such iterators share them."""
        return map(getitem, repeat(self._items), self._next)

    def take(self, numbers: list[int], most: int | None = None) -> None:
        """Appends the numbers of the records that are left, at most ``most``. No signal handler runs in between."""
        numbers.extend(islice(self._next, most))

    def values_of(self, numbers: Sequence[int]) -> Iterator[Any]:
        return map(getitem, repeat(self._items), numbers)

    def rows_of(self, numbers: Sequence[int]) -> bytes | memoryview:
        """The bytes of records that were taken together, and so lie side by side."""
        size = self._codec.size
        return self._data[numbers[0] * size : (numbers[-1] + 1) * size] if numbers else b""

    def again(self, numbers: Sequence[int]) -> Chunk:
        """A chunk of records that were taken and are given back."""
        chunk = Chunk(self._codec)
        chunk._data, chunk._items, chunk._next = self._data, self._items, iter(numbers)
        chunk.ready = True
        return chunk


class Taken:
    """Keeps note of the records that a call takes from chunks, to put them back if a signal handler raises."""

    def __init__(self) -> None:
        self._parts: list[tuple[Chunk, list[int]]] = []

    def take(self, chunk: Chunk, most: int | None = None) -> list[int]:
        """Takes records from a chunk, and returns their numbers."""
        numbers: list[int] = []
        self._parts.append((chunk, numbers))
        chunk.take(numbers, most)
        return numbers

    def undo(self, pending: deque[Chunk]) -> None:
        """Puts all records back, in front of the pending ones."""
        pending.extendleft(chunk.again(numbers) for chunk, numbers in reversed(self._parts) if numbers)


class ArrayBuffer:
    """An array that a batch fills. When no view of it exists any more, the array may be filled again."""

    def __init__(
        self, make: Callable[[], numpy.ndarray[Any, Any]], source: RecordSource, kept: deque[ArrayBuffer]
    ) -> None:
        self.array = make()
        self.batch = source.batch(self.array, len(self.array))
        self._kept = kept
        self._free = self._references()  # nothing else refers to it yet, not even a local variable

    def _references(self) -> int:
        """How many references the array has; views of it count, too."""
        return sys.getrefcount(self.array)

    def is_free(self) -> bool:
        return self._references() == self._free

    def used(self, array: numpy.ndarray[Any, Any], count: int) -> numpy.ndarray[Any, Any]:
        """The first rows of the array: a view, or a copy if a view would keep much more memory alive.

        The array is kept for reuse, but not filled while the caller has a view of it.
        """
        found = array[:count] if 2 * count >= len(array) else array[:count].copy()
        end_texts(found)
        self._kept.append(self)
        return found
