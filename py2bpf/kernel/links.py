"""Attaching programs with bpf(2): descriptors, links, the attachments of network devices, facts about programs.

Attribute layouts are those of ``union bpf_attr`` in include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import errno
import os
import struct
import weakref
from contextlib import ExitStack
from types import TracebackType
from typing import Final, NamedTuple, Self

from ..exception import ClosedError, KernelError
from ..uapi.prog_types import AttachType
from . import core, syscalls

_PROG_GET_FD_BY_ID: Final = 13
_BY_ID: Final = struct.Struct("=III")  # id, next_id, flags
_QUERY: Final = struct.Struct("=II8xQI4x8xQ16x")  # ifindex, attach_type, prog_ids, count, link_ids
_QUERY_COUNT: Final = 24
_PROG_INFO: Final = struct.Struct("=II8s48x16s128xQ")  # type, id, tag, name, recursion_misses
_KPROBE_LINK_INFO: Final = struct.Struct("=48xQ")  # missed

TCX_LIMIT: Final = 64
"""As many programs fit one place of a device."""


class Descriptor:
    """Owns a file descriptor: closes it once, at the latest when it is garbage."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._close = weakref.finalize(self, os.close, fd)

    def fileno(self) -> int:
        return self.fd

    def close(self) -> None:
        """Closes it; again is harmless."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Resources:
    """An object made of others that need closing: the last acquired is closed first, each of them in any case."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Detaches and closes everything; again is harmless."""
        self._closed = True
        self._stack.close()

    def __enter__(self) -> Self:
        if self._closed:
            raise ClosedError(f"{self!r} is closed")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class ProgInfo(NamedTuple):
    """What the kernel tells about a program. ``misses`` counts runs left out since it was running on that CPU."""

    prog_type: int
    id: int
    tag: bytes
    name: str
    misses: int


def prog_info(fd: int) -> ProgInfo:
    """Facts about a program. Raises KernelError."""
    data = syscalls.get_info(fd, _PROG_INFO.size).ljust(_PROG_INFO.size, b"\0")
    prog_type, number, tag, name, misses = _PROG_INFO.unpack(data)
    return ProgInfo(prog_type, number, tag, name.rstrip(b"\0").decode(), misses)


def kprobe_link_misses(fd: int) -> int:
    """How often the probe of a kprobe's link was hit but not run; 0 on kernels that don't tell (before 6.7)."""
    data = syscalls.get_info(fd, _KPROBE_LINK_INFO.size).ljust(_KPROBE_LINK_INFO.size, b"\0")
    missed: int = _KPROBE_LINK_INFO.unpack(data)[0]
    return missed


def prog_by_id(number: int) -> Descriptor | None:
    """A descriptor of the program with that id, or None when it is gone. Raises KernelError."""
    result = core.bpf(_PROG_GET_FD_BY_ID, bytearray(_BY_ID.pack(number, 0, 0)))
    if result == -errno.ENOENT:
        return None
    return Descriptor(core.checked(result, f"opening the program with id {number}"))


def link_perf_event(event_fd: int, prog_fd: int) -> Descriptor | None:
    """Links a program to a perf event, or None where the kernel refuses so (no such links before Linux 5.15)."""
    cookie = bytes(8)
    try:
        fd = syscalls.link_create(prog_fd, event_fd, AttachType.PERF_EVENT, 0, cookie, "a link to a perf event")
    except KernelError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
    return Descriptor(fd)


class TcxEntry(NamedTuple):
    """A program attached to a device: its id, and its link's id (0 when attached without link)."""

    prog_id: int
    link_id: int


def tcx_attach(ifindex: int, where: AttachType, prog_fd: int) -> None:
    """Attaches a program behind those that are there. Raises KernelError, EEXIST when it is attached already."""
    syscalls.prog_attach(ifindex, prog_fd, where)


def tcx_detach(ifindex: int, where: AttachType, prog_fd: int) -> bool:
    """Detaches a program; False when it isn't attached there (any more). Raises KernelError."""
    try:
        syscalls.prog_detach(ifindex, prog_fd, where)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return False
        raise
    return True


def tcx_query(ifindex: int, where: AttachType) -> list[TcxEntry] | None:
    """The programs at a place of a device in the order they run, or None when the kernel has no tcx (before 6.6)."""
    progs, links = bytearray(4 * TCX_LIMIT), bytearray(4 * TCX_LIMIT)
    attr = bytearray(_QUERY.pack(ifindex, where, core.address(progs), TCX_LIMIT, core.address(links)))
    result = core.bpf(syscalls.Cmd.PROG_QUERY, attr)
    if result in (-errno.EINVAL, -errno.EOPNOTSUPP):
        return None
    core.checked(result, f"asking for the programs at {where.name} of device {ifindex}")
    (count,) = struct.unpack_from("=I", attr, _QUERY_COUNT)
    pairs = zip(struct.iter_unpack("=I", progs), struct.iter_unpack("=I", links), strict=True)
    return [TcxEntry(prog, link) for (prog,), (link,) in pairs][:count]
