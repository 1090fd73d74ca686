"""A map in the VM: bytes in, bytes out. See backend.MapStorage."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from ..backend import Backend, named
from ..core.entries import Buffer, Buffers, Entries, ReusedBuffers, Stored
from ..core.stored_map import StoredMap
from ..exception import KernelError, NotInVm
from ..spec import MapSpec
from ..uapi.map_types import MapFlags
from . import machine_calls, map_calls
from .machine import machine

if TYPE_CHECKING:
    from ..codec import Codec
    from ..core.queue_records import Records
    from .user_ring import VmUserRing


class VmMap(StoredMap):
    """A map of the process's machine. Programs that use the map keep it alive in the machine after close()."""

    def __init__(self, spec: MapSpec, key_size: int, value_size: int) -> None:
        super().__init__(spec, key_size, value_size)
        self._memory: Final = (
            map_calls.array_memory(spec.value_size, spec.max_entries) if spec.flags & MapFlags.MMAPABLE else None)
        vm = machine()
        self.handle = map_calls.map_create(
            vm.handle, spec.kind, key_size, spec.value_size, spec.max_entries, spec.flags, vm.n_cpus, self._title,
            self._memory)

    @property
    def fd(self) -> int:
        """Raises NotInVm, or ClosedError after close()."""
        self.check_open()
        raise NotInVm(f"{self._title} lives in the embedded VM and has no file descriptor")

    @property
    def where(self) -> str:
        return "in the VM"

    @property
    def backend(self) -> Backend:
        return named("vm")

    def perf_source(
        self, n_cpus: int, pages: int, _latency: float, codec: Codec, ordered: bool, refused: Callable[[], int]
    ) -> Records:
        from . import queues

        return queues.perf_source(self.handle, n_cpus, pages, codec, ordered, refused)

    def ring_source(self, size: int, codec: Codec, lost: Callable[[], int], _latency: float) -> Records:
        from . import queues

        return queues.ring_source(self.handle, size, codec, lost)

    def ring_positions(self) -> tuple[int, int]:
        from . import queues

        return queues.ring_positions(self.handle)

    def user_ring(self, _size: int, largest: int) -> VmUserRing:
        from .user_ring import VmUserRing

        return VmUserRing(self.handle, largest)

    @property
    def memory_stride(self) -> int:
        """Bytes from one value of an array to the next."""
        return len(self.memory()) // self._spec.max_entries

    def memory(self) -> mmap.mmap:
        """An array's values as memory that programs write too, for a map with MapFlags.MMAPABLE.

        The memory stays valid as long as something refers to it, even after close(). Raises KernelError for other maps,
        and ClosedError.
        """
        self.check_open()
        if self._memory is None:
            raise KernelError(errno.EPERM, "cannot have the map's values as memory: it is no array made for that")
        return self._memory

    memory_is_atomic: Final = False
    """The atomic operations of programs are atomic only with respect to other programs."""
    tells_absent_prefixes: Final = True

    def lookup(self, key: bytes) -> bytes | None:
        return map_calls.map_lookup(self.handle, key, self.value_size)

    def _store(self, key: bytes, value: bytes, flags: int) -> None:
        map_calls.map_update(self.handle, key, value, flags)

    def _store_many(self, keys: Buffer, values: Buffer, count: int) -> Stored:
        return map_calls.map_store(self.handle, keys, self.key_size, values, self.value_size, count)

    def delete(self, key: bytes) -> bool:
        return map_calls.map_delete(self.handle, key)

    def take(self, key: bytes) -> bytes | None:
        return map_calls.map_take(self.handle, key, self.value_size)

    def next_key(self, key: bytes | None) -> bytes | None:
        return map_calls.map_next_key(self.handle, key, self.key_size)

    def walk(self, delete: bool = False, buffers: Buffers | None = None) -> Iterator[Entries]:
        """A snapshot of the whole map, oldest entries first."""
        buffers = buffers or ReusedBuffers(self.key_size, self.value_size)
        keys, values, n = map_calls.map_walk(self.handle, buffers, delete)
        if n:
            yield Entries(keys[: n * self.key_size], values[: n * self.value_size], n)

    def synchronize(self) -> None:
        self.check_open()
        machine_calls.machine_set(machine().handle, machine_calls.Setting.IDLE, 0)
