"""The limits of a process that runs a broken compiler or a broken VM: privileges, memory, time, the terminal."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MEMORY: Final = 4 << 30
FILE: Final = 64 << 20
CPU: Final = 1200

CAP_NET_ADMIN: Final = 12
CAP_PERFMON: Final = 38
CAP_BPF: Final = 39
FOR_BPF: Final = (CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF)

_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_PDEATHSIG: Final = 1
_VERSION_3: Final = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def keep_only(capabilities: Iterable[int]) -> None:
    """Gives up all others for good, also for programs that are started from here. Root stays root by name only."""
    kept = set(capabilities)
    for number in range(64):
        if number not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)  # refused to whom has nothing to lose
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if _libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capget")
    for half, group in enumerate(sets):
        mask = sum(1 << number - 32 * half for number in kept if number // 32 == half)
        group.permitted &= mask
        group.effective &= mask
        group.inheritable = 0
    if _libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")


def confine(folder: Path, memory: int, capabilities: Iterable[int] = ()) -> None:
    """For a child just forked: a session of its own, working and writing its output in ``folder``."""
    os.setsid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, FILE), (resource.RLIMIT_CPU, CPU),
                         (resource.RLIMIT_CORE, 0)):  # fmt: skip
        resource.setrlimit(limit, (value, value))
    os.chdir(folder)
    with open(os.devnull, "rb") as nothing, open("output", "ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    keep_only(capabilities)
