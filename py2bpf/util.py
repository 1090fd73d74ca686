"""System utilities: the file systems that tracing needs, and packet sockets."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from pathlib import Path
from typing import Final

from .borders import public
from .core.failures import failure
from .exception import KernelError
from .given import INT_MAX, checked_int, checked_text, path_bytes
from .kernel import mounts, tracefs
from .uapi.operations import Operation

BPFFS: Final = Path("/sys/fs/bpf")


@public
def ensure_resources() -> None:
    """Mounts tracefs and bpffs if they are missing, which needs root. Raises KernelError if a mount fails.

    RLIMIT_MEMLOCK needs no care: on kernels before 5.11, which charge maps and programs to it, creating a map or
    program raises the limit.
    """
    try:
        tracefs.root()
    except KernelError:
        mount("tracefs", tracefs.MOUNT_POINTS[0])
    if not is_mounted(BPFFS):
        mount("bpf", BPFFS)


@public
def packet_socket(kind: int = socket.SOCK_RAW, protocol: int = 0) -> socket.socket:
    """An open AF_PACKET socket, see packet(7): ``kind`` SOCK_RAW or SOCK_DGRAM, ``protocol`` in network byte order.

    Raises KernelError, which names the missing privilege (CAP_NET_RAW), and DataTypeError or DataRangeError for wrong
    arguments.
    """
    kind, protocol = checked_int(kind, 0, INT_MAX, "kind"), checked_int(protocol, 0, 0xFFFF, "protocol")
    try:
        return socket.socket(socket.AF_PACKET, kind, protocol)
    except OSError as error:
        raise failure(error.errno or errno.EIO, "opening a packet socket", Operation.OPEN_PACKET_SOCKET) from None


@public
def is_mounted(place: Path) -> bool:
    """Whether a file system is mounted there."""
    name = path_bytes(place)
    return any(os.fsencode(mounted.place) == name for mounted in mounts.mounts())


@public
def mount(kind: str, place: Path) -> None:
    """Mounts a file system without a device, see mount(2). Raises KernelError, and DataTypeError or DataRangeError for
    a wrong path or name."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = checked_text(kind, "the name of a file system").encode()
    if libc.mount(b"nodev", path_bytes(place), name, ctypes.c_ulong(0), None):
        error = ctypes.get_errno()
        raise failure(error, f"mounting {kind} at {os.fsdecode(place)}", Operation.MOUNT)
