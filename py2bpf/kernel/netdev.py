"""Network devices: by name or number, and the one of the default route. Of the caller's network namespace."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ..exception import DataTypeError, KernelError
from ..given import shown

_IPV4_ROUTES: Final = Path("/proc/thread-self/net/route")
_IPV6_ROUTES: Final = Path("/proc/thread-self/net/ipv6_route")
_RTF_UP: Final = 0x1
_RTF_REJECT: Final = 0x200


_NAMESPACE: Final = "/proc/thread-self/ns/net"
_SO_NETNS_COOKIE: Final = 71


class Device(NamedTuple):
    """A device for as long as it exists: its number is one of its network namespace's, as its name is."""

    namespace: int
    number: int


def device(dev: str | int | None) -> Device:
    """As ifindex(), of the caller's network namespace."""
    return Device(namespace(), ifindex(dev))


def namespace() -> int:
    """The calling thread's network namespace: a number that no other gets while the machine runs (SO_NETNS_COOKIE), or
    before Linux 5.14 the inode of its file, which others get once it is gone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
        except OSError:
            return os.stat(_NAMESPACE).st_ino


def ifindex(dev: str | int | None) -> int:
    """The number of a device given by name or number; None is the default route's.

    Raises KernelError where there is none, DataTypeError for what is neither.
    """
    if dev is None:
        dev = default_device()
    if isinstance(dev, bool) or not isinstance(dev, (str, int)):
        raise DataTypeError(f"a network device is given by its name (a str, as 'lo') or its number, not {shown(dev)}")
    try:
        if isinstance(dev, str):
            return socket.if_nametoindex(dev)
        socket.if_indextoname(dev)
        return dev
    except (OSError, OverflowError, ValueError):  # of a NUL, or a lone surrogate
        names = ", ".join(name for _number, name in socket.if_nameindex())
        raise KernelError(errno.ENODEV, f"no network device {shown(dev)}; there are: {names}") from None


def device_name(index: int) -> str:
    """A device's name for people, or its number where it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)


def names_here(devices: Iterable[Device], is_on: Callable[[Device], bool]) -> list[str]:
    """The names of those of the caller's network namespace that are still there, and that something is on: another
    device may have the number of one that is gone."""
    here, found = namespace(), []
    for each in list(devices):
        if each.namespace == here and is_on(each):
            with suppress(OSError):
                found.append(socket.if_indextoname(each.number))
    return found


def default_device() -> str:
    """The name of the device that the default route with the best metric uses, IPv4's before IPv6's.

    Raises KernelError when there is none.
    """
    for file, read in ((_IPV4_ROUTES, ipv4_defaults), (_IPV6_ROUTES, ipv6_defaults)):
        found = sorted(read(file.read_text())) if file.exists() else []
        if found:
            return found[0][1]
    raise KernelError(errno.ENODEV, "there is no default route to take the network device from: name a device")


def ipv4_defaults(table: str) -> Iterator[tuple[int, str]]:
    """(metric, device) of each default route in the text of /proc/net/route."""
    for line in table.splitlines()[1:]:
        name, destination, _gateway, flags, _refs, _use, metric, mask = line.split()[:8]
        if int(destination, 16) == int(mask, 16) == 0 and int(flags, 16) & _RTF_UP:
            yield int(metric), name


def ipv6_defaults(table: str) -> Iterator[tuple[int, str]]:
    """(metric, device) of each default route in the text of /proc/net/ipv6_route."""
    for line in table.splitlines():
        destination, length, _source, _slength, _hop, metric, _refs, _use, flags, name = line.split()
        usable = int(flags, 16) & (_RTF_UP | _RTF_REJECT) == _RTF_UP
        if int(destination, 16) == int(length, 16) == 0 and usable and name != "lo":
            yield int(metric, 16), name
