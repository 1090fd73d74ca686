"""Some records as they came: bytes first, values when somebody asks for them, shared by all who read; and the arrays
that others are read into."""

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
    """Records that a reader put into a batch, to be taken as values, as bytes, or some so and the others so.

    ``ready`` is False until settle(). Each record is given to one taker, whatever threads they are in: the next
    record's number comes from one iterator, which the interpreter never leaves half-way.
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
        """Records that are there already, and their bytes."""
        chunk = cls(codec)
        chunk._data, chunk._items, chunk._next = data, items, iter(range(count))
        chunk.ready = True
        return chunk

    def settle(self) -> None:
        """Copies what is in the batch, whose memory is free then. The caller has the reader's turn."""
        batch = self.batch
        if batch is not None and batch.n:
            data = bytearray(memoryview(batch.out)[: batch.n * batch.size])
            self._items = self._codec.items(data, batch.n, batch.sizes and batch.sizes[: batch.n])
            self._data = memoryview(data)
            self._next = iter(range(batch.n))
        self.ready = True  # until here a signal handler may raise, and settle() be called again
        self.batch = None

    @property
    def left(self) -> int:
        """How many records nobody took yet."""
        return length_hint(self._next)

    def values(self) -> Iterator[Any]:
        """Those that are left; several such iterators share them."""
        return map(getitem, repeat(self._items), self._next)

    def take(self, numbers: list[int], most: int | None = None) -> None:
        """Adds the numbers of those that are left, at most so many: no signal handler runs in between."""
        numbers.extend(islice(self._next, most))

    def values_of(self, numbers: Sequence[int]) -> Iterator[Any]:
        return map(getitem, repeat(self._items), numbers)

    def rows_of(self, numbers: Sequence[int]) -> bytes | memoryview:
        """The bytes of records that were taken together, and so lie side by side."""
        size = self._codec.size
        return self._data[numbers[0] * size : (numbers[-1] + 1) * size] if numbers else b""

    def again(self, numbers: Sequence[int]) -> Chunk:
        """Records that were taken, for others to take."""
        chunk = Chunk(self._codec)
        chunk._data, chunk._items, chunk._next = self._data, self._items, iter(numbers)
        chunk.ready = True
        return chunk


class Taken:
    """What a call takes from chunks: written down, so that it can be put back if a signal handler raises."""

    def __init__(self) -> None:
        self._parts: list[tuple[Chunk, list[int]]] = []

    def take(self, chunk: Chunk, most: int | None = None) -> list[int]:
        """The numbers of the records."""
        numbers: list[int] = []
        self._parts.append((chunk, numbers))
        chunk.take(numbers, most)
        return numbers

    def undo(self, pending: deque[Chunk]) -> None:
        """Puts all in front of what is pending."""
        pending.extendleft(chunk.again(numbers) for chunk, numbers in reversed(self._parts) if numbers)


class ArrayBuffer:
    """An array that a batch fills. Once nobody has a view of it any more, it may be filled again."""

    def __init__(
        self, make: Callable[[], numpy.ndarray[Any, Any]], source: RecordSource, kept: deque[ArrayBuffer]
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
