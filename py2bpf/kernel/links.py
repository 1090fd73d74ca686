"""Attaches programs with bpf(2): links of the kernel, and tcx programs of network devices.

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
"""How many programs fit one place of a device."""


class Resources(Public):
    """An object that owns others: close() closes all of them, the last acquired first, even if one raises."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    if not TYPE_CHECKING:  # a type checker would take any name then

        def __getattr__(self, name: str) -> Any:
            """Raises AttributeError, which points to ``prog`` if the program has an attribute of that name."""
            program = self.__dict__.get("prog")
            there = program is not None and not name.startswith("_") and hasattr(type(program), name)
            advice = f"; its program has: .prog.{name}" if there else ""
            found = f"{type(self).__name__!r} object has no attribute {name!r}{advice}"
            raise AttributeError(found, name=name, obj=self)

    def close(self) -> None:
        """Detaches and closes everything. Idempotent."""
        self._closed = True
        self._stack.close()

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Raises DataTypeError: owners can't be copied or pickled."""
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
    """The kernel's facts about a link. ``device`` is the number of the link's network device, or 0 when that device is
    gone; for links to other places it means nothing."""

    kind: int
    id: int
    prog_id: int
    device: int


def link_info(link: Handle) -> LinkInfo:
    """Facts about a link (struct bpf_link_info). Raises KernelError, ClosedError."""
    return LinkInfo(*_LINK_INFO.unpack(syscalls.get_info(link, _LINK_INFO.size).ljust(_LINK_INFO.size, b"\0")))


_LINK_INFO: Final = struct.Struct("=3I4xI")


def prog_by_id(number: int) -> Handle | None:
    """The program with that id, or None if it is gone. Raises KernelError."""
    made = Handle(f"program {number}")
    result = bpf_call.bpf_make(made, _PROG_GET_FD_BY_ID, bytearray(_BY_ID.pack(number, 0, 0)))
    if result == -errno.ENOENT:
        return None
    checked(result, f"opening the program with id {number}, through which a tc program is removed", None,
                 Operation.FIND_PROGRAM)
    return made


def is_gone(number: int) -> bool:
    """Whether no program has that id any more. False if this process may not ask (CAP_SYS_ADMIN)."""
    try:
        found = prog_by_id(number)
    except KernelError:
        return False
    if found is not None:
        found.close()
    return found is None


def link_perf_event(event: Handle, prog: Handle) -> Handle | None:
    """A link of a program to a perf event; None before Linux 5.15, which has no such links."""
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
    """Attaches a program after those that are there. Raises KernelError: EEXIST if it is attached already."""
    syscalls.prog_attach(ifindex, prog, where)


def tcx_detach(ifindex: int, where: AttachType, prog: Handle) -> bool:
    """Detaches a program; False if it isn't attached there any more. Raises KernelError."""
    try:
        syscalls.prog_detach(ifindex, prog, where)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return False
        raise
    return True


def tcx_query(ifindex: int, where: AttachType) -> list[TcxEntry] | None:
    """The programs at a place of a device, in the order in which they run; None if the kernel has no tcx (before
    6.6)."""
    progs, links = bytearray(4 * TCX_LIMIT), bytearray(4 * TCX_LIMIT)
    attr = bytearray(_QUERY.pack(ifindex, where, bpf_call.address(progs), TCX_LIMIT, bpf_call.address(links)))
    result = bpf_call.bpf(syscalls.Cmd.PROG_QUERY, attr)
    if result in (-errno.EINVAL, -errno.EOPNOTSUPP):
        return None
    checked(result, f"asking for the programs at {where.name} of device {ifindex}", None, Operation.ATTACH_TC)
    (count,) = struct.unpack_from("=I", attr, _QUERY_COUNT)
    pairs = zip(struct.iter_unpack("=I", progs), struct.iter_unpack("=I", links), strict=True)
    return [TcxEntry(prog, link) for (prog,), (link,) in pairs][:count]
