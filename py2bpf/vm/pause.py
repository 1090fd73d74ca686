"""Lets signals interrupt long runs of the VM's programs: a run in the main thread calls Python every 10 ms.

The C core calls ``_pause`` without the machine's lock. An exception that a signal handler raises there, mostly
KeyboardInterrupt, ends the run, and the caller of the run raises it again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from .._ffi import ffi, lib

_raised: Final[list[list[BaseException]]] = []
"""The exceptions that ended runs of the main thread, one list for each: a signal handler may run programs
itself."""


def _pause() -> int:
    """Continues the run. Before this function begins, Python has called the handlers of pending signals."""
    return 0


def _keep(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _raised[-1].append(error)


ffi.def_extern(name="p2b_vm_pause", error=1, onerror=_keep)(_pause)


@contextlib.contextmanager
def interruptible() -> Iterator[Any]:
    """Gives the ``pause`` for a run, and afterwards raises the exception of a signal handler that ended the run.

    Python runs signal handlers in the main thread, so runs in other threads aren't interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield ffi.NULL
        return
    mine: list[BaseException] = []
    _raised.append(mine)
    try:
        yield lib.p2b_vm_pause
    finally:
        _raised.pop()
    if mine:
        raise mine[0]
