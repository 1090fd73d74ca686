"""The program arrays that a program array leads to: those that its programs use, and theirs.

The kernel empties a program array when nobody has a descriptor or pin of it any more, although programs use it. So an
array holds those of the programs that it was given, as a loaded program holds its own; and what is pinned for an
installed program is all that its arrays lead to, also what is put into them later.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable
from typing import Final

from .handles import Handle

Place = tuple[str, int]
"""Where a program is installed, and its id: see kept.py."""


class Reach:
    """What one array's programs use. All handles of the array in this process have the same."""

    def __init__(self, max_entries: int) -> None:
        self._room = max_entries
        self._held: Final[dict[int, list[Handle]]] = {}
        self.places: Final[set[Place]] = set()
        """For which installed programs the array is pinned."""

    @property
    def arrays(self) -> list[Handle]:
        return [each for held in self._held.values() for each in held]

    def hold(self, prog_id: int, arrays: Iterable[Handle], present: Callable[[], Collection[int]]) -> None:
        """Holds the arrays of a program that is about to be put into this one; ``present`` tells which programs are in
        it, of which no more are held than there is room for."""
        if prog_id in self._held:
            return
        if len(self._held) >= self._room:
            there = present()
            for gone in [each for each in self._held if each not in there]:
                for handle in self._held.pop(gone):
                    handle.close()
        self._held[prog_id] = [each.copy() for each in arrays if each.reach is not self]


_pinned: Final[dict[Place, weakref.WeakSet[Reach]]] = {}


def all_of(arrays: Iterable[Handle]) -> list[Handle]:
    """The arrays and all that they lead to, each once."""
    found: dict[Reach, Handle] = {}
    waiting = list(arrays)
    while waiting:
        handle = waiting.pop(0)
        if handle.reach is not None and handle.reach not in found:
            found[handle.reach] = handle
            waiting += handle.reach.arrays
    return list(found.values())


def pinned(place: Place, arrays: Iterable[Handle]) -> None:
    """Notes that arrays are pinned for an installed program."""
    known = _pinned.setdefault(place, weakref.WeakSet())
    for each in arrays:
        if each.reach is not None:
            each.reach.places.add(place)
            known.add(each.reach)


def let_go(place: Place) -> None:
    """Notes that a program is installed there no more."""
    for reach in _pinned.pop(place, ()):
        reach.places.discard(place)


def let_go_all(gone: Collection[int]) -> None:
    """Notes that these programs are installed nowhere."""
    for place in [each for each in _pinned if each[1] in gone]:
        let_go(place)
