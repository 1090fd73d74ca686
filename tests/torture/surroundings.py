"""Where a campaign's process lives: in a network of its own."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

_CLONE_NEWNET, _SIOCSIFFLAGS, _IFF_UP = 0x40000000, 0x8914, 1


def alone() -> None:
    """A network namespace with a loopback device alone, where the process may have one: what is attached there meets
    nobody's packets."""
    if os.geteuid() or ctypes.CDLL(None).unshare(_CLONE_NEWNET):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
