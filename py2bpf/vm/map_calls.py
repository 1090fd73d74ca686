"""The VM's maps in the C core, with types and exceptions; csrc/api.h describes the calls, which release the GIL."""

from __future__ import annotations

import errno
import mmap
from typing import Any, Final

from .._ffi import ffi, lib
from ..core.entries import Buffer, Buffers, Entries, Stored, entries_of
from ..core.failures import checked, is_closed
from ..core.handles import Handle
from ..core.readers import CoreReader
from ..exception import KernelError

WALK_DELETE: Final[int] = lib.P2B_WALK_DELETE
_SPARE: Final = 64
"""Room for entries that are added between counting and copying."""


def map_create(
    machine: Any, kind: int, key_size: int, value_size: int, max_entries: int, flags: int, n_cpus: int,
    what: str = "a map of the VM", memory: mmap.mmap | None = None,
) -> Handle:  # fmt: skip
    """A new map; ``memory`` is the memory for the values of an array (array_memory()). Raises KernelError with the
    errno that the kernel would give."""
    made = Handle(what)
    spec = ffi.new("struct p2b_vm_map_spec *", (kind, key_size, value_size, max_entries, flags, n_cpus))
    if memory is not None:
        spec.memory, spec.done = _lend(memory), lib.p2b_vm_memory_done
    result: int = lib.p2b_vm_map_create(machine, spec, made.cell)
    if result < 0 and memory is not None:
        del _lent[spec.memory]
    checked(result, f"cannot make a map of {max_entries} entries in the VM")
    return made


_lent: Final[dict[Any, Any]] = {}
"""The memory that maps use, by pointer. Some maps use it for longer than any Python object refers to it."""


def array_memory(value_size: int, max_entries: int) -> mmap.mmap:
    """Memory for the values of an array, all zeros, a copy in a forked child. Raises KernelError."""
    size: int = lib.p2b_vm_array_size(value_size, max_entries)
    try:
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError, ValueError):
        raise KernelError(errno.ENOMEM, f"cannot make an array of {max_entries} values of {value_size} bytes in the VM"
                          ) from None


def _lend(memory: mmap.mmap) -> Any:
    lent = ffi.from_buffer(memory)
    place = ffi.cast("void *", lent)
    _lent[place] = lent
    return place


# A C method: an exception that a signal handler raises in a Python callback would be lost in the C core.
ffi.def_extern(name="p2b_vm_memory_done")(_lent.__delitem__)


def map_lookup(map: Handle, key: bytes, size: int) -> bytes | None:
    value = ffi.new("char[]", size)
    result: int = lib.p2b_vm_map_lookup(map.cell, key, value)
    return _found(map, result, value, "look up a key in the map")


def map_take(map: Handle, key: bytes, size: int) -> bytes | None:
    value = ffi.new("char[]", size)
    result: int = lib.p2b_vm_map_take(map.cell, key, value)
    return _found(map, result, value, "take a key out of the map")


def _found(map: Handle, result: int, value: Any, what: str) -> bytes | None:
    if result == -errno.ENOENT:
        return None
    checked(result, f"cannot {what}", map)
    return bytes(ffi.buffer(value))


def map_update(map: Handle, key: bytes, value: bytes, flags: int) -> None:
    checked(lib.p2b_vm_map_update(map.cell, key, value, flags), "cannot set a key of the map", map)


def map_store(
    map: Handle, keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int
) -> Stored:
    """Stores ``count`` entries. Returns how many were stored, and the errno for the next one. Raises ClosedError."""
    done = ffi.new("uint32_t *")
    source, target = entries_of(keys, key_size, values, value_size, count)
    result: int = lib.p2b_vm_map_update_many(map.cell, source, target, count, 0, done)
    if is_closed(result):
        raise map.closed_error()
    return Stored(done[0], -result)


def map_delete(map: Handle, key: bytes) -> bool:
    result: int = lib.p2b_vm_map_delete(map.cell, key)
    return result != -errno.ENOENT and checked(result, "cannot delete a key of the map", map) == 0


def map_next_key(map: Handle, key: bytes | None, size: int) -> bytes | None:
    following = ffi.new("char[]", size)
    result: int = lib.p2b_vm_map_next_key(map.cell, ffi.NULL if key is None else key, following)
    return _found(map, result, following, "find the map's next key")


def map_walk(map: Handle, buffers: Buffers, delete: bool) -> Entries:
    """A snapshot of all keys and values, at the start of the memory that ``buffers`` gives, and their number."""
    while True:
        cap = checked(lib.p2b_vm_map_count(map.cell), "cannot read the map", map) + _SPARE
        keys, values = buffers(cap)
        n: int = lib.p2b_vm_map_walk(
            map.cell, ffi.from_buffer(keys), ffi.from_buffer(values), cap, WALK_DELETE if delete else 0)
        if n != -errno.ENOSPC:
            return Entries(keys, values, checked(n, "cannot read the map", map))


def map_set_prog(map: Handle, index: int, prog: Handle | None, number: int) -> bool:
    """Stores a program; None removes one. False if there was none to remove."""
    result: int = lib.p2b_vm_map_set_prog(map.cell, index, ffi.NULL if prog is None else prog.cell, number)
    if is_closed(result) and prog is not None:
        prog.check_open()
    return result != -errno.ENOENT and checked(result, "cannot put that into the program array", map) == 0


# Event queues


def queue_reader(map: Handle, pages: int = 0, ordered: bool = False) -> CoreReader:
    """A reader of a perf event array, with ``pages`` pages for each CPU, or of a ring buffer, which has its own memory.

    With ``ordered``, the records of all CPUs come in the order in which they were written. Every record is announced at
    once. Raises KernelError.
    """
    return CoreReader(lambda ret: lib.p2b_vm_queue_read(map.cell, pages, ordered, ret),
                      f"cannot make buffers of {pages} pages for each CPU", map)
