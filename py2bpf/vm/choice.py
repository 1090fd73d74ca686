"""Choosing the embedded VM, or the kernel, for what a block of code makes."""

from __future__ import annotations

from types import TracebackType

from ..backend import Choice, Name, checked_name
from ..borders import public
from .machine import set_cpu


class Backend(Choice):
    """See backend(). May be entered again, also while it is active."""

    def __init__(self, name: Name, cpu: int | None) -> None:
        super().__init__(name)
        self._cpu = cpu
        self._before: list[int | None] = []

    def __enter__(self) -> Backend:
        self._before.append(None if self._cpu is None else set_cpu(self._cpu))
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        before = self._before.pop()
        if before is not None:
            set_cpu(before)


@public
def backend(name: Name = "vm", *, cpu: int | None = None) -> Backend:
    """A context manager, or decorator of functions: what is made inside lives in the VM (``"kernel"``: in the kernel).

    It holds for the thread or asyncio task that enters it (a context variable): other threads have
    PY2BPF_BACKEND's. What was made stays where it is when the block is left. ``cpu`` is the CPU that programs of
    the VM run on inside the block, for all threads. Raises Py2BpfError for other names, DataRangeError for CPUs
    that the machine doesn't have.
    """
    return Backend(checked_name(name, "the backend"), cpu)
