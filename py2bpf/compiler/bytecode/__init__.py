"""CPython bytecode of any supported version -> canonical instructions with exact source spans, in basic blocks.

canonical   the instruction set and the data types: what the evaluator sees
decode      code object -> canonical.Function
v311...     what the opcodes of each CPython mean, each module a delta on its predecessor
"""

from __future__ import annotations

import sys
import weakref
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import CodeType

from ...exception import Py2BpfError
from .canonical import Block, Function, Instr, Loop, Op
from .decoder import Decoder
from .rules import Version

__all__ = ["Block", "Function", "Instr", "Loop", "Op", "decode"]

SUPPORTED = sorted((int(name[1]), int(name[2:])) for _, name, _ in iter_modules(__path__) if name.startswith("v3"))
"""The versions of CPython for which there is a module here."""

_decoded: dict[int, tuple[weakref.ref[CodeType], Function]] = {}


@cache
def _version() -> Version:
    """The rules of the running CPython: the only place of the project that asks which one it is."""
    running = sys.version_info[:2]
    if running not in SUPPORTED:
        known = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
        raise Py2BpfError(f"py2bpf can't read the bytecode of Python {running[0]}.{running[1]}; it knows {known}")
    module = import_module(f".v{running[0]}{running[1]}", __name__)
    version: Version = module.version()
    return version


def decode(code: CodeType) -> Function:
    """Decode a function's code object; the same object gives the same Function as long as it lives.

    Constructs that compiled functions can't contain become UNSUPPORTED instructions. Raises
    InternalCompilerError for bytecode that no supported CPython produces and Py2BpfError when the running
    CPython itself isn't supported.
    """
    key = id(code)
    entry = _decoded.get(key)
    if entry is None or entry[0]() is not code:  # the id may belong to another object by now
        entry = (weakref.ref(code, lambda _: _decoded.pop(key, None)), Decoder(code, _version()).function())
        _decoded[key] = entry
    return entry[1]
