"""Links: a program at its place in the kernel, and what keeps it there.

A Link is made empty, and a function of attach.py gives it the backend that keeps the program at its place. Whoever
attaches holds the link before: an exception of a signal handler behind the system call leaves nothing attached that
nobody knows of.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final

from ..core.handles import Handle
from ..exception import ClosedError, DataTypeError, KernelError, NotSupported
from ..given import shown
from ..kernel import pins, syscalls, xdp_netlink
from ..kernel.links import LinkInfo, Resources, kprobe_link_misses, link_info
from ..kernel.netdev import Device, namespace
from ..kernel.program_info import prog_info
from ..kernel.sockets import HasFileno, attach_filter, detach_filter
from ..prog import Prog
from ..uapi.prog_types import LinkType

_ON_DEVICES: Final = (LinkType.XDP, LinkType.TCX, LinkType.NETKIT)
_CANNOT_DETACH: Final = (errno.EOPNOTSUPP, errno.EINVAL)
_GONE: Final = (errno.ENODEV, errno.EEXIST, errno.ENOENT)
"""The device is gone, or what it has isn't ours any more."""


class Backend:
    """What keeps a program at its place. Operations that a place doesn't have raise NotSupported."""

    def end(self) -> None:
        """Takes the program off, unless something else keeps it there, such as a pin."""
        raise NotImplementedError

    def detach(self) -> None:
        """Takes the program off in any case."""
        self.end()

    def is_gone(self) -> bool:
        """Whether the program is no longer there, as far as the kernel tells."""
        return False

    def update(self, old: Handle, new: Handle) -> None:
        """Puts another program in the place of this one; none of the place's events is missed in between."""
        raise NotSupported(errno.EOPNOTSUPP, "replacing a program at this place")

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        """Gives what keeps the program, and the program arrays that it uses, names in a bpf file system."""
        raise NotSupported(errno.EOPNOTSUPP, "pinning at this place, which has no link")

    def info(self) -> LinkInfo:
        raise NotSupported(errno.EOPNOTSUPP, "information about this place, which has no link")

    def misses(self) -> int:
        """Events of which the program was not told, beside those that the program's own count has."""
        return 0


class BpfLink(Backend):
    """A link of the kernel (BPF_LINK_CREATE): the program stays until its last descriptor and pin are gone."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def end(self) -> None:
        self.handle.close()

    def detach(self) -> None:
        try:
            syscalls.link_detach(self.handle)
        except KernelError as error:
            if error.errno not in _CANNOT_DETACH:
                raise
        self.handle.close()

    def is_gone(self) -> bool:
        if self.handle.closed:
            return True
        info = self.info()
        return info.kind in _ON_DEVICES and info.device == 0

    def update(self, old: Handle, new: Handle) -> None:
        syscalls.link_update(self.handle, new)

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        pins.pin(path, self.handle, arrays)

    def info(self) -> LinkInfo:
        return link_info(self.handle)


class PerfLink(BpfLink):
    """A perf event's program, by a link of the kernel or, before Linux 5.15, for as long as the event is open."""

    def __init__(self, event: Handle, link: Handle | None) -> None:
        super().__init__(event if link is None else link)
        self._event, self._has_link = event, link is not None

    def end(self) -> None:
        self.handle.close()
        self._event.close()

    def detach(self) -> None:
        self.end()

    def is_gone(self) -> bool:
        return self._event.closed

    def update(self, old: Handle, new: Handle) -> None:
        raise NotSupported(errno.EOPNOTSUPP, "replacing the program of a perf event")

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        if not self._has_link:
            Backend.pin(self, path, arrays)
        super().pin(path, arrays)

    def info(self) -> LinkInfo:
        return super().info() if self._has_link else Backend.info(self)

    def misses(self) -> int:
        return kprobe_link_misses(self.handle) if self._has_link else 0


class SocketLink(Backend):
    """A socket's filter (SO_ATTACH_BPF): it stays until the socket is closed, or has another or no filter."""

    def __init__(self, sock: HasFileno | int) -> None:
        self._sock = sock

    def end(self) -> None:
        if isinstance(self._sock, int) or self._sock.fileno() >= 0:
            detach_filter(self._sock)

    def is_gone(self) -> bool:
        return not isinstance(self._sock, int) and self._sock.fileno() < 0

    def update(self, old: Handle, new: Handle) -> None:
        attach_filter(self._sock, new)


