"""rtnetlink(7): sends one request to the kernel, on a new socket, and waits a limited time for the answer.

Numbers are those of include/uapi/linux/netlink.h and rtnetlink.h.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..core.failures import checked, failure
from ..exception import KernelError
from ..uapi.operations import Operation

TIMEOUT: Final = 5.0
"""Seconds to wait for the next part of an answer, which the kernel makes while it takes the request."""

REQUEST, ACK, DUMP, EXCLUSIVE, CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
NESTED: Final = 0x8000

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, seq, pid
HEADER_SIZE: Final = _HEADER.size
_ATTRIBUTE: Final = struct.Struct("=HH")  # nlattr: length, type
_RESULT: Final = struct.Struct("=i")
_KIND: Final = 0x3FFF
"""An attribute's type without its flags."""
_ERROR, _DONE = 2, 3
_CAPPED, _TLVS = 0x100, 0x200
_MESSAGE: Final = 1
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_ROOM: Final = 1 << 16
_numbers = itertools.count(1)


class Message(NamedTuple):
    """A part of an answer. ``whole`` includes its header."""

    kind: int
    flags: int
    number: int
    whole: bytes

    @property
    def body(self) -> bytes:
        return self.whole[_HEADER.size :]


def ask(kind: int, flags: int, body: bytes, what: str, operation: Operation) -> list[bytes]:
    """Sends a request, and returns the parts of the answer with their headers; none if it was only acknowledged.

    Raises KernelError, which says ``what`` was tried, and gives the kernel's own message if there is one.
    """
    number = next(_numbers) & 0xFFFFFFFF
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
            route.settimeout(TIMEOUT)
            for option in (_CAP_ACK, _EXT_ACK):
                with contextlib.suppress(OSError):  # without it, only the kernel's message is missing
                    route.setsockopt(_SOL_NETLINK, option, 1)
            route.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST | ACK, number, 0) + body)
            return [message.whole for message in _answer(route, number, what, operation)]
    except TimeoutError:
        raise KernelError(errno.ETIMEDOUT, f"{what}: the kernel gave no answer within {TIMEOUT:g} seconds") from None
    except KernelError:
        raise
    except OSError as error:
        raise failure(error.errno or errno.EIO, f"{what}: talking to the kernel by netlink", operation) from None


def _answer(route: socket.socket, number: int, what: str, operation: Operation) -> Iterator[Message]:
    """The parts of the answer that have content, up to its end."""
    while True:
        for message in messages(route.recv(_ROOM)):
            if message.number != number:
                continue
            if message.kind not in (_ERROR, _DONE):
                yield message
                continue
            error, text = read_result(message)
            if error and text:
                raise KernelError(error, f"{what}: {text}")
            checked(-error, what, None, operation)
            return


def messages(data: bytes) -> Iterator[Message]:
    """The messages in a packet from the kernel."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, number, _pid = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield Message(kind, flags, number, data[at : at + length])
        at += length + 3 & ~3


def read_result(message: Message) -> tuple[int, str]:
    """(errno, the kernel's message) from the end of an answer; (0, '') for success."""
    if len(message.body) < _RESULT.size:
        return 0, ""
    (result,) = _RESULT.unpack_from(message.body)
    if result >= 0:
        return 0, ""
    if not message.flags & _TLVS:
        return -result, ""
    behind = message.body[_RESULT.size :]
    if message.kind == _ERROR:  # the request's header, or all of it, comes first
        size = _HEADER.size if message.flags & _CAPPED else _HEADER.unpack_from(behind)[0]
        behind = behind[size + 3 & ~3 :]
    return -result, read_attributes(behind).get(_MESSAGE, b"").rstrip(b"\0").decode(errors="replace")


def attribute(kind: int, data: bytes) -> bytes:
    """An attribute, filled up to a multiple of 4 bytes."""
    length = _ATTRIBUTE.size + len(data)
    return (_ATTRIBUTE.pack(length, kind) + data).ljust((length + 3) & ~3, b"\0")


def read_attributes(data: bytes) -> dict[int, bytes]:
    """The attributes by type. If a type comes twice, the last one counts."""
    found = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _KIND] = data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found
