"""Relates the kernel's clocks, which programs see, to ``time.time_ns()``.

Programs see the clocks of the whole machine: ``funcs.ktime_get_ns()`` is CLOCK_MONOTONIC, and
``funcs.ktime_get_boot_ns()`` is CLOCK_BOOTTIME, which goes on while the machine is suspended. In a time namespace
(time_namespaces(7)) the process's own clocks of these names differ from them. The difference between these clocks and
the time of day changes: for CLOCK_MONOTONIC with each suspend, for both whenever somebody sets the time. So call
epoch() again for each batch of records.

Programs in the embedded VM see the clocks of the process itself, and don't need this module.
"""

from __future__ import annotations

import enum
import os
import time
from pathlib import Path
from typing import Final

from .borders import public
from .exception import DataTypeError, Py2BpfError
from .given import shown

_PROC: Final = Path("/proc/self")
_INITIAL: Final = 0xEFFFFFFA
"""PROC_TIME_INIT_INO, include/linux/proc_ns.h: the namespace without offsets."""
_NANO: Final = 1_000_000_000
_TRIES: Final = 4


class Clock(enum.Enum):
    """A clock of the kernel's, named as in /proc/self/timens_offsets; the value is the number in clock_gettime(2)."""

    MONOTONIC = time.CLOCK_MONOTONIC
    BOOTTIME = time.CLOCK_BOOTTIME


@public
def offset(clock: Clock = Clock.MONOTONIC) -> int:
    """How many nanoseconds this process's clock is ahead of the kernel's: 0 except in a time namespace.

    Raises Py2BpfError if the offset can't be known: after unshare(CLONE_NEWTIME) inside such a namespace, when only
    the process's children are in the new one.
    """
    if not isinstance(clock, Clock):
        raise DataTypeError(f"a clock is a py2bpf.clocks.Clock, not {shown(clock)}")
    own = _inode("time")
    if own in (None, _INITIAL):
        return 0
    if own != _inode("time_for_children"):
        raise Py2BpfError("this process made a time namespace for its children while it was in another one, whose "
                          "offsets /proc doesn't tell: relate clocks in a child, or before unshare()")  # fmt: skip
    for line in (_PROC / "timens_offsets").read_text(encoding="ascii").splitlines():
        name, seconds, nanoseconds = line.split()
        if name.upper() in (clock.name, str(clock.value)):
            return int(seconds) * _NANO + int(nanoseconds)
    return 0


def _inode(namespace: str) -> int | None:
    """A namespace's inode number; None before Linux 5.6, which has no time namespaces."""
    try:
        return os.stat(_PROC / "ns" / namespace).st_ino
    except FileNotFoundError:
        return None


@public
def now(clock: Clock = Clock.MONOTONIC) -> int:
    """The result that a program's ``funcs.ktime_get_ns()`` would have now (BOOTTIME: ``ktime_get_boot_ns()``), in
    nanoseconds."""
    ahead = offset(clock)
    return time.clock_gettime_ns(clock.value) - ahead


@public
def epoch(clock: Clock = Clock.BOOTTIME) -> int:
    """The time at which the kernel's clock was 0, in nanoseconds since 1970. Add it to a program's time to compare that
    with ``time.time_ns()``.

    The result is right at this moment: call epoch() again for each batch. With BOOTTIME, times from before a suspend
    stay right.
    """
    ahead = offset(clock)
    _, found = min(_measured(clock, ahead) for _ in range(_TRIES))
    return found


def _measured(clock: Clock, ahead: int) -> tuple[int, int]:
    """How long one measurement of both clocks took, and the epoch that it gives. The quickest measurement is the most
    precise one."""
    before = time.clock_gettime_ns(clock.value)
    wall = time.time_ns()
    after = time.clock_gettime_ns(clock.value)
    return after - before, wall - ((before + after) // 2 - ahead)
