"""Network devices of the caller's network namespace: by name or number, or the device of the default route."""

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
    """Identifies a device as long as it exists: its number is unique within its network namespace."""

    namespace: int
    number: int

    def check_here(self, what: str) -> None:
        """Raises KernelError ENODEV if the calling thread is in another namespace, where the number may mean another
        device. ``what``: what to do with the program there."""
        if namespace() != self.namespace:
            raise KernelError(errno.ENODEV, f"the program stays on device number {self.number} of another network "
                              f"namespace: {what} it there")


def device(dev: str | int | None) -> Device:
    """Like ifindex(), together with the caller's network namespace."""
    return Device(namespace(), ifindex(dev))


def namespace() -> int:
    """A number for the calling thread's network namespace: SO_NETNS_COOKIE, which is never reused while the machine
    runs, or before Linux 5.14 the inode of the namespace's file, which may be reused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
        except OSError:
            return os.stat(_NAMESPACE).st_ino


def ifindex(dev: str | int | None) -> int:
    """The number of a device given by name or number; None is the device of the default route.

    Raises KernelError if there is no such device, DataTypeError for an argument of another type.
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
    """A device's name for messages, or its number if the device is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)


def names_here(devices: Iterable[Device], is_on: Callable[[Device], bool]) -> list[str]:
    """The names of the devices that are in the caller's network namespace, still exist, and for which ``is_on`` is
    true: another device may have the number of one that is gone."""
    here, found = namespace(), []
    for each in list(devices):
        if each.namespace == here and is_on(each):
            with suppress(OSError):
                found.append(socket.if_indextoname(each.number))
    return found


def default_device() -> str:
    """The name of the device of the default route with the best metric; IPv4 routes come before IPv6 routes.

    Raises KernelError if there is no default route.
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
