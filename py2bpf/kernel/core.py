"""The C core with types and exceptions.

Functions named as in csrc/api.h do what its comments say. Calls release the GIL. What fails raises KernelError
with the errno and what to do about it, except where a function's docstring says that it returns the error.
"""

from __future__ import annotations

import contextlib
import errno
import resource
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from .._ffi import ffi as ffi
from .._ffi import lib as lib
from ..core.failures import checked, failed, is_closed
from ..core.handles import Handle
from ..uapi.operations import Operation

Buffer = bytes | bytearray | memoryview

_memlock_tried = False


def _raise_memlock() -> bool:
    """Lifts RLIMIT_MEMLOCK, once in the life of the process. False when that is done or not possible."""
    global _memlock_tried
    if _memlock_tried:
        return False
    _memlock_tried = True
    unlimited = resource.RLIM_INFINITY
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == unlimited:
        return False
    for limits in ((unlimited, unlimited), (hard, hard)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
            return True
    return False


def charged(call: Callable[[], int]) -> int:
    """Makes a call that old kernels charge to RLIMIT_MEMLOCK: after the first EPERM the limit is lifted."""
    result = call()
    if result == -errno.EPERM and _raise_memlock():
        result = call()
    return result


# System calls


def address(buffer: Any) -> int:
    """The address of a buffer's bytes, for attributes of bpf(2). The caller keeps the buffer alive."""
    result: int = ffi.cast("uintptr_t", ffi.from_buffer(buffer))
    return int(result)


Use = tuple[Handle, int]
"""A descriptor that a call gets, and at which byte of the attribute."""


def bpf(cmd: int, attr: bytearray, *uses: Use) -> int:
    """bpf(2) with the attribute's bytes, which the kernel may write to. Returns its result or -errno: -ESHUTDOWN where
    a handle is closed."""
    result: int = lib.p2b_bpf_call(cmd, ffi.from_buffer(attr), len(attr), _uses(uses), ffi.NULL)
    return result


def bpf_make(made: Handle, cmd: int, attr: bytearray, *uses: Use) -> int:
    """bpf(2) that gives a descriptor, which ``made`` owns. Returns 0 or -errno."""
    result: int = lib.p2b_bpf_call(cmd, ffi.from_buffer(attr), len(attr), _uses(uses), made.cell)
    return result


def _uses(uses: Sequence[Use]) -> Any:
    return ffi.new("struct p2b_uses *", (len(uses), [handle.cell for handle, _ in uses], [at for _, at in uses]))


def perf_event_make(made: Handle, attr: bytearray, pid: int, cpu: int, group_fd: int = -1, flags: int = 0) -> int:
    """perf_event_open(2), close-on-exec, whose descriptor ``made`` owns. Returns 0 or -errno."""
    result: int = lib.p2b_perf_event_make(ffi.from_buffer(attr), pid, cpu, group_fd, flags, made.cell)
    return result


def set_socket(fd: int, option: int, value: int, what: str) -> None:
    """setsockopt(2) with a number at the level of sockets. Raises KernelError, which says ``what`` was tried."""
    checked(lib.p2b_set_socket(fd, option, value), what, None, Operation.ATTACH_SOCKET)


# Programs


class EncodingError(Exception):
    """Instruction number ``index`` can't be encoded: ``value`` is the number at fault, ``what`` the reason."""

    def __init__(self, error: int, index: int, value: int, what: str) -> None:
        super().__init__(f"instruction {index}: {what}: {value}")
        self.errno = error
        self.index = index
        self.value = value
        self.what = what


def _fault(result: int, fault: Any) -> EncodingError:
    return EncodingError(-result, fault.index, fault.value, ffi.string(fault.what).decode())


def encode(syms: bytes) -> tuple[bytearray, array[int]]:
    """Encodes what asm.pack() made. Returns the slots' bytes and the slot where each instruction begins.

    Raises EncodingError.
    """
    source = ffi.from_buffer("struct p2b_sym[]", syms)
    count = len(source)
    slots = bytearray(16 * count)
    slot_of = array("I", bytes(4 * count))
    fault = ffi.new("struct p2b_fault *")
    n: int = lib.p2b_encode(
        source, count, ffi.from_buffer(slots), 2 * count, ffi.from_buffer("uint32_t[]", slot_of), fault
    )
    if n < 0:
        raise _fault(n, fault)
    return slots[: 8 * n], slot_of


def relocate(slots: bytearray, fds: tuple[int, ...], kfuncs: tuple[int, ...] = ()) -> None:
    """Puts the maps' descriptors and the kernel functions' BTF numbers into freshly encoded slots.

    Raises EncodingError, ``index`` being a slot.
    """
    fault = ffi.new("struct p2b_fault *")
    result: int = lib.p2b_relocate(ffi.from_buffer(slots), len(slots) // 8, fds, len(fds), kfuncs, len(kfuncs), fault)
    if result < 0:
        raise _fault(result, fault)


def btf_find(btf: Buffer, kind: int, name: str) -> int | None:
    """The number of the first type of that kind and name in a BTF blob of this machine's byte order, or None.

    Takes a millisecond or so for the kernel's own. Raises KernelError for what is no BTF, or is newer than this code.
    """
    data = ffi.from_buffer(btf)
    number: int = lib.p2b_btf_find(data, len(data), kind, name.encode())
    return None if number == -errno.ENOENT else checked(number, f"cannot find {name} in BTF")


class LoadResult(NamedTuple):
    """``result`` is 0 or -errno, ``log`` the verifier's log of a refused program."""

    result: int
    log: str
    truncated: bool


class Described(NamedTuple):
    """BTF, and arrays of ``struct bpf_func_info`` and ``struct bpf_line_info`` that refer to it."""

    btf: Handle
    func_info: bytes
    line_info: bytes


class Code(NamedTuple):
    """Encoded slots, and what the numbers of maps and kernel functions in them mean."""

    slots: Buffer
    maps: Sequence[Handle] = ()
    kfuncs: tuple[int, ...] = ()


class BtfTarget(NamedTuple):
    """The type that a program is made for: a function of the kernel, what an iterator goes over, another program's
    function. ``number`` counts in the BTF of ``owner``, a module's or a program; without one, in that of vmlinux."""

    number: int
    owner: Handle | None = None


class Purpose(NamedTuple):
    """What BPF_PROG_LOAD is told that a program is for."""

    prog_type: int
    attach_type: int = 0
    flags: int = 0
    target: BtfTarget | None = None


def prog_load(
    made: Handle, purpose: Purpose, code: Code, license: str, name: str, described: Described | None = None
) -> LoadResult:
    """BPF_PROG_LOAD, one system call for a program that is accepted: ``made`` owns it. Returns the error, if any.

    Raises EncodingError, ``index`` being a slot, where a number means nothing; ClosedError for a map, or a target's
    owner, that is closed.
    """
    # The structure borrows: these keep the bytes alive.
    slots = ffi.from_buffer(code.slots)
    terms, title = ffi.new("char[]", license.encode()), ffi.new("char[]", name.encode())
    maps, kfuncs = ffi.new("struct p2b_handle *[]", [map.cell for map in code.maps]), ffi.new("uint32_t[]", code.kfuncs)
    load = ffi.new("struct p2b_load *", {
        "prog_type": purpose.prog_type, "expected_attach_type": purpose.attach_type, "slots": slots,
        "n_slots": len(code.slots) // 8, "maps": maps, "n_maps": len(code.maps), "kfuncs": kfuncs,
        "n_kfuncs": len(code.kfuncs), "prog_flags": purpose.flags, "license": terms, "name": title,
    })  # fmt: skip
    if purpose.target is not None:
        load.attach_btf_id, owner = purpose.target.number, purpose.target.owner
        load.attach_btf = ffi.NULL if owner is None else owner.cell
    if described is not None:
        func_info, line_info = ffi.from_buffer(described.func_info), ffi.from_buffer(described.line_info)
        load.btf, load.func_info, load.line_info = described.btf.cell, func_info, line_info
        load.n_func_info, load.n_line_info = len(func_info) // _FUNC_INFO, len(line_info) // _LINE_INFO
    log, fault = ffi.new("struct p2b_log *"), ffi.new("struct p2b_fault *")
    try:
        result = charged(lambda: _load(load, log, fault, made))
        if fault.what:
            raise _fault(result, fault)
        if is_closed(result):
            owner = (purpose.target and purpose.target.owner) or made
            raise next((each for each in (*code.maps, owner) if each.closed), made).closed_error()
        text = ffi.buffer(log.text, log.length)[:].decode(errors="replace") if log.text else ""
        return LoadResult(result, text, bool(log.truncated))
    finally:
        lib.p2b_log_free(log)


_FUNC_INFO: Final = 8
_LINE_INFO: Final = 16


def _load(load: Any, log: Any, fault: Any, made: Handle) -> int:
    lib.p2b_log_free(log)
    result: int = lib.p2b_prog_make(load, log, fault, made.cell)
    return result


# Maps

_USE: Final = Operation.USE_MAP


def map_lookup(map: Handle, key: bytes, size: int, flags: int = 0) -> bytes | None:
    """The value of a key, size bytes of it (all CPUs' values, padded to 8, for a per-CPU map), or None."""
    value = ffi.new("char[]", size)
    result: int = lib.p2b_map_lookup(map.cell, key, value, flags)
    return _found(map, result, value, "look up a key in the map")


def map_lookup_and_delete(map: Handle, key: bytes, size: int, flags: int = 0) -> bytes | None:
    """Takes a key's value out of the map, or gives None. Hash maps know this since Linux 5.14 (else EOPNOTSUPP)."""
    value = ffi.new("char[]", size)
    result: int = lib.p2b_map_lookup_and_delete(map.cell, key, value, flags)
    return _found(map, result, value, "take a key out of the map")


def _found(map: Handle, result: int, value: Any, what: str) -> bytes | None:
    if result == 0:
        return bytes(ffi.buffer(value))
    if result == -errno.ENOENT:
        return None
    raise failed(result, f"cannot {what}", map, _USE)


def map_update(map: Handle, key: bytes, value: bytes, flags: int = 0) -> None:
    """Sets a key's value. ``flags``: uapi.map_types.Update. E2BIG when the map is full."""
    checked(lib.p2b_map_update(map.cell, key, value, flags), "cannot set a key of the map", map, _USE)


def map_delete(map: Handle, key: bytes) -> bool:
    """Deletes a key; whether it was there."""
    result: int = lib.p2b_map_delete(map.cell, key)
    return result != -errno.ENOENT and checked(result, "cannot delete a key of the map", map, _USE) == 0


def map_next_key(map: Handle, key: bytes | None, size: int) -> bytes | None:
    """The key after ``key`` (None: the first), or None after the last; starts over when key was deleted."""
    following = ffi.new("char[]", size)
    result: int = lib.p2b_map_next_key(map.cell, ffi.NULL if key is None else key, following)
    return _found(map, result, following, "find the map's next key")


def map_update_many(
    map: Handle, keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int, flags: int = 0
) -> None:
    """Sets count keys, in one system call where the kernel has batches."""
    stored = map_store(map, keys, key_size, values, value_size, count, flags)
    checked(-stored.error, f"cannot set {count} keys of the map ({stored.done} are set)", None, _USE)


def entries_of(keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int) -> tuple[Any, Any]:
    """The bytes of count keys and values as C sees them: nobody can change their lengths while these are held. Raises
    ValueError where they are fewer."""
    source, target = ffi.from_buffer(keys), ffi.from_buffer(values)
    if len(source) < count * key_size or len(target) < count * value_size:
        raise ValueError(f"{count} entries need more than {len(source)} bytes of keys and {len(target)} of values")
    return source, target


class Stored(NamedTuple):
    """How many entries were stored, and the errno (0: none) of the next one."""

    done: int
    error: int


def map_store(
    map: Handle, keys: Buffer, key_size: int, values: Buffer, value_size: int, count: int, flags: int = 0
) -> Stored:
    """As map_update_many(), and gives the error."""
    done = ffi.new("uint32_t *")
    source, target = entries_of(keys, key_size, values, value_size, count)
    result: int = lib.p2b_map_update_many(map.cell, key_size, value_size, source, target, count, flags, done)
    if is_closed(result):
        raise map.closed_error()
    return Stored(done[0], -result)


def map_delete_many(map: Handle, keys: Buffer, key_size: int, count: int) -> None:
    """Deletes count keys; those that are missing don't matter."""
    done = ffi.new("uint32_t *")
    source = ffi.from_buffer(keys)
    if len(source) < count * key_size:
        raise ValueError(f"{count} keys need more than {len(source)} bytes")
    result: int = lib.p2b_map_delete_many(map.cell, key_size, source, count, done)
    checked(result, f"cannot delete {count} keys of the map ({done[0]} are dealt with)", map, _USE)


class Entries(NamedTuple):
    """``n`` contiguous keys and values."""

    keys: memoryview
    values: memoryview
    n: int


class Room:
    """Buffers for entries, which are used again and again."""

    def __init__(self, key_size: int, value_size: int) -> None:
        self._sizes = key_size, value_size
        self._buffers = memoryview(b""), memoryview(b"")
        self._cap = 0

    def __call__(self, cap: int) -> tuple[memoryview, memoryview]:
        """Writable memory for at least cap keys and as many values."""
        if cap > self._cap:
            self._cap = cap
            self._buffers = memoryview(bytearray(cap * self._sizes[0])), memoryview(bytearray(cap * self._sizes[1]))
        return self._buffers


class Walk:
    """One pass over a map that may change meanwhile: every key that stays comes exactly once.

    ``by_keys`` for kinds whose MapKind has no ``batch``; ``delete`` takes the entries out of the map, ``lock`` reads
    values under their spin locks. It goes on where the map is closed meanwhile.
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

    def next(self, cap: int, room: Callable[[int], tuple[memoryview, memoryview]] | None = None) -> Entries:
        """The next at most cap entries (more where the kernel hands out more at once); n = 0 is the end.

        They lie where ``room(cap)`` says, or in buffers of their own.
        """
        key_size, value_size = self._sizes
        room = room or Room(key_size, value_size)
        while True:
            keys, values = room(cap)
            n: int = lib.p2b_walk_next(self._walk.cell, ffi.from_buffer(keys), ffi.from_buffer(values), cap)
            if n != -errno.ENOSPC:
                break
            cap *= 2
        checked(n, "cannot read the map", self._walk, _USE)
        return Entries(keys[: n * key_size], values[: n * value_size], n)


# Per-CPU values


class NumberKind:
    """``enum p2b_number``."""

    UNSIGNED: Final[int] = lib.P2B_UNSIGNED
    SIGNED: Final[int] = lib.P2B_SIGNED
    FLOAT: Final[int] = lib.P2B_FLOAT
    BOOL: Final[int] = lib.P2B_BOOL


class NumberField(NamedTuple):
    """``struct p2b_field``: numbers in a row within a value."""

    offset: int
    length: int
    kind: int
    size: int
    swapped: bool


def sum_cpus(values: Buffer, n: int, cpus: int, stride: int, fields: Sequence[NumberField]) -> bytearray | int:
    """The sums of n entries that have a value for each CPU: 8 bytes for each number, entry by entry.

    Gives the number of the first entry that has a sum which 64 bits can't hold.
    """
    described, failed = ffi.new("struct p2b_field[]", [tuple(field) for field in fields]), ffi.new("uint64_t *")
    sums, source = bytearray(8 * n * sum(field.length for field in fields)), ffi.from_buffer(values)
    if len(source) < n * cpus * stride:
        raise ValueError(f"{n} entries of {cpus} CPUs need more than {len(source)} bytes")
    result: int = lib.p2b_sum(source, n, cpus, stride, described, len(fields), ffi.from_buffer(sums), failed)
    if result == -errno.EOVERFLOW:
        return int(failed[0])
    checked(result, "cannot add up the CPUs' values")
    return sums
