"""Spin locks in map values, seen from user space."""

from __future__ import annotations

import ctypes
from typing import Any

from ..backend import MapStorage
from ..borders import Public, shorten
from ..codec import Codec
from ..exception import DataTypeError, Py2BpfError
from ..fields import declared
from ..spec import SpinLock, lock_offset
from ..uapi.map_types import KINDS, MapType, Update


def check(kind: MapType, key_type: Any, value_type: Any) -> None:
    """Raises DataTypeError for a lock in a place where the kernel allows none."""
    if _count(key_type):
        raise DataTypeError("a key has no spin lock; give the value's structure one")
    locks = _count(value_type)
    if not locks:
        return
    if not KINDS[kind].lockable:
        raise DataTypeError(f"a {KINDS[kind].title} can't hold values with a spin lock; {_able()} can")
    offset = lock_offset(value_type)
    if locks > 1 or offset is None:
        raise DataTypeError(f"{value_type.__name__} may have one SpinLock, as a field of its own and not in an array, "
                            "union or structure inside")
    if offset % 4:
        raise DataTypeError(f"the spin lock of {value_type.__name__} has to lie at a multiple of 4 bytes")


def _able() -> str:
    return " and ".join(row.made_by for row in KINDS.values() if row.lockable)


def _count(ctype: Any) -> int:
    """How many locks a type has, at any depth."""
    if ctype is SpinLock:
        return 1
    if isinstance(ctype, type) and issubclass(ctype, ctypes.Array) and hasattr(ctype, "_length_"):
        array: Any = ctype
        return _count(array._type_) * int(array._length_)
    if isinstance(ctype, type) and issubclass(ctype, (ctypes.Structure, ctypes.Union)):
        return sum(_count(field.ctype) for field in declared(ctype))
    return 0


class Held(Public):
    """A context manager that gives a copy of an entry (None if it is missing), and writes the copy back at the end.

    Reading and writing each take the entry's lock, so neither meets a half-finished update. In between the lock is
    free, and changes that programs make are overwritten. An entry that is deleted meanwhile stays deleted.
    """

    def __init__(self, storage: MapStorage, key: bytes, values: Codec) -> None:
        self._storage, self._key, self._values = storage, key, values
        self._entry: Any = None

    def __enter__(self) -> Any:
        data = self._storage.lookup(self._key)
        self._entry = None if data is None else self._values.decode(data)
        return self._entry

    def __exit__(self, *_error: object) -> None:
        try:
            if self._entry is not None:
                self._storage.update(self._key, self._values.encode(self._entry), Update.EXIST)
        except Py2BpfError as error:
            shorten(error)
            raise
