"""Takes away this process's privileges that compiling must not need: its user, and the system calls that create
something. Such a call ends the process at once, by SIGSYS, even if the library would ignore its error.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Iterable
from typing import Final

NOBODY: Final = 65534

FORBIDDEN: Final = {
    "x86_64": {"bpf": 321, "perf_event_open": 298, "socket": 41, "mount": 165, "mkdir": 83, "memfd_create": 319},
    "aarch64": {"bpf": 280, "perf_event_open": 241, "socket": 198, "mount": 40, "mkdirat": 34, "memfd_create": 279},
}
"""System calls by number."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.c_void_p))


def confine() -> None:
    """Becomes the user nobody, without system calls that create something. Raises if the kernel doesn't enforce this.
    """
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    forbid(FORBIDDEN[platform.machine()].values())
    if not killed_by_bpf():
        raise RuntimeError("bpf(2) can still be called: the seccomp filter isn't active")


def forbid(numbers: Iterable[int]) -> None:
    """Installs a seccomp filter that kills the process when it makes one of these system calls."""
    insns = [struct.pack("=HBBI", _LOAD_NUMBER, 0, 0, 0)]
    for number in numbers:
        insns += [struct.pack("=HBBI", _IF_EQUAL, 0, 1, number), struct.pack("=HBBI", _RETURN, 0, 0, _KILL_PROCESS)]
    insns.append(struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(insns))
    program = _Program(len(insns), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for args in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*args):
            raise OSError(ctypes.get_errno(), f"prctl({args[0]}): {os.strerror(ctypes.get_errno())}")


def killed_by_bpf() -> bool:
    """Whether a child that calls bpf(2) dies of it."""
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).syscall(FORBIDDEN[platform.machine()]["bpf"], 0, None, 0)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSYS
