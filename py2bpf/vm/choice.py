"""Where maps, queues and programs are made: in the kernel, or in the embedded VM."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

from ..borders import Public, public
from ..exception import Py2BpfError

if TYPE_CHECKING:
    from .maps import VmMap

Name = Literal["kernel", "vm"]

VARIABLE: Final = "PY2BPF_BACKEND"
_chosen: Final[ContextVar[Name | None]] = ContextVar("py2bpf_backend", default=None)


def _checked(name: object, what: str) -> Name:
    for known in get_args(Name):
        if name == known:
            found: Name = known
            return found
    raise Py2BpfError(f"{what} is 'kernel' or 'vm', not {name!r}")


@public
def current() -> Name:
    """Where things are made now: what the innermost backend() says, else PY2BPF_BACKEND, else the kernel.

    Raises Py2BpfError for an environment variable that is neither ``kernel`` nor ``vm``.
    """
    chosen = _chosen.get()
    return chosen or _checked(os.environ.get(VARIABLE) or "kernel", f"the environment variable {VARIABLE}")


class Backend(Public, contextlib.ContextDecorator):
    """See backend(). May be entered again, also while it is active."""

    def __init__(self, name: Name, cpu: int | None) -> None:
        self._name: Name = name
        self._cpu = cpu
        self._entered: list[tuple[Token[Name | None], int | None]] = []

    def __enter__(self) -> Self:
        before = None
        if self._cpu is not None:
            from .machine import set_cpu

            before = set_cpu(self._cpu)
        self._entered.append((_chosen.set(self._name), before))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, before = self._entered.pop()
        _chosen.reset(token)
        if before is not None:
            from .machine import set_cpu

            set_cpu(before)

    def __repr__(self) -> str:
        return f"<py2bpf.vm.backend({self._name!r})>"


@public
def backend(name: Name = "vm", *, cpu: int | None = None) -> Backend:
    """A context manager, or decorator of functions: what is made inside lives in the VM (``"kernel"``: in the kernel).

    It holds for the thread or asyncio task that enters it (a context variable): other threads have
    PY2BPF_BACKEND's. What was made stays where it is when the block is left. ``cpu`` is the CPU that programs of
    the VM run on inside the block, for all threads. Raises Py2BpfError for other names, DataRangeError for CPUs
    that the machine doesn't have.
    """
    return Backend(_checked(name, "the backend"), cpu)


def storage_in_vm(map_: object) -> VmMap | None:
    """What a map or queue of the VM keeps its bytes in; None for everything else."""
    from .maps import VmMap

    storage = getattr(map_, "_storage", map_)
    return storage if isinstance(storage, VmMap) else None
