"""The VM's maps in the C core, with types and exceptions: csrc/api.h tells what the calls do. They release the GIL."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from .._ffi import ffi, lib
from ..exception import KernelError
from ..kernel.core import Buffer, Entries, Stored, checked
from ..kernel.readers import CoreReader

WALK_DELETE: Final[int] = lib.P2B_WALK_DELETE
_SPARE: Final = 64
"""Entries of room for what comes between counting and copying."""


# The machine


def machine_lock(machine: Any) -> None:
    """Has programs and maps stand still until machine_unlock(): waits for a running program's next pause."""
    lib.p2b_vm_lock(machine)


def machine_unlock(machine: Any) -> None:
    lib.p2b_vm_unlock(machine)


def machine_forked(machine: Any) -> None:
    """In a child that was forked while the machine was locked: unlocks it, and forgets what the parent's other
    threads were running."""
    lib.p2b_vm_forked(machine)


# Elements


def map_create(
    machine: Any, kind: int, key_size: int, value_size: int, max_entries: int, flags: int, n_cpus: int
) -> Any:
    """The map's handle. Raises KernelError with the errno that the kernel would give."""
    spec = ffi.new("struct p2b_vm_map_spec *", (kind, key_size, value_size, max_entries, flags, n_cpus))
    ret = ffi.new("struct vm_map **")
    checked(lib.p2b_vm_map_create(machine, spec, ret), f"cannot make a map of {max_entries} entries in the VM")
    return ffi.gc(ret[0], lib.p2b_vm_map_destroy)


def map_lookup(handle: Any, key: bytes, size: int) -> bytes | None:
    value = ffi.new("char[]", size)
    result: int = lib.p2b_vm_map_lookup(handle, key, value)
    return _found(result, value, "look up a key in the map")


def map_take(handle: Any, key: bytes, size: int) -> bytes | None:
    value = ffi.new("char[]", size)
    result: int = lib.p2b_vm_map_take(handle, key, value)
    return _found(result, value, "take a key out of the map")


def _found(result: int, value: Any, what: str) -> bytes | None:
    if result == -errno.ENOENT:
        return None
    checked(result, f"cannot {what}")
    return bytes(ffi.buffer(value))


def map_update(handle: Any, key: bytes, value: bytes, flags: int) -> None:
    checked(lib.p2b_vm_map_update(handle, key, value, flags), "cannot set a key of the map")


def map_store(handle: Any, keys: Buffer, values: Buffer, count: int) -> Stored:
    """Stores count entries; how many it did, and the errno of the next one."""
    done = ffi.new("uint32_t *")
    result: int = lib.p2b_vm_map_update_many(handle, ffi.from_buffer(keys), ffi.from_buffer(values), count, 0, done)
    return Stored(done[0], -result)


def map_delete(handle: Any, key: bytes) -> bool:
    result: int = lib.p2b_vm_map_delete(handle, key)
    return result != -errno.ENOENT and checked(result, "cannot delete a key of the map") == 0


def map_memory(handle: Any) -> Any:
    """The values of an array that has MapFlags.MMAPABLE, as a writable buffer that keeps the map alive."""
    size = ffi.new("uint64_t *")
    address = lib.p2b_vm_map_memory(handle, size)
    if address == ffi.NULL:
        raise KernelError(errno.EPERM, "cannot have the map's values as memory: it is no array made for that")
    return ffi.buffer(ffi.gc(address, lambda _, keep=handle: None), size[0])


def map_next_key(handle: Any, key: bytes | None, size: int) -> bytes | None:
    following = ffi.new("char[]", size)
    result: int = lib.p2b_vm_map_next_key(handle, ffi.NULL if key is None else key, following)
    return _found(result, following, "find the map's next key")


def map_walk(handle: Any, room: Callable[[int], tuple[memoryview, memoryview]], delete: bool) -> Entries:
    """All keys and values at one time, at the beginning of the memory that ``room`` gives, and their number."""
    while True:
        cap = checked(lib.p2b_vm_map_count(handle), "cannot read the map") + _SPARE
        keys, values = room(cap)
        n: int = lib.p2b_vm_map_walk(
            handle, ffi.from_buffer(keys), ffi.from_buffer(values), cap, WALK_DELETE if delete else 0)
        if n != -errno.ENOSPC:
            return Entries(keys, values, checked(n, "cannot read the map"))


def map_set_prog(handle: Any, index: int, prog: Any | None, number: int) -> bool:
    """Puts a program in; None takes one out, and gives whether there was one."""
    result: int = lib.p2b_vm_map_set_prog(handle, index, ffi.NULL if prog is None else prog, number)
    return result != -errno.ENOENT and checked(result, "cannot put that into the program array") == 0


# Event queues


def queue_reader(handle: Any, pages: int = 0, ordered: bool = False) -> CoreReader:
    """Reads a perf event array, ``pages`` of room for each CPU, or a ring buffer, which has its room.

    With ``ordered`` the records of all CPUs come in the order in which they were written. Every record is announced at
    once. Raises KernelError.
    """
    return CoreReader(lambda ret: lib.p2b_vm_queue_read(handle, pages, ordered, ret),
                      f"cannot make buffers of {pages} pages for each CPU")
