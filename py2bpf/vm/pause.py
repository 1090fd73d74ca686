"""Long runs of the VM's programs and Python's signals: a run in the main thread lets Python look for them every 10 ms.

The C core calls ``_pause`` without the machine's lock; what a signal handler raises there (KeyboardInterrupt, most of
all) ends the run, and the caller of the run raises it again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from .._ffi import ffi, lib

_raised: Final[list[list[BaseException]]] = []
"""What ended the runs of the main thread, a list for each: a signal handler may run programs of another machine."""


def _pause() -> int:
    """Goes on. Before it gets here Python has called the handlers of signals that came."""
    return 0


def _keep(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _raised[-1].append(error)


ffi.def_extern(name="p2b_vm_pause", error=1, onerror=_keep)(_pause)


@contextlib.contextmanager
def interruptible() -> Iterator[Any]:
    """Gives what a run takes as its ``pause``, and raises what a signal handler raised meanwhile.

    Python has signal handlers run in the main thread: other threads' runs aren't interrupted.
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
