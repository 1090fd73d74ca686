"""Where maps, queues and programs are made, and live: in the kernel, or in the embedded VM.

Each side implements Backend, and is imported when something is first made there. Nobody else asks which side it is:
what differs between them is a method or an attribute of the protocols here.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self, get_args

from .borders import Public, public
from .exception import NotInVm, Py2BpfError

if TYPE_CHECKING:
    from .codec import Buffer, Codec
    from .core.entries import Buffers, Entries
    from .core.handles import Handle
    from .programs import ProgInfo, TestRun
    from .record_streams import RecordSource, UserRing
    from .spec import MapSpec, ProgramSpec, Target

Name = Literal["kernel", "vm"]

VARIABLE: Final = "PY2BPF_BACKEND"


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
    def backend(self) -> Backend:
        """Where the map lives, and all that belongs to it."""

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

    def walk(self, delete: bool = False, buffers: Buffers | None = None) -> Iterator[Entries]:
        """One pass: each key that stays comes once, none comes twice, and it ends. The entries lie in ``buffers``, and
        are valid until the next ones are asked for."""

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

    @property
    def memory_stride(self) -> int:
        """Bytes from one value of an array to the next."""

    def memory(self) -> Any:
        """The values of an array with MapFlags.MMAPABLE as a writable buffer, which stays as long as anybody has it.
        Raises KernelError for other maps."""

    @property
    def memory_is_atomic(self) -> bool:
        """Whether what is written to memory() is one step for the atomic operations of programs."""

    @property
    def tells_absent_prefixes(self) -> bool:
        """Of an LPM trie: whether next_key() of a prefix that is missing always gives the first key."""

    def close(self) -> None:
        """Idempotent."""


class LoadedProgram(Protocol):
    """A program that a backend loaded. Methods raise ClosedError after close()."""

    spec: ProgramSpec
    arrays: Sequence[Handle]
    """Handles of the program arrays that it uses, as long as it is open; none where they keep themselves."""

    @property
    def fd(self) -> int:
        """The file descriptor. Raises NotInVm where there is none."""

    def fileno(self) -> int:
        """As fd."""

    @property
    def handle(self) -> Handle:
        """What calls of the C core take."""

    @property
    def where(self) -> str:
        """For people: ``fd 7``, ``in the VM``."""

    @property
    def backend(self) -> Backend:
        """Where the program lives."""

    @property
    def closed(self) -> bool: ...

    def ensure_open(self) -> None:
        """Raises ClosedError after close()."""

    def test_run(self, data: bytes = b"", ctx: Any = None, repeat: int = 1) -> TestRun:
        """Runs the program on a made-up packet or context, and raises what Prog.test_run() raises."""

    def info(self) -> ProgInfo:
        """What is known of the program and its runs."""

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Gives the program a name in a bpf file system. Raises NotInVm where nothing outlives the process."""

    def close(self) -> None:
        """Idempotent."""


class Backend(Protocol):
    """The kernel, or the embedded VM."""

    @property
    def name(self) -> Name:
        """For people, who choose a backend by its name."""

    @property
    def can_attach(self) -> bool:
        """Whether programs can be attached, and so run by something else than test_run()."""

    @property
    def takes_privileges(self) -> bool:
        """Whether making something here may be refused for want of privileges."""

    def create_map(self, spec: MapSpec, key_size: int, value_size: int) -> MapStorage:
        """Makes the map that ``spec`` describes; the sizes are those that user space reads and writes.

        Raises KernelError, without privileges for example.
        """

    def load(self, spec: ProgramSpec, maps: Sequence[Any]) -> LoadedProgram:
        """Loads a program; ``maps[i]`` is the map, or its storage, that ``spec.maps[i]`` describes.

        Raises what create_prog() raises of loading, and NotInVm for a map of the other backend.
        """

    def target(self) -> Target:
        """What programs for this backend may use."""


_MODULES: Final[dict[Name, str]] = {"kernel": "py2bpf.kernel.kernel_backend", "vm": "py2bpf.vm.vm_backend"}
"""Each has its Backend as BACKEND."""

_chosen: Final[ContextVar[Name | None]] = ContextVar("py2bpf_backend", default=None)


def named(name: Name) -> Backend:
    """The backend of that name."""
    found: Backend = importlib.import_module(_MODULES[name]).BACKEND
    return found


def current() -> Backend:
    """Where things are made now. Raises what current_name() raises."""
    return named(current_name())


@public
def current_name() -> Name:
    """Where things are made now, ``"kernel"`` or ``"vm"``: what the innermost backend() says, else PY2BPF_BACKEND, else
    the kernel.

    Raises Py2BpfError for an environment variable that is neither ``kernel`` nor ``vm``.
    """
    chosen = _chosen.get()
    return chosen or checked_name(os.environ.get(VARIABLE) or "kernel", f"the environment variable {VARIABLE}")


def checked_name(name: object, what: str) -> Name:
    """A backend's name. Raises Py2BpfError for what is none, which says ``what`` it was to be."""
    for known in get_args(Name):
        if name == known:
            found: Name = known
            return found
    raise Py2BpfError(f"{what} is 'kernel' or 'vm', not {name!r}")


class Choice(Public, contextlib.ContextDecorator):
    """Has things made by the backend of that name in a block. May be entered again, also while it is active."""

    def __init__(self, name: Name) -> None:
        self._name: Name = name
        self._entered: list[Token[Name | None]] = []

    def __enter__(self) -> Self:
        self._entered.append(_chosen.set(self._name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _chosen.reset(self._entered.pop())

    def __repr__(self) -> str:
        return f"<py2bpf.vm.backend({self._name!r})>"


def storage_of(map_: Any) -> Any:
    """What a map or queue of ours keeps its bytes in; everything else as it is."""
    return getattr(map_, "_storage", map_)


def apart(what: str, together: str) -> NotInVm:
    """For things of which one lives in the kernel and one in the VM, as ``what`` says."""
    return NotInVm(what, f"make {together} inside of the same py2bpf.vm.backend()")
