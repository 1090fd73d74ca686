"""The element commands of bpf(2) on maps, and walks over a whole map.

csrc/api.h describes the calls, which release the GIL. A failing call raises KernelError with the errno and advice,
unless a docstring says that the function returns the error.
"""

from __future__ import annotations

import errno
from typing import Any, Final

from .._ffi import ffi, lib
from ..core.entries import Buffer, Buffers, Entries, ReusedBuffers, Stored, entries_of
from ..core.failures import checked, failed, is_closed
from ..core.handles import Handle
from ..uapi.operations import Operation

_USE: Final = Operation.USE_MAP


def _key(key: bytes) -> Any:
    """The key for the kernel, which takes no address for a map without keys."""
    return key or ffi.NULL


def map_lookup(map: Handle, key: bytes, size: int, flags: int = 0) -> bytes | None:
    """The value of a key, ``size`` bytes, or None. For a per-CPU map, the values of all CPUs, each padded to 8
    bytes."""
    value = ffi.new("char[]", size)
    result: int = lib.p2b_map_lookup(map.cell, _key(key), value, flags)
    return _found(map, result, value, "look up a key in the map")


def map_lookup_and_delete(map: Handle, key: bytes, size: int, flags: int = 0) -> bytes | None:
    """Takes a key's value out of the map, or gives None. Hash maps support this since Linux 5.14 (else EOPNOTSUPP)."""
    value = ffi.new("char[]", size)
    result: int = lib.p2b_map_lookup_and_delete(map.cell, _key(key), value, flags)
    return _found(map, result, value, "take a key out of the map")


def _found(map: Handle, result: int, value: Any, what: str) -> bytes | None:
    if result == 0:
        return bytes(ffi.buffer(value))
    if result == -errno.ENOENT:
        return None
    raise failed(result, f"cannot {what}", map, _USE)


def map_update(map: Handle, key: bytes, value: bytes, flags: int = 0) -> None:
    """Sets a key's value. ``flags`` is an uapi.map_types.Update. Raises KernelError E2BIG if the map is full."""
    checked(lib.p2b_map_update(map.cell, _key(key), value, flags), "cannot set a key of the map", map, _USE)


def map_delete(map: Handle, key: bytes) -> bool:
    """Deletes a key. False if it was missing."""
    result: int = lib.p2b_map_delete(map.cell, key)
    return result != -errno.ENOENT and checked(result, "cannot delete a key of the map", map, _USE) == 0


def map_next_key(map: Handle, key: bytes | None, size: int) -> bytes | None:
    """The key after ``key`` (None: the first key), or None after the last one. Starts over if ``key`` was deleted."""
    following = ffi.new("char[]", size)
    result: int = lib.p2b_map_next_key(map.cell, ffi.NULL if key is None else key, following)
    return _found(map, result, following, "find the map's next key")


def map_update_many(
    map: Handle, keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int, flags: int = 0
) -> None:
    """Sets ``count`` keys, in one system call if the kernel has batches."""
    stored = map_store(map, keys, key_size, values, value_size, count, flags)
    checked(-stored.error, f"cannot set {count} keys of the map ({stored.done} are set)", None, _USE)


def map_store(
    map: Handle, keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int, flags: int = 0
) -> Stored:
    """Like map_update_many(), but returns the error."""
    done = ffi.new("uint32_t *")
    source, target = entries_of(keys, key_size, values, value_size, count)
    result: int = lib.p2b_map_update_many(map.cell, key_size, value_size, source, target, count, flags, done)
    if is_closed(result):
        raise map.closed_error()
    return Stored(done[0], -result)


def map_delete_many(map: Handle, keys: Buffer, key_size: int, count: int) -> None:
    """Deletes ``count`` keys, of which some may be missing."""
    done = ffi.new("uint32_t *")
    source = ffi.from_buffer(keys)
    if len(source) < count * key_size:
        raise ValueError(f"{count} keys need more than {len(source)} bytes")
    result: int = lib.p2b_map_delete_many(map.cell, key_size, source, count, done)
    checked(result, f"cannot delete {count} keys of the map ({done[0]} are dealt with)", map, _USE)


class Walk:
    """One iteration over a map that may change meanwhile: every key that stays comes exactly once.

    ``by_keys`` is for kinds whose MapKind has no ``batch``. ``delete`` takes the entries out of the map, ``lock`` reads
    values under their spin locks. A walk continues even if the map's handle is closed meanwhile.
    """

    def __init__(
        self, map: Handle, key_size: int, value_size: int, max_entries: int, by_keys: bool = False,
        delete: bool = False, lock: bool = False,
    ) -> None:  # fmt: skip
        self._sizes = key_size, value_size
        flags = (by_keys and lib.P2B_WALK_KEYS) | (delete and lib.P2B_WALK_DELETE) | (lock and lib.P2B_WALK_LOCK)
        self._walk = Handle(f"a walk through {map.what}")
        made = lib.p2b_walk_make(map.cell, key_size, value_size, max_entries, flags, self._walk.cell)
        checked(made, "cannot read the map", map, _USE)

    def next(self, cap: int, buffers: Buffers | None = None) -> Entries:
        """The next entries, at most ``cap`` (more if the kernel only gives more at once); n = 0 means the end.

        The entries are in the memory that ``buffers`` gives, or in new memory.
        """
        key_size, value_size = self._sizes
        buffers = buffers or ReusedBuffers(key_size, value_size)
        while True:
            keys, values = buffers(cap)
            n: int = lib.p2b_walk_next(self._walk.cell, ffi.from_buffer(keys), ffi.from_buffer(values), cap)
            if n != -errno.ENOSPC:
                break
            cap *= 2
        checked(n, "cannot read the map", self._walk, _USE)
        return Entries(keys[: n * key_size], values[: n * value_size], n)
