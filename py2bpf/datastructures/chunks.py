"""Some records as they came: bytes first, values when somebody asks for them, shared by all who read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from operator import getitem, length_hint
from typing import Any

from ..kernel.codec import Codec
from ..kernel.readers import Batch


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

    def rows(self, most: int) -> bytes | memoryview:
        """Takes at most so many records, as their bytes."""
        taken = list(islice(self._next, most))
        size = self._codec.size
        return self._data[taken[0] * size : (taken[-1] + 1) * size] if taken else b""
