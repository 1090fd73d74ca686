"""What probes are attached to: functions of the kernel, and tracepoints, by their names."""

from __future__ import annotations

import errno
import platform
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..exception import KernelError
from ..kernel.perf_event import KprobeEvent, have_kprobes, no_kprobes
from ..kernel.symbols import Symbols
from ..uapi.syscalls import candidates

_FUNCTION: Final = re.compile(r"(?P<symbol>[\w.$]+)(?:\+(?P<offset>0[xX][0-9a-fA-F]{1,16}|\d{1,19}))?", re.ASCII)
"""An offset has at most 64 bits."""

_TRACEPOINT: Final = re.compile(r"(?P<category>[\w-]+)[:/](?P<event>[\w-]+)", re.ASCII)

_NOT_HERE: Final = (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL, errno.EILSEQ, errno.EOPNOTSUPP)
"""How kernels refuse a symbol that is missing, can't be probed, or is not unique."""


class Function(NamedTuple):
    """A function of the kernel, or an instruction ``offset`` bytes from its begin."""

    symbol: str
    offset: int


def function(target: str) -> Function:
    """What ``name`` or ``name+offset`` means. Raises ValueError for what can't be a name."""
    found = _FUNCTION.fullmatch(target)
    if found is None:
        raise ValueError(f"{target!r} is no function of the kernel: give a name, or name+offset")
    return Function(found["symbol"], int(found["offset"] or "0", 0))


def tracepoint(event: str) -> tuple[str, str]:
    """The category and the name that ``category:event`` has. Raises ValueError for another form."""
    found = _TRACEPOINT.fullmatch(event)
    if found is None:
        raise ValueError(f"{event!r} is no tracepoint: give category:event, as in sched:sched_switch")
    return found["category"], found["event"]


def functions(targets: Sequence[str]) -> Iterator[Function]:
    """The functions that may be meant, in the order in which they are tried: a system call has several names."""
    for symbol, offset in map(function, targets):
        for name in candidates(symbol, platform.machine()):
            yield Function(name, offset)


def is_inside(targets: Sequence[str], symbol: str) -> bool:
    """Whether the place is an instruction inside of the function, not its begin."""
    return any(place.offset for place in functions(targets) if place.symbol == symbol)


def present(symbol: str, symbols: Symbols) -> str:
    """A system call's name as this kernel has it, so that what is said of it fits; others as they are."""
    names = candidates(symbol, platform.machine())
    return next((name for name in names if name in symbols.functions), symbol)


def open_first(targets: Sequence[str], is_return: bool) -> tuple[KprobeEvent, str]:
    """A probe at the first of the targets that the kernel accepts, and that function's symbol.

    Raises NotSupported without kprobes, and KernelError: one error for all targets, with what is wrong with each.
    """
    if not have_kprobes():
        raise no_kprobes()
    refusals = []
    for place in functions(targets):
        try:
            return KprobeEvent(place.symbol, place.offset, is_return), place.symbol
        except KernelError as error:
            if error.errno not in _NOT_HERE:
                raise
            refusals.append(error)
    raise _explained(targets, refusals)


def _explained(targets: Sequence[str], refusals: list[KernelError]) -> KernelError:
    """One error for all: a refusal other than "no such symbol" tells more than that one."""
    telling = next((error.errno for error in refusals if error.errno != errno.ENOENT), errno.ENOENT)
    symbols = Symbols.of_kernel()
    reasons = [symbols.explain(present(place.symbol, symbols), place.offset) for place in map(function, targets)]
    if telling == errno.EILSEQ:  # how kernels call an offset inside of an instruction, but strerror() nonsense
        telling = errno.EINVAL
    return KernelError(telling or errno.ENOENT, f"can't probe {', '.join(targets)}: {'; '.join(reasons)}")
