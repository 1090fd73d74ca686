"""The results of keys(), values() and items(): snapshots that behave like a dict's views."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class _Snapshot:
    """A list made when the method was called. Later changes of the map don't show, and iteration never fails."""

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
    """The keys at one time. Set operations need hashable keys, which structures aren't."""

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
