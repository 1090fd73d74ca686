"""A map's operations on one entry: look up, store, delete, take out."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

from ..codec import Codec
from ..exception import DataRangeError, DataTypeError
from ..spec import MapSpec
from ..uapi.map_types import MapType, Update
from ..worlds import in_programs
from . import locks
from .insertions import CountsInsertions
from .lifetime import OnStorage

MISSING: Final[Any] = object()


class OneEntry(OnStorage, CountsInsertions, MutableMapping[Any, Any]):
    """See Map."""

    kind: ClassVar[MapType]
    map_spec: MapSpec
    _absent: ClassVar[tuple[type[Exception], ...]] = ()
    """The errors for a wrong key that get() and ``in`` treat as a missing key."""
    _keys: Codec
    _values: Codec

    def _key(self, key: Any) -> bytes:
        try:
            return self._keys.encode(key)
        except (DataTypeError, DataRangeError) as error:
            raise type(error)(f"key of {self!r}: {error}") from None

    def _value(self, value: Any) -> bytes:
        try:
            return self._values.encode(value)
        except (DataTypeError, DataRangeError) as error:
            raise type(error)(f"value of {self!r}: {error}") from None

    def _find(self, key: Any) -> bytes | None:
        return self._storage.lookup(self._key(key))

    @in_programs
    def __getitem__(self, key: Any) -> Any:
        data = self._find(key)
        if data is None:
            raise KeyError(key)
        return self._values.decode(data)

    @in_programs
    def get(self, key: Any, default: Any = None) -> Any:
        """The value of the key, or ``default`` if the key is missing. In programs, None tells a missing number from a
        0."""
        try:
            data = self._find(key)
        except self._absent:
            return default
        return default if data is None else self._values.decode(data)

    @in_programs
    def __contains__(self, key: object) -> bool:
        try:
            return self._find(key) is not None
        except self._absent:
            return False

    @in_programs
    def __setitem__(self, key: Any, value: Any) -> None:
        self._storage.update(self._key(key), self._value(value))

    @in_programs
    def __delitem__(self, key: Any) -> None:
        if not self._storage.delete(self._key(key)):
            raise KeyError(key)

    @in_programs
    def add(self, key: Any, value: Any) -> bool:
        """Inserts the entry. Gives False, and changes nothing, if the key is there already."""
        return self._storage.update(self._key(key), self._value(value), Update.NOEXIST)

    @in_programs
    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value of the key. If the key is missing, inserts ``default`` first (None: the map's default, else zero).
        """
        raw = self._key(key)
        value = bytes(self._values.size) if default is None and self.map_spec.default is None else self._value(
            self.map_spec.default if default is None else default)
        while (data := self._find(key)) is None:
            if self._storage.update(raw, value, Update.NOEXIST):
                data = value
                break
        return self._values.decode(data)

    @in_programs
    def pop(self, key: Any, default: Any = MISSING) -> Any:
        """Removes the entry and gives its value. If the key is missing, gives ``default``. Without a default, Python
        raises KeyError, and a program gets what ``m[key]`` gives: the map's default or 0 for numbers, None for
        structures and texts. In programs ``m.pop(key, None)`` tells a missing number from a 0."""
        data = self._storage.take(self._key(key))
        if data is not None:
            return self._values.decode(data)
        if default is MISSING:
            raise KeyError(key)
        return default

    # The names of the original of 2017

    @in_programs
    def lookup(self, key: Any) -> Any:
        """get(key): None if the key is missing."""
        return self.get(key)

    @in_programs
    def delete(self, key: Any) -> None:
        """``del m[key]``."""
        del self[key]

    def get_next_key(self, key: Any = None) -> Any:
        """The key after ``key``, or the first key if ``key`` is None; None at the end. If programs change the map
        meanwhile, an iteration by this method may start again from the beginning; keys() never does."""
        found = self._storage.next_key(None if key is None else self._key(key))
        return None if found is None else self._keys.decode(found)

    def popitem(self) -> tuple[Any, Any]:
        """Removes any entry and gives it as (key, value). Raises KeyError if the map is empty."""
        while (key := self._storage.next_key(None)) is not None:
            if (data := self._storage.take(key)) is not None:
                return self._keys.decode(key), self._values.decode(data)
        raise KeyError(f"popitem(): {self!r} is empty")

    @in_programs
    def lock(self, key: Any) -> AbstractContextManager[Any]:
        """``with m.lock(key) as entry:``, for values that have a SpinLock; ``entry`` is None if the key is missing.

        In a program, ``entry`` is the entry itself, and its lock is held until the end of the block. In Python,
        ``entry`` is a copy, which is read under the lock and written back under the lock at the end: changes that a
        program makes in between are lost. Raises DataTypeError without a SpinLock.
        """
        if self.map_spec.lock_offset is None:
            raise DataTypeError(f"the values of {self!r} have no spin lock: give their structure a SpinLock as a field")
        return locks.Held(self._storage, self._key(key), self._values)
