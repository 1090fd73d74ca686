"""py2bpf: plain Python functions become BPF programs for the Linux kernel.

    socket_filter, kprobe, tracepoint, tc, xdp  hooks: what a program is attached to
    datastructures                              maps and queues, shared with programs
    funcs                                       functions that programs call
    sim                                         runs programs as Python, in a simulated kernel
    prog                                        create_prog: compile and load a function for any hook
    testing                                     packets for tests
    vm                                          the embedded VM: all of it without privileges
    exception                                   the errors
    losses                                      what queues, maps and programs lost so far
    Global                                      a number, structure or array that programs and Python change
    Struct                                      structures whose fields are annotations

The modules are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from . import (
        datastructures,
        exception,
        funcs,
        kprobe,
        prog,
        sim,
        socket_filter,
        tc,
        testing,
        tracepoint,
        util,
        vm,
        xdp,
    )
    from .datastructures import Global
    from .ledger import losses
    from .records import Struct

__all__ = [
    "Global",
    "Struct",
    "datastructures",
    "exception",
    "funcs",
    "kprobe",
    "losses",
    "prog",
    "sim",
    "socket_filter",
    "tc",
    "testing",
    "tracepoint",
    "util",
    "vm",
    "xdp",
]

__version__: Final = "0.1.0"


_CLASSES: Final = {"Global": "datastructures", "Struct": "records", "losses": "ledger"}
"""The modules that have what isn't a module itself."""


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(f".{_CLASSES[name]}", __name__), name)
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
