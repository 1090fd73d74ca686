"""Attaching programs with bpf(2): links, the attachments of network devices, facts about programs.

Attribute layouts are those of ``union bpf_attr`` in include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import errno
import struct
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Self

from ..borders import Public
from ..core.failures import checked
from ..core.handles import Handle, uncopyable
from ..exception import ClosedError, KernelError
from ..uapi.operations import Operation
from ..uapi.prog_types import AttachType
from . import bpf_call, syscalls

_PROG_GET_FD_BY_ID: Final = 13
_BY_ID: Final = struct.Struct("=III")  # id, next_id, flags
_QUERY: Final = struct.Struct("=II8xQI4x8xQ16x")  # ifindex, attach_type, prog_ids, count, link_ids
_QUERY_COUNT: Final = 24
_KPROBE_LINK_INFO: Final = struct.Struct("=48xQ")  # missed

TCX_LIMIT: Final = 64
"""As many programs fit one place of a device."""


class Resources(Public):
    """An object made of others that need closing: the last acquired is closed first, each of them in any case."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    if not TYPE_CHECKING:  # a type checker would take any name then

        def __getattr__(self, name: str) -> Any:
            """Only says where the program's own methods are."""
            program = self.__dict__.get("prog")
            there = program is not None and not name.startswith("_") and hasattr(type(program), name)
            advice = f"; its program has: .prog.{name}" if there else ""
            found = f"{type(self).__name__!r} object has no attribute {name!r}{advice}"
            raise AttributeError(found, name=name, obj=self)

    def close(self) -> None:
        """Detaches and closes everything; again is harmless."""
        self._closed = True
        self._stack.close()

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """For copy and pickle. Raises DataTypeError."""
        raise uncopyable(repr(self))

    def __enter__(self) -> Self:
        if self._closed:
            raise ClosedError(f"{self!r} is closed")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def kprobe_link_misses(link: Handle) -> int:
    """How often the probe of a kprobe's link was hit but not run; 0 on kernels that don't tell (before 6.7)."""
    data = syscalls.get_info(link, _KPROBE_LINK_INFO.size).ljust(_KPROBE_LINK_INFO.size, b"\0")
    missed: int = _KPROBE_LINK_INFO.unpack(data)[0]
    return missed


class LinkInfo(NamedTuple):
    """What the kernel tells about a link. ``device`` is the number of the network device that it is on, 0 once that is
    gone; of links to other places it means nothing."""

    kind: int
    id: int
    prog_id: int
    device: int


def link_info(link: Handle) -> LinkInfo:
    """Facts about a link (struct bpf_link_info). Raises KernelError, ClosedError."""
    return LinkInfo(*_LINK_INFO.unpack(syscalls.get_info(link, _LINK_INFO.size).ljust(_LINK_INFO.size, b"\0")))


_LINK_INFO: Final = struct.Struct("=3I4xI")


def prog_by_id(number: int) -> Handle | None:
    """The program with that id, or None when it is gone. Raises KernelError."""
    made = Handle(f"program {number}")
    result = bpf_call.bpf_make(made, _PROG_GET_FD_BY_ID, bytearray(_BY_ID.pack(number, 0, 0)))
    if result == -errno.ENOENT:
        return None
    checked(result, f"opening the program with id {number}, through which a tc program is removed", None,
                 Operation.FIND_PROGRAM)
    return made


def is_gone(number: int) -> bool:
    """Whether no program has that id any more, as far as this process may ask (CAP_SYS_ADMIN)."""
    try:
        found = prog_by_id(number)
    except KernelError:
        return False
    if found is not None:
        found.close()
    return found is None


def link_perf_event(event: Handle, prog: Handle) -> Handle | None:
    """Links a program to a perf event, or None where the kernel refuses so (no such links before Linux 5.15)."""
    cookie = bytes(8)
    try:
        return syscalls.link_create(prog, event, AttachType.PERF_EVENT, 0, cookie, "a link to a perf event")
    except KernelError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


class TcxEntry(NamedTuple):
    """A program attached to a device: its id, and its link's id (0 when attached without link)."""

    prog_id: int
    link_id: int


def tcx_attach(ifindex: int, where: AttachType, prog: Handle) -> None:
    """Attaches a program behind those that are there. Raises KernelError, EEXIST when it is attached already."""
    syscalls.prog_attach(ifindex, prog, where)


def tcx_detach(ifindex: int, where: AttachType, prog: Handle) -> bool:
    """Detaches a program; False when it isn't attached there (any more). Raises KernelError."""
    try:
        syscalls.prog_detach(ifindex, prog, where)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return False
        raise
    return True


def tcx_query(ifindex: int, where: AttachType) -> list[TcxEntry] | None:
    """The programs at a place of a device in the order they run, or None when the kernel has no tcx (before 6.6)."""
    progs, links = bytearray(4 * TCX_LIMIT), bytearray(4 * TCX_LIMIT)
    attr = bytearray(_QUERY.pack(ifindex, where, bpf_call.address(progs), TCX_LIMIT, bpf_call.address(links)))
    result = bpf_call.bpf(syscalls.Cmd.PROG_QUERY, attr)
    if result in (-errno.EINVAL, -errno.EOPNOTSUPP):
        return None
    checked(result, f"asking for the programs at {where.name} of device {ifindex}", None, Operation.ATTACH_TC)
    (count,) = struct.unpack_from("=I", attr, _QUERY_COUNT)
    pairs = zip(struct.iter_unpack("=I", progs), struct.iter_unpack("=I", links), strict=True)
    return [TcxEntry(prog, link) for (prog,), (link,) in pairs][:count]
