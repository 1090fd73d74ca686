"""Finds out which privilege is missing, after the kernel has refused a call.

Files are read as bytes, since a process that gave up its privileges may be unable to import a codec.
"""

from __future__ import annotations

import errno
import os
import re
import resource
from collections.abc import Iterable
from typing import Final

from ..uapi.operations import NEEDS, POWERFUL, Capability, Operation

_STATUS: Final = "/proc/thread-self/status"
_UID_MAP: Final = "/proc/self/uid_map"
_LAST: Final = "/proc/sys/kernel/cap_last_cap"
_UNPRIVILEGED: Final = "/proc/sys/kernel/unprivileged_bpf_disabled"
_LOCKDOWN: Final = "/sys/kernel/security/lockdown"
_PERF_MLOCK: Final = "/proc/sys/kernel/perf_event_mlock_kb"
_PARTS: Final = (Capability.BPF, Capability.PERFMON, Capability.NET_ADMIN)
"""The capabilities for which bpf(2) also accepts CAP_SYS_ADMIN."""
_BY_NETLINK: Final = (Operation.ATTACH_XDP_BY_NETLINK, Operation.ATTACH_TO_QDISC)
"""The operations that need CAP_NET_ADMIN, and don't accept CAP_SYS_ADMIN instead."""


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _status(field: bytes) -> bytes:
    found = re.search(rb"^" + field + rb":\s*(\S+)", _read(_STATUS), re.M)
    return found[1] if found else b""


def has(capability: Capability) -> bool:
    """Whether the calling thread has a capability; True if that can't be found out."""
    effective = _status(b"CapEff")
    return not effective or bool(int(effective, 16) >> capability & 1)


def known(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    """The capabilities that this kernel knows: before Linux 5.8, CAP_SYS_ADMIN stands for the newer ones."""
    last = int(_read(_LAST) or Capability.BPF)
    return tuple(dict.fromkeys(each if each <= last else Capability.SYS_ADMIN for each in capabilities))


def missing(operation: Operation) -> tuple[Capability, ...]:
    """The capabilities that the calling thread lacks for an operation."""
    needed = known(NEEDS[operation].capabilities)
    instead = () if operation in _BY_NETLINK or not has(Capability.SYS_ADMIN) else _PARTS
    return tuple(each for each in needed if each not in instead and not has(each))


def refusal(operation: Operation | None, error: int) -> str:
    """The sentence for a call that was refused by EPERM or EACCES."""
    said = os.strerror(error)
    if operation is None:
        return f"{said}: {_forbidden()}"
    lacking = missing(operation)
    if lacking:
        needed = words(known(NEEDS[operation].capabilities))
        disabled = _unprivileged() if Capability.BPF in lacking else ""
        return f"{said}: this needs {needed}, and this process lacks {words(lacking)}{disabled}. {_remedy(lacking)}"
    return f"{said}: {_otherwise(operation, error)}"


def words(capabilities: Iterable[Capability]) -> str:
    """``CAP_BPF and CAP_PERFMON``."""
    return " and ".join(map(str, capabilities))


def _remedy(lacking: tuple[Capability, ...]) -> str:
    them = "this capability" if len(lacking) == 1 else "these capabilities"
    if os.geteuid():
        return f"Run it as root, with sudo for example, or give the process {them}"
    options = " ".join(f"--cap-add {each.name}" for each in lacking)
    return f"Root lacks {them} here, as in most containers: use `docker run {options}`"


def _unprivileged() -> str:
    state = _read(_UNPRIVILEGED).strip().decode()
    return f"; kernel.unprivileged_bpf_disabled is {state}" if state else ""


def _otherwise(operation: Operation, error: int) -> str:
    """Why an operation was refused although the thread has the capabilities."""
    if operation is Operation.ATTACH_SOCKET:
        return "the socket's filter is locked (SO_LOCK_FILTER)"
    if operation is Operation.READ_QUEUE and error == errno.EPERM and not has(Capability.IPC_LOCK):
        limit = _read(_PERF_MLOCK).strip().decode()
        return (f"its pages are more than kernel.perf_event_mlock_kb ({limit} for each CPU) and RLIMIT_MEMLOCK let "
                f"a process have without {Capability.IPC_LOCK}: use fewer num_pages, or give the process this one")
    if charges_memlock(os.uname().release) and NEEDS[operation].capabilities:
        limit = str(resource.getrlimit(resource.RLIMIT_MEMLOCK)[0])
        if limit != str(resource.RLIM_INFINITY):
            return f"RLIMIT_MEMLOCK is {limit} bytes, which this kernel charges maps and programs to: raise `ulimit -l`"
    if NEEDS[operation].capabilities and in_user_namespace():
        return ("this process has its capabilities in a user namespace only, and the kernel asks for those of the "
                "whole system: run it outside of the container, or in a privileged one")
    return _forbidden()


def _forbidden() -> str:
    """Reasons for which the operation may be refused to everybody here."""
    found = [text for text in (_seccomp(), _lockdown()) if text]
    return " and ".join(found) or "a container, a security module or a read-only object forbids it"


def verifier_advice(reason: str) -> str:
    """Advice for a program that the verifier may have refused only because CAP_PERFMON is missing; else ""."""
    if not missing(Operation.USE_POWERFUL_HELPER):
        return ""
    helper = re.search(r"(?:cannot use helper|unknown func) bpf_(\w+)#", reason)
    if helper is None and not _STRICTER.search(reason):
        return ""
    if helper is not None and helper[1] not in POWERFUL:
        return ""
    lacking = words(missing(Operation.USE_POWERFUL_HELPER))
    return (f". This process lacks {lacking}, without which programs can't print, read others' memory, or calculate "
            "with some pointers")


_STRICTER: Final = re.compile(r"prohibited|leaks addr|!root|unpriv|pointer arithmetic|spec", re.I)
"""Words in the verifier's complaints about programs that are loaded without CAP_PERFMON."""


def in_user_namespace() -> bool:
    """Whether this process has its capabilities only in a user namespace, not in the whole system."""
    mapped = _read(_UID_MAP).split()
    return bool(mapped) and mapped != [b"0", b"0", b"4294967295"]


def _seccomp() -> str:
    return "a seccomp filter is on this process, as containers have it, and may forbid it" if (
        _status(b"Seccomp") == b"2") else ""


def _lockdown() -> str:
    mode = re.search(rb"\[(\w+)\]", _read(_LOCKDOWN))
    if mode is None or mode[1] == b"none":
        return ""
    return f"the kernel is locked down ({mode[1].decode('ascii')}, secure boot mostly), which may forbid it"


def charges_memlock(release: str) -> bool:
    """Whether a kernel charges maps and programs to RLIMIT_MEMLOCK, as those before 5.11 do."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < (5, 11)
