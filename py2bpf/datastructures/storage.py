"""What a map object keeps its bytes in: the kernel, or the embedded VM by the same interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ..codec import Buffer, Codec
from ..spec import MapSpec
from ..vm.choice import Name, current

if TYPE_CHECKING:
    from .pending import RecordSource

Chunk = tuple[memoryview, memoryview, int]
"""Keys, values and their count; valid until the next chunk is asked for."""

Room = Callable[[int], tuple[memoryview, memoryview]]
"""Gives writable memory for at least so many keys and as many values."""


class RingPositions(NamedTuple):
    """Bytes that went through a ring buffer: what was read, and what was reserved."""

    consumed: int
    produced: int


class UserRing(Protocol):
    """What a UserRingBuffer sends by: kernel.user_ring.UserRing, whose docstrings tell what the methods do."""

    def send(self, record: bytes) -> bool: ...

    def wait(self, size: int, timeout_ms: int) -> bool: ...

    def next(self, begin: bool, take: bool) -> bytes | None: ...

    def waiting(self) -> int: ...

    def close(self) -> None: ...


class MapStorage(Protocol):
    """A map's bytes. Keys and values are of exactly ``key_size`` and ``value_size`` bytes.

    ``value_size`` is what user space reads: for a per-CPU map the values of all possible CPUs, each padded to
    8 bytes. Methods raise ClosedError after close() and KernelError when the kernel refuses.
    """

    value_size: int

    @property
    def fd(self) -> int:
        """The file descriptor. Raises ClosedError after close(), NotInVm where there is none."""

    @property
    def handle(self) -> Any:
        """What calls of the C core take: a core.handles.Handle, or the VM's map."""

    @property
    def where(self) -> str:
        """For people: ``fd 7``, ``in the VM``."""

    @property
    def backend(self) -> Name:
        """Where it lives, and all that belongs to it."""

    def check_open(self) -> None:
        """Raises ClosedError after close()."""

    @property
    def closed(self) -> bool: ...

    def lookup(self, key: bytes) -> bytes | None:
        """The value, or None where the key is missing."""

    def update(self, key: bytes, value: bytes, flags: int = 0) -> bool:
        """Stores. False where ``flags`` (Update.NOEXIST, Update.EXIST) forbid it."""

    def delete(self, key: bytes) -> bool:
        """Deletes. False where the key is missing."""

    def take(self, key: bytes) -> bytes | None:
        """Looks up and deletes, as one step where the kernel can."""

    def next_key(self, key: bytes | None) -> bytes | None:
        """The key after ``key``, or the first one; None at the end."""

    def walk(self, delete: bool = False, room: Room | None = None) -> Iterator[Chunk]:
        """One pass: each key that stays comes once, none comes twice, and it ends. Chunks lie where ``room`` says."""

    def synchronize(self) -> None:
        """Waits until every run of a program that began before has ended."""

    def update_many(self, keys: Buffer, values: Buffer, count: int) -> None:
        """Stores count entries that lie one after another. A KernelError tells how many were stored before."""

    def program_value(self, value: Any) -> int:
        """What a program array stores for a program. Raises DataTypeError, ClosedError."""

    def perf_source(
        self, n_cpus: int, pages: int, latency: float, codec: Codec, ordered: bool, refused: Callable[[], int]
    ) -> RecordSource:
        """Makes the rings of a perf event array and puts them into it. Raises KernelError.

        ``refused`` tells how many records programs could not write, but for those that found no room. In the VM records
        are announced at once, and latency doesn't matter.
        """

    def ring_source(self, size: int, codec: Codec, lost: Callable[[], int], latency: float) -> RecordSource:
        """Maps a ring buffer of size bytes for reading. Raises KernelError. ``lost``: what programs could not write.

        What isn't announced is fetched after ``latency`` seconds (0: everything is, as everything in the VM).
        """

    def ring_positions(self) -> tuple[int, int]:
        """The bytes of a ring buffer that were read, and that were reserved. Raises ClosedError, KernelError."""

    def user_ring(self, size: int, largest: int) -> UserRing:
        """Maps a user ring buffer of size bytes for sending records of at most ``largest``. Raises KernelError."""

    def close(self) -> None:
        """Idempotent."""


@runtime_checkable
class Mappable(Protocol):
    """A storage whose values user space can have as memory, ``memory_stride`` bytes apart."""

    @property
    def memory_stride(self) -> int: ...

    def memory(self) -> Any:
        """A writable buffer, which stays as long as anybody has it. Raises KernelError."""


def open_storage(spec: MapSpec, key_size: int, value_size: int) -> MapStorage:
    """Makes the map that ``spec`` describes, in the kernel or the VM: see vm.backend().

    Raises KernelError, without privileges for example.
    """
    if current() == "vm":
        from ..vm.maps import VmMap

        return VmMap(spec, key_size, value_size)
    from ..kernel.maps import KernelMap

    return KernelMap(spec, key_size, value_size)
