"""py2bpf: plain Python functions become BPF programs for the Linux kernel.

    socket_filter, kprobe, tracepoint, tc, xdp  hooks: what a program is attached to
    datastructures                              maps and queues, shared with programs
    funcs                                       functions that programs call
    sim                                         runs programs as Python, in a simulated kernel
    net                                         headers of packets, and a dissector that finds them
    prog                                        create_prog: compile and load a function for any hook
    testing                                     packets for tests
    vm                                          the embedded VM: maps and programs without privileges
    exception                                   the errors
    losses                                      what queues, maps and programs lost so far
    Global                                      a number, structure or array that programs and Python change
    Struct                                      structures whose fields are annotations

The modules are imported when they are first used.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Final

from .interpreters import refusal

if why := refusal():
    raise ImportError(why, name=__name__)
del why

if TYPE_CHECKING:
    from . import (
        datastructures,
        exception,
        funcs,
        kprobe,
        net,
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
    "net",
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
"""The only place with the version: pyproject.toml has the build read it here."""

_CLASSES: Final = {"Global": "datastructures", "Struct": "records", "losses": "ledger"}
"""The modules of the public names that are no modules themselves."""


_HOMES: Final = ("datastructures", "prog", "funcs", "socket_filter", "tc", "xdp", "exception", "spec", "btf")
"""The modules to look for a misplaced name in."""


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(f".{_CLASSES[name]}", __name__), name)
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    if name.startswith("__") or importlib.util.find_spec(f"{__name__}.{name}") is not None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)  # it isn't imported yet
    why = f"py2bpf {__version__} has no {name!r}: {_near(name)}"
    if sys._getframe(1).f_code.co_name == "_handle_fromlist":  # `from py2bpf import name`, which would say less
        raise ImportError(why, name=__name__)
    raise AttributeError(why, name=name)


def _near(name: str) -> str:
    """Where the name can be imported from; else all public names, and the nearest one."""
    homes = [home for home in _HOMES if hasattr(importlib.import_module(f".{home}", __name__), name)]
    if homes:
        return f"from py2bpf.{homes[0]} import {name}"
    near = difflib.get_close_matches(name, __all__, 1)
    return f"it has {', '.join(__all__)}" + (f"; did you mean {near[0]}?" if near else "")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
