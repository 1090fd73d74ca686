"""A map in the kernel: bytes in, bytes out."""

from __future__ import annotations

import errno
import functools
import mmap
import socket
import struct
from collections.abc import Callable, Iterator
from ctypes import c_uint8, c_uint32
from typing import TYPE_CHECKING, Final

from ..backend import Backend, named
from ..btf import map_description
from ..core.entries import Buffer, Buffers, Entries, ReusedBuffers, Stored
from ..core.failures import failure
from ..core.handles import Handle
from ..core.stored_map import StoredMap
from ..exception import KernelError
from ..spec import MapSpec
from ..uapi.map_types import MapFlags, MapType, Update
from ..uapi.operations import Operation
from . import map_commands, syscalls

if TYPE_CHECKING:
    from ..codec import Codec
    from ..core.queue_records import Records
    from .perfbuf import PerfRecords
    from .user_ring import UserRing

_CHUNK_BYTES: Final = 1 << 20
_CHUNK_ENTRIES_MIN: Final = 64


class KernelMap(StoredMap):
    """BPF_MAP_CREATE, and the element commands of bpf(2) on the new map."""

    _using = Operation.USE_MAP

    def __init__(self, spec: MapSpec, key_size: int, value_size: int) -> None:
        super().__init__(spec, key_size, value_size)
        self._lock = 0 if spec.lock_offset is None else Update.LOCK
        self.handle = _create_typed(spec, self._title) if self._lock else syscalls.map_create(
            spec.kind, key_size, spec.value_size, spec.max_entries, spec.flags, spec.name, what=self._title)
        self._can_take = True

    @property
    def fd(self) -> int:
        return self.handle.fd

    @property
    def where(self) -> str:
        return f"fd {self.fd}"

    @property
    def backend(self) -> Backend:
        return named("kernel")

    def perf_source(
        self, n_cpus: int, pages: int, latency: float, codec: Codec, ordered: bool, refused: Callable[[], int]
    ) -> PerfRecords:
        from . import perfbuf

        return perfbuf.perf_source(self.handle, n_cpus, pages, latency, codec, ordered, refused)

    def ring_source(self, size: int, codec: Codec, lost: Callable[[], int], latency: float) -> Records:
        from . import ringbuf

        return ringbuf.ring_source(self.handle, size, codec, lost, latency)

    def ring_positions(self) -> tuple[int, int]:
        from . import ringbuf

        return ringbuf.positions(self.handle)

    def user_ring(self, size: int, largest: int) -> UserRing:
        from .user_ring import UserRing

        return UserRing(self.handle, size, largest)

    @property
    def memory_stride(self) -> int:
        """Bytes from one value of an array to the next: array_map_alloc() of kernel/bpf/arraymap.c."""
        return self.value_size + 7 & ~7

    def memory(self) -> mmap.mmap:
        """An array's values as memory that programs write too, for a map with MapFlags.MMAPABLE. Raises KernelError."""
        size = self.memory_stride * self._spec.max_entries
        try:
            with self.handle.copy() as own:
                return mmap.mmap(own.fd, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
        except OSError as error:
            raise KernelError(error.errno or 0, "cannot map an array into memory") from error

    memory_is_atomic: Final = True

    @property
    def tells_absent_prefixes(self) -> bool:
        return _tells_absent_prefixes()

    def lookup(self, key: bytes) -> bytes | None:
        return map_commands.map_lookup(self.handle, key, self.value_size, self._lock)

    def _store(self, key: bytes, value: bytes, flags: int) -> None:
        map_commands.map_update(self.handle, key, value, flags | self._lock)

    def _store_many(self, keys: Buffer, values: Buffer, count: int) -> Stored:
        return map_commands.map_store(self.handle, keys, self.key_size, values, self.value_size, count, self._lock)

    def delete(self, key: bytes) -> bool:
        return map_commands.map_delete(self.handle, key)

    def take(self, key: bytes) -> bytes | None:
        if self._can_take:
            try:
                return map_commands.map_lookup_and_delete(self.handle, key, self.value_size, self._lock)
            except KernelError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
                self._can_take = False  # hashes before Linux 5.14, LPM tries, program arrays
        value = self.lookup(key)
        return value if value is not None and self.delete(key) else None

    def next_key(self, key: bytes | None) -> bytes | None:
        return map_commands.map_next_key(self.handle, key, self.key_size)

    def walk(self, delete: bool = False, buffers: Buffers | None = None) -> Iterator[Entries]:
        by_keys, most = not self._kind.batch, self._spec.max_entries
        walk = map_commands.Walk(
            self.handle, self.key_size, self.value_size, most, by_keys, delete, bool(self._lock))
        cap = min(most, max(_CHUNK_ENTRIES_MIN, _CHUNK_BYTES // (self.key_size + self.value_size)))
        buffers = buffers or ReusedBuffers(self.key_size, self.value_size)
        while (found := walk.next(cap, buffers)).n:
            yield found
            self.check_open()  # another thread may have closed the map

    def synchronize(self) -> None:
        self.check_open()
        syscalls.synchronize()


@functools.cache
def _tells_absent_prefixes() -> bool:
    """Whether the kernel distinguishes a missing prefix from an existing one of the same length.

    Before Linux 6.12 and the stable releases of that time, next_key() compared only the lengths. No other command can
    tell, so on such kernels all keys have to be read.
    """
    trie = KernelMap(MapSpec(MapType.LPM_TRIE, c_uint32, c_uint8, 2, MapFlags.NO_PREALLOC), 8, 1)
    trie.update(_prefix(4, "0.0.0.0"), bytes(1))
    trie.update(_prefix(7, "2.0.0.0"), bytes(1))
    try:
        return trie.next_key(_prefix(7, "0.0.0.0")) == trie.next_key(None)
    finally:
        trie.close()


def _prefix(length: int, address: str) -> bytes:
    return struct.pack("=I", length) + socket.inet_aton(address)


def _create_typed(spec: MapSpec, what: str) -> Handle:
    """Creates a map whose values have a spin lock, with BTF by which the kernel finds the lock."""
    btf = map_description.types(spec)
    loaded = syscalls.btf_load(btf.blob)
    if isinstance(loaded, int):
        which = f"the map {spec.name!r}" if spec.name else "a map"
        raise failure(-loaded, f"cannot describe the types of {which} to the kernel", Operation.DESCRIBE)
    with loaded:
        return syscalls.map_create(
            spec.kind, spec.key_size, spec.value_size, spec.max_entries, spec.flags, spec.name, None,
            (loaded, btf.key, btf.value), what)  # fmt: skip
