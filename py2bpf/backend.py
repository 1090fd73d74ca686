"""Where maps, queues and programs live: in the kernel, or in the embedded VM.

Each side implements Backend, and is imported when something is first made there. No other module asks which side it
has: each difference between the sides is a method or an attribute of the protocols here.
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
    """A map's bytes. Keys and values have exactly ``key_size`` and ``value_size`` bytes.

    ``value_size`` is what user space reads: for a per-CPU map the values of all possible CPUs, each padded to
    8 bytes. Methods raise ClosedError after close() and KernelError when the kernel refuses.
    """

    value_size: int

    @property
    def fd(self) -> int:
        """The file descriptor. Raises ClosedError after close(), NotInVm where there is none."""

    @property
    def handle(self) -> Any:
        """The argument for calls of the C core: a core.handles.Handle, or the VM's map."""

    @property
    def where(self) -> str:
        """For people: ``fd 7``, ``in the VM``."""

    @property
    def backend(self) -> Backend:
        """Where the map, and everything that belongs to it, lives."""

    def check_open(self) -> None:
        """Raises ClosedError after close()."""

    @property
    def closed(self) -> bool: ...

    def lookup(self, key: bytes) -> bytes | None:
        """The value, or None if the key is missing."""

    def update(self, key: bytes, value: bytes, flags: int = 0) -> bool:
        """Stores a value. False if ``flags`` (Update.NOEXIST, Update.EXIST) forbid it."""

    def delete(self, key: bytes) -> bool:
        """Deletes an entry. False if the key is missing."""

    def take(self, key: bytes) -> bytes | None:
        """Looks up and deletes, in one step if the kernel can."""

    def next_key(self, key: bytes | None) -> bytes | None:
        """The key after ``key``, or the first one; None at the end."""

    def walk(self, delete: bool = False, buffers: Buffers | None = None) -> Iterator[Entries]:
        """Iterates over the map once: every key that stays in the map is given once, no key twice, and the iteration
        ends. The entries are in ``buffers``, and are valid until the next ones are requested."""

    def synchronize(self) -> None:
        """Waits until all program runs that began before this call have ended."""

    def update_many(self, keys: Buffer, values: Buffer, count: int) -> None:
        """Stores ``count`` entries that lie one after another. A KernelError tells how many were stored before it."""

    def program_value(self, value: Any) -> int:
        """The number that a program array stores for a program. Raises DataTypeError, ClosedError."""

    def perf_source(
        self, n_cpus: int, pages: int, latency: float, codec: Codec, ordered: bool, refused: Callable[[], int]
    ) -> RecordSource:
        """Makes the rings of a perf event array and puts them into it. Raises KernelError.

        ``refused`` gives how many records programs failed to write for other reasons than lack of room. In the VM
        records are announced at once, and ``latency`` doesn't matter.
        """

    def ring_source(self, size: int, codec: Codec, lost: Callable[[], int], latency: float) -> RecordSource:
        """Maps a ring buffer of ``size`` bytes for reading. Raises KernelError. ``lost`` gives how many records
        programs could not write.

        Records that programs don't announce are fetched after ``latency`` seconds. 0: all records are announced, as
        they always are in the VM.
        """

    def ring_positions(self) -> tuple[int, int]:
        """How many bytes of a ring buffer were read so far, and how many were reserved. Raises ClosedError,
        KernelError."""

    def user_ring(self, size: int, largest: int) -> UserRing:
        """Maps a user ring buffer of ``size`` bytes for sending records of at most ``largest`` bytes. Raises
        KernelError."""

    @property
    def memory_stride(self) -> int:
        """Bytes from one value of an array to the next."""

    def memory(self) -> Any:
        """The values of an array with MapFlags.MMAPABLE as a writable buffer, which stays valid as long as something
        refers to it. Raises KernelError for other maps."""

    @property
    def memory_is_atomic(self) -> bool:
        """Whether a write to memory() is atomic with respect to the atomic operations of programs."""

    @property
    def tells_absent_prefixes(self) -> bool:
        """For an LPM trie: whether next_key() of a missing prefix always gives the first key."""

    def close(self) -> None:
        """Idempotent."""


