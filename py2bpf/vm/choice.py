"""py2bpf.vm.backend(): selects the embedded VM, or the kernel, for a block of code."""

from __future__ import annotations

from types import TracebackType

from ..backend import Choice, Name, checked_name
from ..borders import public
from .machine import set_cpu


class Backend(Choice):
    """See backend(). May be entered again, even while it is active."""

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
    """A context manager, or decorator of functions: objects that are made inside live in the VM (``"kernel"``: in the
    kernel).

    The choice applies to the thread or asyncio task that enters the block (a context variable); other threads use
    PY2BPF_BACKEND. Objects stay where they were made when the block is left. ``cpu`` is the CPU on which programs of
    the VM run inside the block, for all threads. Raises Py2BpfError for other names, DataRangeError for CPUs that the
    machine doesn't have.
    """
    return Backend(checked_name(name, "the backend"), cpu)
