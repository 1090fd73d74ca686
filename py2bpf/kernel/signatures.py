"""The C types of a kernel function's arguments and result: their widths in registers, and whether they are signed.

The kernel's BTF has most functions. It seldom has a system call's function with the call's own arguments, which
compilers inline; for these, the call's tracepoint gives the C types as text.
"""

from __future__ import annotations

import platform
from typing import Any, Final, NamedTuple

from ..btf import c_types
from ..btf.reader import Btf
from ..uapi.syscalls import PLAIN_PREFIXES, is_wrapper
from . import event_formats


class Signature(NamedTuple):
    """``args[i]`` is the ctypes type of argument i, ``result`` the type of the result; None if a type is unknown."""

    args: tuple[Any, ...] = ()
    result: Any = None


UNKNOWN: Final = Signature()
_BODY: Final = "__do_sys_"
"""The prefix of the functions to which wrappers of system calls pass the call's arguments."""


def of_symbol(symbol: str) -> Signature:
    """The signature of a kernel function. For a system call's wrapper, ``args`` are those of the system call."""
    btf = c_types.kernel_btf()
    found = _of_function(symbol, btf)
    if is_wrapper(symbol, platform.machine()):
        call = symbol.partition("_sys_")[2]
        return found._replace(args=_of_function(_BODY + call, btf).args or _of_call(call, btf))
    prefix = next((prefix for prefix in PLAIN_PREFIXES if symbol.startswith(prefix)), None)
    if found == UNKNOWN and prefix is not None:
        return Signature(_of_call(symbol.removeprefix(prefix), btf))
    return found


def _of_function(name: str, btf: Btf | None) -> Signature:
    """The signature of a function; UNKNOWN if BTF doesn't have it. Arguments after a structure passed by value are left
    out, since their registers are unknown."""
    if btf is None:
        return UNKNOWN
    try:
        found = btf.func(name)
    except LookupError:
        return UNKNOWN
    args: list[Any] = []
    for parameter in found.params:
        number = c_types.by_number(parameter.type, btf)
        if number is None or number.size > 8:
            break
        args.append(number.ctype)
    result = c_types.by_number(found.result, btf)
    return Signature(tuple(args), None if result is None else result.ctype)


def _of_call(call: str, btf: Btf | None) -> tuple[Any, ...]:
    """The types of a system call's arguments, from its tracepoint; () for unknown calls."""
    form = event_formats.readable("syscalls", f"sys_enter_{call}")
    fields = [] if form is None else [field for field in form.fields if field.name != "__syscall_nr"]
    numbers = [c_types.by_text(field.ctype, btf) for field in fields]
    return tuple(None if number is None else number.ctype for number in numbers)
