"""Attaches programs: one function for each member of uapi.hooks.Attach, which gives an empty Link its attachment.

The caller already holds the link, and closes it if the function raises.
"""

from __future__ import annotations

import errno
from typing import Final

from ..core.handles import Handle
from ..exception import KernelError
from ..kernel import perf_event, syscalls, xdp_netlink
from ..kernel.netdev import Device
from ..kernel.sockets import HasFileno, attach_filter
from ..uapi.prog_types import AttachType
from .attachments import BpfLink, NetlinkLink, PerfLink, SocketLink
from .link import Link
from .traffic_control import InstalledLink, Spot

TAKEN: Final = (errno.EBUSY, errno.EEXIST)
"""The kernel's error numbers if the place has a program already and takes no second one."""


def to_socket(link: Link, sock: HasFileno | int) -> None:
    """Attaches a program as the socket's filter, which replaces any other filter."""
    attach_filter(sock, link.prog.handle)
    link.kept_by(SocketLink(sock))


def to_event(link: Link, event: Handle) -> None:
    """Attaches a program to an open perf event."""
    link.kept_by(PerfLink(event, perf_event.attach(event, link.prog.handle)))


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


def to_traffic_control(link: Link, spot: Spot, name: str, prog_id: int, kept: Handle) -> None:
    """Attaches a program to one side of a device. ``kept`` is a handle of the program that stays open while the program
    may be attached."""
    spot.put(link.prog.handle, name, prog_id, link.prog.arrays)
    link.kept_by(InstalledLink(spot, prog_id, kept))
