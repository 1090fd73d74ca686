"""A layer between a simulated program and a map's storage, with the entries to which the program refers."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from typing import Any

from ..backend import MapStorage
from ..exception import KernelError
from ..uapi.map_types import Update, kind_of
from .errors import SimulationError


class Overlay:
    """Copies of the map's entries to which a program refers.

    In a live run, all changes go to the map: assignments at once, writes through references at flush(). In an isolated
    run, all changes stay here, and the map is only read. If an assignment gives a key a new element, references keep
    the old element, and writes to that are lost.
    """

    def __init__(self, storage: MapStorage, spec: Any, isolated: bool) -> None:
        self._storage = storage
        self._isolated = isolated
        self._kind = kind_of(spec.kind)
        self._replaces = self._kind.replaces and spec.lock_offset is None
        self._room = spec.max_entries
        self._entries: dict[bytes, bytearray] = {}
        self._clean: dict[bytes, bytes] = {}
        self._deleted: set[bytes] = set()
        self._count: int | None = None

    def lookup(self, key: bytes) -> bytes | bytearray | None:
        """The value's bytes. They are shared with the program only if place() gave them before."""
        if not self._entries and not self._deleted:
            return self._storage.lookup(key)
        key = self._element(key)
        if (entry := self._entries.get(key)) is not None:
            return entry
        return None if key in self._deleted else self._storage.lookup(key)

    def place(self, key: bytes) -> bytearray | None:
        """The value's bytes, which the program may change until its end; None if the key is missing."""
        return self._place(self._element(key))

    def _element(self, key: bytes) -> bytes:
        """The key of the element that a program finds: in a trie the longest prefix, else the key itself."""
        if not self._kind.prefixes:
            return key
        covering = [each for each in self._keys(len(key)) if _covers(each, key)]
        return max(covering, key=_prefix_length, default=key)

    def _keys(self, size: int) -> Iterator[bytes]:
        yield from self._entries
        for keys, _, count in self._storage.walk():
            each = (bytes(keys[at : at + size]) for at in range(0, count * size, size))
            yield from (key for key in each if key not in self._deleted)

    def _place(self, key: bytes) -> bytearray | None:
        entry = self._entries.get(key)
        if entry is None:
            data = None if key in self._deleted or not self._has(key) else self._storage.lookup(key)
            if data is None:
                return None
            entry = self._entries[key] = bytearray(data)
            if not self._isolated:
                self._clean[key] = data
        return entry

    def _has(self, key: bytes) -> bool:
        """Whether a trie has an element with exactly this prefix, since its lookup also finds shorter ones."""
        return not self._kind.prefixes or key in self._keys(len(key))

    def update(self, key: bytes, value: bytes, flags: int = 0) -> bool:
        """Stores a value. False if the flags forbid it. Raises KernelError: E2BIG if the map is full."""
        self.flush()
        if self._isolated:
            return self._keep(key, value, flags)
        if not self._storage.update(key, value, flags):
            return False
        if self._replaces:
            self._entries.pop(key, None)
            self._clean.pop(key, None)
        elif (entry := self._entries.get(key)) is not None:
            entry[:] = value
            self._clean[key] = value
        return True

    def _keep(self, key: bytes, value: bytes, flags: int) -> bool:
        entry = self._place(key)
        if entry is not None:
            if flags == Update.NOEXIST:
                return False
            if self._replaces:
                self._entries[key] = bytearray(value)
            else:
                entry[:] = value
            return True
        if flags == Update.EXIST:
            return False
        if not self._kind.forgets and self._size() >= self._room:
            raise KernelError(errno.E2BIG, "the map is full")
        self._entries[key] = bytearray(value)
        self._deleted.discard(key)
        self._count = self._size() + 1
        return True

    def _size(self) -> int:
        if self._count is None:
            self._count = sum(count for _, _, count in self._storage.walk())
        return self._count

    def delete(self, key: bytes) -> bool:
        """Deletes an entry. False if the key is missing."""
        self.flush()
        if not self._isolated:
            self._entries.pop(key, None)
            self._clean.pop(key, None)
            return self._storage.delete(key)
        if self._kind.prefixes:
            raise SimulationError("a simulation apart from the map can't delete from an LPM trie: run it on the map")
        if self.lookup(key) is None:
            return False
        self._count = self._size() - 1
        self._entries.pop(key, None)
        self._deleted.add(key)
        return True

    def flush(self) -> None:
        """Writes changes that were made through references to the map. Entries that were deleted meanwhile stay
        deleted."""
        for key, clean in self._clean.items():
            entry = bytes(self._entries[key])
            if entry != clean and self._storage.update(key, entry, Update.EXIST):
                self._clean[key] = entry

    def entries(self, key_size: int, value_size: int) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) as the program left them."""
        seen = set()
        for keys, values, count in self._storage.walk():
            for at in range(count):
                key = bytes(keys[at * key_size : (at + 1) * key_size])
                if key not in self._deleted:
                    seen.add(key)
                    found = self._entries.get(key)
                    yield key, bytes(values[at * value_size : (at + 1) * value_size]) if found is None else bytes(found)
        for key, entry in self._entries.items():
            if key not in seen and not self._kind.indexed:
                yield key, bytes(entry)


def _prefix_length(key: bytes) -> int:
    return int.from_bytes(key[:4], sys.byteorder)


def _covers(prefix: bytes, key: bytes) -> bool:
    """Whether a trie's element covers a key: whether the key begins with the element's prefix."""
    length = _prefix_length(prefix)
    behind = 8 * (len(key) - 4) - length
    same = (int.from_bytes(prefix[4:], "big") ^ int.from_bytes(key[4:], "big")) >> behind == 0
    return same and length <= _prefix_length(key)
