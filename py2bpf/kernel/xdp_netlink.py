"""XDP programs on devices by rtnetlink(7): for kernels without XDP links, and to learn why a device refuses one.

Numbers are those of include/uapi/linux/netlink.h, rtnetlink.h and if_link.h.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from ..exception import KernelError
from ..uapi.xdp import XdpFlags

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, seq, pid
_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ATTRIBUTE: Final = struct.Struct("=HH")  # nlattr: length, type
_RTM_SETLINK: Final = 19
_REQUEST_ACK: Final = 0x5
_ACK_TLVS: Final = 0x200
_ERROR: Final = 2
_ERROR_MESSAGE: Final = 1
_NESTED: Final = 0x8000
_IFLA_XDP: Final = 43
_XDP_FD, _XDP_FLAGS, _XDP_EXPECTED_FD = 1, 3, 8
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_ROOM: Final = 1 << 16


def attach(ifindex: int, prog_fd: int, flags: int) -> None:
    """Puts a program on a device that has none. Raises KernelError, EBUSY or EEXIST where there is one."""
    _set(ifindex, "attaching the XDP program", (_XDP_FD, prog_fd), (_XDP_FLAGS, flags | XdpFlags.UPDATE_IF_NOEXIST))


def detach(ifindex: int, prog_fd: int, flags: int) -> None:
    """Takes a program off a device, if it is this one. Raises KernelError, EEXIST where it is another."""
    replace = (_XDP_FLAGS, flags | XdpFlags.REPLACE)
    _set(ifindex, "detaching the XDP program", (_XDP_FD, -1), (_XDP_EXPECTED_FD, prog_fd), replace)


def _set(ifindex: int, what: str, *attributes: tuple[int, int]) -> None:
    inner = b"".join(_attribute(kind, struct.pack("=i", number)) for kind, number in attributes)
    body = _LINK.pack(socket.AF_UNSPEC, 0, ifindex, 0, 0) + _attribute(_IFLA_XDP | _NESTED, inner)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
        route.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        route.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        route.send(_HEADER.pack(_HEADER.size + len(body), _RTM_SETLINK, _REQUEST_ACK, 1, 0) + body)
        number, text = read_answer(route.recv(_ROOM))
    if number:
        raise KernelError(number, f"{what}: {text or os.strerror(number)}")


def _attribute(kind: int, data: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(data)
    return (_ATTRIBUTE.pack(length, kind) + data).ljust((length + 3) & ~3, b"\0")


def read_answer(message: bytes) -> tuple[int, str]:
    """(errno, what the kernel says of it) of an acknowledgement; (0, '') when all went well."""
    _length, kind, flags, _seq, _pid = _HEADER.unpack_from(message)
    (result,) = struct.unpack_from("=i", message, _HEADER.size)
    if kind != _ERROR or not result:
        return 0, ""
    at = _HEADER.size + 4 + _HEADER.size
    while flags & _ACK_TLVS and at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind == _ERROR_MESSAGE:
            return -result, message[at + _ATTRIBUTE.size : at + length].rstrip(b"\0").decode()
        at += max(length + 3 & ~3, _ATTRIBUTE.size)
    return -result, ""