class LoadedProgram(Protocol):
    """A program that a backend loaded. Methods raise ClosedError after close()."""

    spec: ProgramSpec
    arrays: Sequence[Handle]
    """Handles of the program arrays that the program uses, as long as it is open; none if the backend's arrays need no
    handle to stay."""

    @property
    def fd(self) -> int:
        """The file descriptor. Raises NotInVm where there is none."""

    def fileno(self) -> int:
        """As fd."""

    @property
    def handle(self) -> Handle:
        """The argument for calls of the C core."""

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
        """Runs the program on a given packet or context. Raises the errors of Prog.test_run()."""

    def info(self) -> ProgInfo:
        """Facts about the program and its runs."""

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Gives the program a name in a bpf file system. Raises NotInVm if the backend can't pin."""

    def close(self) -> None:
        """Idempotent."""


class Backend(Protocol):
    """The kernel, or the embedded VM."""

    @property
    def name(self) -> Name:
        """The name by which users choose the backend."""

    @property
    def can_attach(self) -> bool:
        """Whether programs can be attached, and so run otherwise than by test_run()."""

    @property
    def takes_privileges(self) -> bool:
        """Whether making something here can fail for lack of privileges."""

    def create_map(self, spec: MapSpec, key_size: int, value_size: int) -> MapStorage:
        """Makes the map that ``spec`` describes; the sizes are those of the keys and values in user space.

        Raises KernelError, for example without privileges.
        """

    def load(self, spec: ProgramSpec, maps: Sequence[Any]) -> LoadedProgram:
        """Loads a program; ``maps[i]`` is the map that ``spec.maps[i]`` describes, or that map's storage.

        Raises the errors of create_prog() that concern loading, and NotInVm for a map of the other backend.
        """

    def target(self) -> Target:
        """What programs for this backend may use."""


_MODULES: Final[dict[Name, str]] = {"kernel": "py2bpf.kernel.kernel_backend", "vm": "py2bpf.vm.vm_backend"}
"""The module of each backend, which has the Backend as BACKEND."""

_chosen: Final[ContextVar[Name | None]] = ContextVar("py2bpf_backend", default=None)


def named(name: Name) -> Backend:
    """The backend of that name."""
    found: Backend = importlib.import_module(_MODULES[name]).BACKEND
    return found


def current() -> Backend:
    """The backend that makes things now. Raises the errors of current_name()."""
    return named(current_name())


@public
def current_name() -> Name:
    """The name of the backend that makes things now, ``"kernel"`` or ``"vm"``: chosen by the innermost ``with
    backend()``, else by PY2BPF_BACKEND, else the kernel.

    Raises Py2BpfError for an environment variable that is neither ``kernel`` nor ``vm``.
    """
    chosen = _chosen.get()
    return chosen or checked_name(os.environ.get(VARIABLE) or "kernel", f"the environment variable {VARIABLE}")


def checked_name(name: object, what: str) -> Name:
    """Checks a backend's name. Raises Py2BpfError for anything else, with ``what`` as the subject of the message."""
    for known in get_args(Name):
        if name == known:
            found: Name = known
            return found
    raise Py2BpfError(f"{what} is 'kernel' or 'vm', not {name!r}")


class Choice(Public, contextlib.ContextDecorator):
    """Selects a backend for a ``with`` block. May be entered again, even while it is active."""

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
    """The storage of a map or queue of py2bpf; anything else unchanged."""
    return getattr(map_, "_storage", map_)


def apart(what: str, together: str) -> NotInVm:
    """The error for two things, one of which lives in the kernel and the other in the VM; ``what`` names them."""
    return NotInVm(what, f"make {together} inside of the same py2bpf.vm.backend()")
