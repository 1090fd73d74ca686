"""Attaches XDP programs by rtnetlink(7): on kernels without XDP links, and to learn why a device refuses a program.

Numbers are those of include/uapi/linux/rtnetlink.h and if_link.h.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from ..core.handles import Handle
from ..uapi.operations import Operation
from ..uapi.xdp import XdpFlags
from . import netlink

_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_RTM_SETLINK: Final = 19
_IFLA_XDP: Final = 43
_XDP_FD, _XDP_FLAGS, _XDP_EXPECTED_FD = 1, 3, 8


def attach(ifindex: int, prog: Handle, flags: int) -> None:
    """Attaches a program to a device that has none. Raises KernelError: EBUSY or EEXIST if the device has one."""
    with prog.copy() as own:
        _set(ifindex, "attaching the XDP program", (_XDP_FD, own.fd), (_XDP_FLAGS, flags | XdpFlags.UPDATE_IF_NOEXIST))


def replace(ifindex: int, old: Handle, new: Handle, flags: int) -> None:
    """Replaces the device's program ``old`` by ``new``. Raises KernelError: EEXIST if the device has another
    program."""
    with old.copy() as before, new.copy() as own:
        replacing = (_XDP_FLAGS, flags | XdpFlags.REPLACE)
        _set(ifindex, "replacing the XDP program", (_XDP_FD, own.fd), (_XDP_EXPECTED_FD, before.fd), replacing)


def detach(ifindex: int, prog: Handle, flags: int) -> None:
    """Detaches a device's program, if it is ``prog``. Raises KernelError: EEXIST if the device has another program."""
    replace = (_XDP_FLAGS, flags | XdpFlags.REPLACE)
    with prog.copy() as own:
        _set(ifindex, "detaching the XDP program", (_XDP_FD, -1), (_XDP_EXPECTED_FD, own.fd), replace)


def _set(ifindex: int, what: str, *attributes: tuple[int, int]) -> None:
    inner = b"".join(netlink.attribute(kind, struct.pack("=i", number)) for kind, number in attributes)
    body = _LINK.pack(socket.AF_UNSPEC, 0, ifindex, 0, 0) + netlink.attribute(_IFLA_XDP | netlink.NESTED, inner)
    netlink.ask(_RTM_SETLINK, 0, body, what, Operation.ATTACH_XDP_BY_NETLINK)
