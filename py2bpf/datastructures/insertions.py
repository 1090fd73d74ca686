"""Counts failed insertions and lost records of programs, in a hidden companion map, since the kernel reports them to
nobody."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..backend import MapStorage
from ..borders import Public
from ..exception import ClosedError
from ..ledger import Loss
from ..spec import MapSpec
from .globals import LossCounter

_making: Final = threading.Lock()


class CountsLosses(Public):
    """A map or queue for which programs count losses. The counter is made when the first program that may count is
    loaded."""

    _storage: MapStorage
    _counter: LossCounter | None = None
    _counted_in_end = 0

    @property
    def lost_counter(self) -> LossCounter:
        """The counter to which programs add their losses. It lives in the same backend as the map."""
        self._storage.check_open()
        with _making:
            if self._counter is None:
                self._counter = LossCounter(self._storage.backend)
            made = self._counter
        if self._storage.closed:  # meanwhile: close() may not have seen the counter
            self._close_counter()
            self._storage.check_open()
        return made

    def _counted(self) -> int:
        """How many losses programs counted. After close(), the last count."""
        counter = self._counter
        if counter is not None:
            with suppress(ClosedError):
                return counter.read()
        return self._counted_in_end

    def _count_weakly(self) -> Callable[[], int]:
        """_counted() for an object that this one holds. A weak reference avoids a cycle, so that an unused queue is
        closed at once."""
        found = weakref.ref(self)

        def counted() -> int:
            counts = found()
            return 0 if counts is None else counts._counted()

        return counted

    def _close_counter(self) -> None:
        counter = self._counter
        if counter is not None and not counter.closed:
            self._counted_in_end = self._counted()
            counter.close()


class CountsInsertions(CountsLosses):
    """A map that counts the entries that programs could not insert."""

    if TYPE_CHECKING:

        @property
        def map_spec(self) -> MapSpec: ...

    @property
    def lost(self) -> int:
        """How often a program could not insert an entry because the map was full or memory was short.

        The count is exact, for all programs together. It covers ``m[k] = v``, ``m[k] += n``, ``m.add``,
        ``m.setdefault`` and ``funcs.map_update_elem``. In Python a failed insertion raises KernelError instead. An LRU
        map removes other entries.
        """
        return self._counted()

    def add_lost(self) -> None:
        """Counts one failed insertion of a simulated program."""
        self.lost_counter.add()

    def losses(self, where: str) -> Iterator[Loss]:
        """See py2bpf.losses()."""
        if not self._storage.closed:
            name, hint = self.map_spec.name or type(self).__name__, f"max_entries is {self.map_spec.max_entries}"
            yield Loss("map", name, where, self.lost, f"entries not inserted: {hint}")
