"""Turns the negative errno of a failed call of the C core into an exception that says what to do about it."""

from __future__ import annotations

import errno
import os
from typing import Final, Protocol

from ..exception import ClosedError, KernelError
from ..uapi.operations import MEANINGS, Operation
from . import privileges

ENOTSUPP: Final = 524
"""The kernel's internal "not supported", which no user-space header defines."""
_CLOSED: Final = -errno.ESHUTDOWN
_ADVICE: Final = {
    errno.E2BIG: "more entries, instructions or bytes than the kernel allows here",
    errno.ENOMEM: "the kernel has no memory left for it, or the cgroup's memory limit is reached",
    errno.EMFILE: "raise the limit with `ulimit -n`, or close maps and programs",
    errno.ENFILE: "the whole system's limit of open files (sysctl fs.file-max) is reached",
    errno.ENOSYS: "this kernel was built without it, or a sandbox forbids it",
}


class Closable(Protocol):
    """An object that a call may find closed: a Handle."""

    def closed_error(self) -> ClosedError: ...


def failure(error: int, what: str, operation: Operation | None = None) -> KernelError:
    """The exception for a failed call. ``error`` is the positive errno, ``what`` says what was tried, and ``operation``
    selects the meaning of the errno and the privileges that are needed."""
    if error == ENOTSUPP:
        error = errno.EOPNOTSUPP
        if (operation, error) not in MEANINGS:
            return KernelError(error, f"{what}: the kernel does not support it")
    if operation is not None and (operation, error) in MEANINGS:
        return KernelError(error, f"{what}: {MEANINGS[operation, error]}", told=True)
    if error in (errno.EPERM, errno.EACCES):
        return KernelError(error, f"{what}: {privileges.refusal(operation, error)}")
    advice = _ADVICE.get(error)
    return KernelError(error, f"{what}: {os.strerror(error)}: {advice}" if advice else what)


def checked(result: int, what: str, handle: Closable | None = None, operation: Operation | None = None) -> int:
    """The result of a call of the core. Raises KernelError if it is negative, or ClosedError if the call failed because
    ``handle`` is closed."""
    if result < 0:
        raise failed(result, what, handle, operation)
    return result


def failed(
    result: int, what: str, handle: Closable | None, operation: Operation | None = None
) -> KernelError | ClosedError:
    """The exception for a negative result."""
    closed = handle is not None and is_closed(result)
    return handle.closed_error() if handle is not None and closed else failure(-result, what, operation)


def is_closed(result: int) -> bool:
    """Whether a call of the core found that a handle is closed."""
    return result == _CLOSED
