"""What keys(), values() and items() return: snapshots with the behaviour of a dict's views."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class _Snapshot:
    """A list taken when the view was made: later changes of the map don't show, iterating it never fails."""

    _entries: list[Any]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries)

    def __reversed__(self) -> Iterator[Any]:
        return self._entries.__reversed__()

    def __contains__(self, entry: object) -> bool:
        return entry in self._entries

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._entries!r})"


class KeysSnapshot(_Snapshot, KeysView[Any]):
    """The keys at one time. Set operations work where keys are hashable (structures aren't)."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = entries


class ValuesSnapshot(_Snapshot, ValuesView[Any]):
    """The values at one time, in the order of the keys."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = entries


class ItemsSnapshot(_Snapshot, ItemsView[Any, Any]):
    """The (key, value) pairs at one time."""

    def __init__(self, entries: list[tuple[Any, Any]]) -> None:
        self._entries = entries