class NetlinkLink(Backend):
    """An XDP program that was put on a device by netlink: it stays until it is taken off, or the device goes.

    Only who has the program takes it off, so that this keeps a handle of its own.
    """

    def __init__(self, prog: Handle, place: Device, flags: int) -> None:
        self._prog, self._place, self._flags = prog.copy(), place, flags

    def end(self) -> None:
        self._check_namespace()
        try:
            xdp_netlink.detach(self._place.number, self._prog, self._flags)
        except KernelError as error:
            if error.errno not in _GONE:
                raise
        self._prog.close()

    def update(self, old: Handle, new: Handle) -> None:
        self._check_namespace()
        before, self._prog = self._prog, new.copy()
        try:
            xdp_netlink.replace(self._place.number, before, new, self._flags)
        except BaseException:
            self._prog.close()
            self._prog = before
            raise
        before.close()

    def _check_namespace(self) -> None:
        if namespace() != self._place.namespace:
            raise KernelError(errno.ENODEV, f"the program stays on device number {self._place.number} of another "
                              "network namespace: detach() it there")


def _nothing() -> None:
    """Of a link that was given no backend."""


class Link(Resources):
    """A program at its place in the kernel. ``prog`` is the program, ``target`` the place in words.

    A context manager: close() takes the program off, unless a pin keeps it. What the kernel keeps without a link, such
    as filters of sockets and of traffic control, also stays when this object is dropped without close().
    """

    def __init__(self, prog: Prog, target: str, stack: ExitStack | None = None) -> None:
        """``stack`` has what is closed after the link: what it owns."""
        self.prog, self.target = prog, target
        self._backend: Backend | None = None
        self._missed_in_all: int | None = None
        super().__init__(ExitStack() if stack is None else stack)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.prog!r} to {self.target}>"

    def kept_by(self, backend: Backend) -> None:
        """Says what keeps the program at its place."""
        self._backend = backend

    def close(self) -> None:
        """Takes the program off its place, unless a pin keeps it there; again is harmless."""
        self._end(_nothing if self._backend is None else self._backend.end)

    def detach(self) -> bool:
        """Takes the program off its place, also where a pin keeps it, and closes the link; False where it was no longer
        there. Raises KernelError."""
        was_there = not self.is_gone
        if self._backend is not None:
            self._end(self._backend.detach if was_there else self._backend.end)
        self.close()
        return was_there

    def _end(self, take_off: Callable[[], None]) -> None:
        if self._closed:
            return
        self._keep_missed()
        try:
            take_off()
        finally:
            self._stack.close()
        self._closed = True  # else it can be tried again

    def update(self, prog: Prog) -> None:
        """Has another program run at the place from now on, and misses nothing in between.

        Raises NotSupported at places that can't, KernelError for a program of another kind (EINVAL), ClosedError.
        """
        if not isinstance(prog, Prog):
            raise DataTypeError(f"what takes the program's place is a Prog, not {shown(prog)}")
        prog.need_kernel(f"attach it to {self.target}")
        self._open_backend().update(self.prog.handle, prog.handle)
        self.prog = prog

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Gives the link a name in a bpf file system, where it outlives the process. The program arrays that its
        program uses get the same name with ``_array0``, ``_array1`` ... behind it. Raises NotSupported where the kernel
        has no link, ClosedError."""
        self._open_backend().pin(path, tuple(self.prog.arrays))

    @property
    def info(self) -> LinkInfo:
        """What the kernel knows of the link. Raises NotSupported where there is none, ClosedError."""
        return self._open_backend().info()

    @property
    def is_gone(self) -> bool:
        """Whether the program is no longer at its place: after close(), or since the place itself is gone."""
        return self._backend is None or self._closed or self._backend.is_gone()

    @property
    def missed(self) -> int:
        """How often the place was passed without the program running, as far as the kernel tells (since Linux 5.12).

        A program is not run while it runs on that CPU, nor a return probe when all its slots are taken. After close()
        it tells what it was then.
        """
        return self._misses() if self._missed_in_all is None else self._missed_in_all

    def _misses(self) -> int:
        return prog_info(self.prog.handle).recursion_misses + (0 if self._backend is None else self._backend.misses())

    def _keep_missed(self) -> None:
        with suppress(ClosedError):  # of a program that was closed by itself
            self._missed_in_all = self._misses()

    def _open_backend(self) -> Backend:
        if self._backend is None or self._closed:
            raise ClosedError(f"{self!r} is closed")
        return self._backend
