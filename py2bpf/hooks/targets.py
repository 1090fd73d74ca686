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
"""The error numbers of kernels for a symbol that is missing, can't be probed, or is not unique."""


class Function(NamedTuple):
    """A function of the kernel, or the instruction ``offset`` bytes after its start."""

    symbol: str
    offset: int


def function(target: str) -> Function:
    """Parses ``name`` or ``name+offset``. Raises ValueError for any other text."""
    found = _FUNCTION.fullmatch(target)
    if found is None:
        raise ValueError(f"{target!r} is no function of the kernel: give a name, or name+offset")
    return Function(found["symbol"], int(found["offset"] or "0", 0))


def tracepoint(event: str) -> tuple[str, str]:
    """The category and the name in ``category:event``. Raises ValueError for any other text."""
    found = _TRACEPOINT.fullmatch(event)
    if found is None:
        raise ValueError(f"{event!r} is no tracepoint: give category:event, as in sched:sched_switch")
    return found["category"], found["event"]


def functions(targets: Sequence[str]) -> Iterator[Function]:
    """The functions to try, in order: a system call has several names."""
    for symbol, offset in map(function, targets):
        for name in candidates(symbol, platform.machine()):
            yield Function(name, offset)


def is_inside(targets: Sequence[str], symbol: str) -> bool:
    """Whether the probe is at an instruction inside the function, not at its start."""
    return any(place.offset for place in functions(targets) if place.symbol == symbol)


def present(symbol: str, symbols: Symbols) -> str:
    """The name that this kernel has for a system call, for messages; any other symbol unchanged."""
    names = candidates(symbol, platform.machine())
    return next((name for name in names if name in symbols.functions), symbol)


def open_first(targets: Sequence[str], is_return: bool) -> tuple[KprobeEvent, str]:
    """A probe at the first target that the kernel accepts, and the symbol of its function.

    Raises NotSupported if the kernel has no kprobes, and one KernelError that says what is wrong with each target.
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
    """One error for all refusals. Its errno is the first one other than ENOENT, which says the least."""
    telling = next((error.errno for error in refusals if error.errno != errno.ENOENT), errno.ENOENT)
    symbols = Symbols.of_kernel()
    reasons = [symbols.explain(present(place.symbol, symbols), place.offset) for place in map(function, targets)]
    if telling == errno.EILSEQ:  # kernels refuse an offset inside an instruction so, but strerror() gives nonsense
        telling = errno.EINVAL
    return KernelError(telling or errno.ENOENT, f"can't probe {', '.join(targets)}: {'; '.join(reasons)}")
