"""Filters on sockets: setsockopt(2) with SO_ATTACH_BPF and SO_DETACH_BPF, see socket(7)."""

from __future__ import annotations

import errno
from typing import Final, Protocol

from ..core.handles import Handle
from ..exception import DataTypeError, KernelError
from ..given import INT_MAX, checked_int, shown
from . import bpf_call

_SO_ATTACH_BPF: Final = 50
_SO_DETACH_BPF: Final = 27


class HasFileno(Protocol):
    """An object with a descriptor: a socket."""

    def fileno(self) -> int: ...


def attach_filter(sock: HasFileno | int, prog: Handle) -> None:
    """Attaches a filter to a socket, replacing any other. Raises KernelError, and DataTypeError if it is no socket."""
    with prog.copy() as own:
        _set(sock, _SO_ATTACH_BPF, own.fd, "attaching a filter to the socket")


def detach_filter(sock: HasFileno | int) -> bool:
    """Detaches the socket's filter; False if it has none. Raises KernelError, DataTypeError."""
    try:
        _set(sock, _SO_DETACH_BPF, 0, "detaching the filter from the socket")
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def _set(sock: HasFileno | int, option: int, value: int, what: str) -> None:
    number = sock if isinstance(sock, int) else getattr(sock, "fileno", None)
    if number is None or isinstance(sock, bool):
        raise DataTypeError(f"{what} needs a socket, or the number of its descriptor, not {shown(sock)}")
    fd = checked_int(number if isinstance(number, int) else number(), -1, INT_MAX, "the number of a descriptor")
    bpf_call.set_socket(fd, option, value, what)
