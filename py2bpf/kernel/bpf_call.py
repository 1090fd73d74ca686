"""bpf(2) and other system calls of the C core, which put new descriptors into handles. Calls release the GIL."""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Callable, Sequence
from typing import Any

from .._ffi import ffi, lib
from ..core.failures import checked
from ..core.handles import Handle
from ..uapi.operations import Operation

_memlock_tried = False


def _raise_memlock() -> bool:
    """Raises RLIMIT_MEMLOCK, once in the life of the process. False if that was done before, or is not possible."""
    global _memlock_tried
    if _memlock_tried:
        return False
    _memlock_tried = True
    unlimited = resource.RLIM_INFINITY
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == unlimited:
        return False
    for limits in ((unlimited, unlimited), (hard, hard)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
            return True
    return False


def charged(call: Callable[[], int]) -> int:
    """Makes a call that old kernels charge to RLIMIT_MEMLOCK. On the first EPERM, raises the limit and tries again."""
    result = call()
    if result == -errno.EPERM and _raise_memlock():
        result = call()
    return result


def address(buffer: Any) -> int:
    """The address of a buffer's bytes, for attributes of bpf(2). The caller keeps the buffer alive."""
    result: int = ffi.cast("uintptr_t", ffi.from_buffer(buffer))
    return int(result)


Use = tuple[Handle, int]
"""A handle whose descriptor a call gets, and the byte of the attribute where the call expects the descriptor."""


def bpf(cmd: int, attr: bytearray, *uses: Use) -> int:
    """bpf(2) with the attribute's bytes, which the kernel may write to. Returns the result or -errno; -ESHUTDOWN if a
    handle is closed."""
    result: int = lib.p2b_bpf_call(cmd, ffi.from_buffer(attr), len(attr), _uses(uses), ffi.NULL)
    return result


def bpf_make(made: Handle, cmd: int, attr: bytearray, *uses: Use) -> int:
    """bpf(2) that gives a descriptor, which ``made`` owns. Returns 0 or -errno."""
    result: int = lib.p2b_bpf_call(cmd, ffi.from_buffer(attr), len(attr), _uses(uses), made.cell)
    return result


def _uses(uses: Sequence[Use]) -> Any:
    return ffi.new("struct p2b_uses *", (len(uses), [handle.cell for handle, _ in uses], [at for _, at in uses]))


def perf_event_make(made: Handle, attr: bytearray, pid: int, cpu: int, group_fd: int = -1, flags: int = 0) -> int:
    """perf_event_open(2), close-on-exec; ``made`` owns the descriptor. Returns 0 or -errno."""
    result: int = lib.p2b_perf_event_make(ffi.from_buffer(attr), pid, cpu, group_fd, flags, made.cell)
    return result


def set_socket(fd: int, option: int, value: int, what: str) -> None:
    """setsockopt(2) with a number, at level SOL_SOCKET. Raises KernelError, which says ``what`` was tried."""
    checked(lib.p2b_set_socket(fd, option, value), what, None, Operation.ATTACH_SOCKET)
