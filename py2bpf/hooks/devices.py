"""XDP programs at network devices, attached by a link of the kernel or by netlink."""

from __future__ import annotations

import errno
from typing import Final

from ..core.handles import Handle
from ..exception import KernelError
from ..kernel import syscalls, xdp_netlink
from ..kernel.netdev import Device
from ..uapi.prog_types import AttachType
from .attachments import Attachment, BpfLink
from .link import Link

TAKEN: Final = (errno.EBUSY, errno.EEXIST)
"""The kernel's error numbers if the place has a program already and takes no second one."""
_GONE: Final = (errno.ENODEV, errno.EEXIST, errno.ENOENT)
"""The device is gone, or has another program by now."""


class NetlinkLink(Attachment):
    """An XDP program that was attached to a device by netlink: stays until it is detached, or the device goes.

    Detaching needs a descriptor of the program, so this object keeps a handle of its own.
    """

    def __init__(self, prog: Handle, place: Device, flags: int) -> None:
        self._prog, self._place, self._flags = prog.copy(), place, flags

    def end(self) -> None:
        self._place.check_here("detach()")
        try:
            xdp_netlink.detach(self._place.number, self._prog, self._flags)
        except KernelError as error:
            if error.errno not in _GONE:
                raise
        self._prog.close()

    def update(self, old: Handle, new: Handle) -> None:
        self._place.check_here("detach()")
        before, self._prog = self._prog, new.copy()
        try:
            xdp_netlink.replace(self._place.number, before, new, self._flags)
        except BaseException:
            self._prog.close()
            self._prog = before
            raise
        before.close()


def to_device(link: Link, place: Device, flags: int) -> None:
    """Attaches a device's XDP program by a link, or by netlink if that fails: older kernels have no such links, and
    netlink says why an attempt fails."""
    try:
        made = syscalls.link_create(link.prog.handle, place.number, AttachType.XDP, flags, what="the XDP link")
        link.kept_by(BpfLink(made))
        return
    except KernelError as error:
        if error.errno in (*TAKEN, errno.EPERM):
            raise
    link.kept_by(NetlinkLink(link.prog.handle, place, flags))
    xdp_netlink.attach(place.number, link.prog.handle, flags)
