"""Perf events as places to run programs: kprobes, kretprobes and tracepoints. See perf_event_open(2).

One event with pid -1 on any online CPU covers all CPUs: the kernel runs a probe's programs on whatever CPU hits the
probe, and only perf's own records depend on the event's CPU. Programs keep running when that CPU goes offline.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import struct
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from ..core.failures import checked, failure
from ..core.handles import Handle
from ..cpus import online_cpus
from ..exception import KernelError, NotSupported
from ..uapi.operations import Operation
from . import bpf_call
from .links import Resources, link_perf_event
from .tracefs import MOUNT_POINTS, ProbeEvent, may_exist

_KPROBE_PMU: Final = Path("/sys/bus/event_source/devices/kprobe")
_TYPE_TRACEPOINT: Final = 2
_IOC_ENABLE: Final = 0x2400
_IOC_SET_BPF: Final = 0x40042408
_ATTR: Final = struct.Struct("=IIQ40xQQ")  # type, size, config, config1, config2; the 72 bytes of PERF_ATTR_SIZE_VER1


def _open(what: str, kind: int, config: int, config1: int = 0, config2: int = 0) -> Handle:
    """Opens a perf event. Raises KernelError, which says ``what`` was tried."""
    made = Handle("a perf event")
    attr = bytearray(_ATTR.pack(kind, _ATTR.size, config, config1, config2))
    checked(bpf_call.perf_event_make(made, attr, -1, online_cpus()[0]), what, None, Operation.OPEN_EVENT)
    return made


def open_tracepoint(number: int, what: str) -> Handle:
    """Opens the tracepoint of that number; ``what`` names it in errors. Raises KernelError."""
    return _open(f"opening the tracepoint {what}", _TYPE_TRACEPOINT, number)


@functools.cache
def _kprobe_pmu() -> tuple[int, int] | None:
    """The kprobe PMU's type, and the config bit for a return probe; None if there is no such PMU."""
    try:
        kind = int((_KPROBE_PMU / "type").read_text())
        form = (_KPROBE_PMU / "format" / "retprobe").read_text()
    except FileNotFoundError:
        return None
    return kind, 1 << int(form.strip().removeprefix("config:"))


def have_kprobes() -> bool:
    """Whether the kernel has kprobes; also True if this process may not find out."""
    return _kprobe_pmu() is not None or any(may_exist(place / "kprobe_events") for place in MOUNT_POINTS)


def no_kprobes() -> NotSupported:
    """The error for kernels without kprobes."""
    return NotSupported(errno.ENOSYS, "kprobes: it was built without them (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS)")


class KprobeEvent(Resources):
    """An open probe at ``symbol`` plus ``offset`` bytes, or at its return; ``event`` is its perf event.

    Raises NotSupported if the kernel has no kprobes, and KernelError with the kernel's errno: ENOENT for unknown
    symbols, EINVAL for places that can't be probed, EADDRNOTAVAIL for names that several functions have.
    """

    def __init__(self, symbol: str, offset: int, is_return: bool) -> None:
        if not have_kprobes():
            raise no_kprobes()
        with ExitStack() as stack:
            pmu = _kprobe_pmu()
            if pmu is not None:
                event = _pmu_probe(pmu, symbol, offset, is_return)
            else:
                event = _tracefs_probe(stack, symbol, offset, is_return)
            self.event = stack.enter_context(event)
            super().__init__(stack.pop_all())


def _what(symbol: str, offset: int, is_return: bool) -> str:
    return f"probing {'the return of ' if is_return else ''}{symbol}{f'+{offset:#x}' if offset else ''}"


def _pmu_probe(pmu: tuple[int, int], symbol: str, offset: int, is_return: bool) -> Handle:
    kind, return_bit = pmu
    name = symbol.encode() + b"\0"
    return _open(_what(symbol, offset, is_return), kind, return_bit if is_return else 0, bpf_call.address(name), offset)


def _tracefs_probe(stack: ExitStack, symbol: str, offset: int, is_return: bool) -> Handle:
    """A probe made through tracefs. Closing the stack removes the probe, after the event is closed."""
    target = f"{symbol}+{offset}" if offset else symbol
    try:
        probe = stack.enter_context(closing(ProbeEvent(target, is_return)))
    except KernelError:
        raise
    except PermissionError as error:
        what = f"{_what(symbol, offset, is_return)}, which without the kprobe PMU takes writing to {error.filename}"
        raise failure(errno.EACCES, what, Operation.WRITE_TRACEFS) from None
    except OSError as error:
        raise failure(error.errno or errno.EIO, _what(symbol, offset, is_return)) from None
    return open_tracepoint(probe.id, probe.name)


def attach(event: Handle, prog: Handle) -> Handle | None:
    """Runs a program at a perf event: by a link, which is returned (since Linux 5.15), or else, returning None, for as
    long as the event is open. Raises KernelError."""
    link = link_perf_event(event, prog)
    if link is None:
        with prog.copy() as own:
            _ioctl(event, _IOC_SET_BPF, own.fd)
    _ioctl(event, _IOC_ENABLE, 0)
    return link


def _ioctl(event: Handle, request: int, argument: int) -> None:
    try:
        fcntl.ioctl(event.fd, request, argument)
    except OSError as error:
        raise failure(error.errno or errno.EIO, "attaching a program to a perf event",
                           Operation.ATTACH_EVENT) from None
