"""What the system needs before tracing: mounted file systems."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from .exception import KernelError
from .kernel import tracefs

BPFFS: Final = Path("/sys/fs/bpf")


def ensure_resources() -> None:
    """Mounts tracefs and bpffs where they are missing; needs root for that. Raises KernelError when a mount fails.

    RLIMIT_MEMLOCK needs no care: where the kernel charges maps and programs to it (before 5.11), creating them
    lifts it.
    """
    try:
        tracefs.root()
    except KernelError:
        mount("tracefs", tracefs.MOUNT_POINTS[0])
    if not is_mounted(BPFFS):
        mount("bpf", BPFFS)


def is_mounted(place: Path) -> bool:
    """Whether a file system is mounted there."""
    return any(line.split(" ")[1] == str(place) for line in Path("/proc/self/mounts").read_text().splitlines())


def mount(kind: str, place: Path) -> None:
    """Mounts a file system without a device, see mount(2). Raises KernelError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"nodev", os.fsencode(place), kind.encode(), ctypes.c_ulong(0), None):
        error = ctypes.get_errno()
        advice = "; that needs root" if error == errno.EPERM else ""
        raise KernelError(error, f"mounting {kind} at {place}: {os.strerror(error)}{advice}")
