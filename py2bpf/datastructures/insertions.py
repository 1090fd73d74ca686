"""Counting the entries that programs could not insert."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..ledger import Loss
from ..spec import MapSpec
from ..vm.choice import backend
from .storage import MapStorage

if TYPE_CHECKING:
    from .globals import LossCounter

_making: Final = threading.Lock()


class CountsInsertions:
    """A map that knows what programs could not insert. The counter is made when the first program asks for it."""

    if TYPE_CHECKING:

        @property
        def map_spec(self) -> MapSpec: ...

    _storage: MapStorage
    _counter: LossCounter | None = None
    _lost_in_all = 0

    @property
    def lost_counter(self) -> LossCounter:
        """What programs add to when the map takes no entry: nobody else knows of it. It lives where the map does."""
        from .globals import LossCounter

        with _making:
            if self._counter is None:
                with backend("vm" if self._storage.where == "in the VM" else "kernel"):
                    self._counter = LossCounter()
            return self._counter

    @property
    def lost(self) -> int:
        """How often a program could not insert an entry, the map being full or memory short.

        Counted are ``m[k] = v``, ``m[k] += n``, ``m.add``, ``m.setdefault`` and ``funcs.map_update_elem``, exactly, for
        all programs; where Python can't insert it raises KernelError. An LRU map drops other entries instead.
        """
        counter = self._counter
        if counter is None or counter.closed:
            return self._lost_in_all
        return counter.read()

    def add_lost(self) -> None:
        """Counts one more, of a simulated program."""
        self.lost_counter.add()

    def losses(self, where: str) -> Iterator[Loss]:
        """See py2bpf.losses()."""
        if not self._storage.closed:
            name, hint = self.map_spec.name or type(self).__name__, f"max_entries is {self.map_spec.max_entries}"
            yield Loss("map", name, where, self.lost, f"entries not inserted: {hint}")

    def _close_counter(self) -> None:
        counter = self._counter
        if counter is not None and not counter.closed:
            self._lost_in_all = self.lost
            counter.close()
