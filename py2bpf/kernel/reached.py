"""The program arrays that a program array leads to: those that its programs use, those that their programs use, and so
on.

The kernel empties a program array when no descriptor or pin of it is left, even if programs use it. So an array holds
the arrays of the programs that are stored in it, as a loaded program holds its own arrays. For an installed program,
all arrays that its arrays lead to are pinned, including those of programs that are stored later.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable
from typing import Final

from ..core.handles import Handle, Place, Reach

_pinned: Final[dict[Place, weakref.WeakSet[Reach]]] = {}


def all_of(arrays: Iterable[Handle]) -> list[Handle]:
    """The arrays, and all arrays that they lead to, each once."""
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
    """Notes that a program is no longer installed at a place."""
    for reach in _pinned.pop(place, ()):
        reach.places.discard(place)


def let_go_all(gone: Collection[int]) -> None:
    """Notes that these programs are no longer installed anywhere."""
    for place in [each for each in _pinned if each[1] in gone]:
        let_go(place)
