"""What keeps a program at its place in the kernel: a link of the kernel, a perf event, a socket, a device.

An operation that a place doesn't support raises NotSupported.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from ..core.handles import Handle
from ..exception import KernelError, NotSupported
from ..kernel import pins, syscalls, xdp_netlink
from ..kernel.links import LinkInfo, kprobe_link_misses, link_info
from ..kernel.netdev import Device, namespace
from ..kernel.sockets import HasFileno, attach_filter, detach_filter
from ..uapi.prog_types import LinkType

_ON_DEVICES: Final = (LinkType.XDP, LinkType.TCX, LinkType.NETKIT)
_CANNOT_DETACH: Final = (errno.EOPNOTSUPP, errno.EINVAL)
_GONE: Final = (errno.ENODEV, errno.EEXIST, errno.ENOENT)
"""The device is gone, or has another program by now."""


class Attachment:
    """What keeps a program at its place."""

    def end(self) -> None:
        """Takes the program off, unless something else keeps it there, such as a pin."""
        raise NotImplementedError

    def detach(self) -> None:
        """Takes the program off in any case."""
        self.end()

    def is_gone(self) -> bool:
        """Whether the program is known to be no longer at its place. False if the kernel doesn't tell."""
        return False

    def update(self, old: Handle, new: Handle) -> None:
        """Replaces the program by another one, without missing an event in between."""
        raise NotSupported(errno.EOPNOTSUPP, "replacing a program at this place")

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        """Pins the attachment, and the program arrays that the program uses, in a bpf file system."""
        raise NotSupported(errno.EOPNOTSUPP, "pinning at this place, which has no link")

    def info(self) -> LinkInfo:
        raise NotSupported(errno.EOPNOTSUPP, "information about this place, which has no link")

    def misses(self) -> int:
        """How many events were missed, not counting those in the program's own ``recursion_misses``."""
        return 0


class Nowhere(Attachment):
    """The attachment of a link whose program is not attached, or not yet."""

    def end(self) -> None:
        """There is nothing to take off."""

    def is_gone(self) -> bool:
        return True


class BpfLink(Attachment):
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
    """A program at a perf event, kept by a link of the kernel or, before Linux 5.15, by the open event itself."""

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
            Attachment.pin(self, path, arrays)
        super().pin(path, arrays)

    def info(self) -> LinkInfo:
        return super().info() if self._has_link else Attachment.info(self)

    def misses(self) -> int:
        return kprobe_link_misses(self.handle) if self._has_link else 0


class SocketLink(Attachment):
    """A socket's filter (SO_ATTACH_BPF): stays until it is replaced or detached, or the socket is closed."""

    def __init__(self, sock: HasFileno | int) -> None:
        self._sock = sock

    def end(self) -> None:
        if isinstance(self._sock, int) or self._sock.fileno() >= 0:
            detach_filter(self._sock)

    def is_gone(self) -> bool:
        return not isinstance(self._sock, int) and self._sock.fileno() < 0

    def update(self, old: Handle, new: Handle) -> None:
        attach_filter(self._sock, new)


class NetlinkLink(Attachment):
    """An XDP program that was attached to a device by netlink: stays until it is detached, or the device goes.

    Detaching needs a descriptor of the program, so this object keeps a handle of its own.
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
