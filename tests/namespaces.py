"""Network namespaces of our own, where nobody else's packets pass."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

T = TypeVar("T", bound="Namespace")


class Namespace:
    """A named one. ``device`` and ``address`` are those of its end of a pair, "" where it is alone."""

    def __init__(self, name: str, device: str = "", address: str = "") -> None:
        self.name, self.device, self.address = name, device, address

    def shell(self, *words: str) -> str:
        done = subprocess.run([*self.prefix, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.shell(sys.executable, "-c", code)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in the namespace meanwhile; sockets made there stay there."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def socket(self, port: int = 0) -> socket.socket:
        """For datagrams."""
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.settimeout(0.3)
            sock.bind((self.address, port))
            return sock

    @property
    def prefix(self) -> list[str]:
        """Before the words of a command that shall run there."""
        return ["ip", "netns", "exec", self.name]


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def alone(missing: Callable[[str], Any], kind: type[T]) -> Iterator[T]:
    """One with nothing but loopback."""
    with _named(missing, "alone") as name:
        yield kind(name)


@contextlib.contextmanager
def pair(missing: Callable[[str], Any], kind: type[T]) -> Iterator[tuple[T, T]]:
    """Two that a pair of devices joins: ``left0`` is 10.78.0.1 and fd78::1, ``right0`` the same with 2."""
    with _named(missing, "left") as left, _named(missing, "right") as right:
        ip("-n", left, "link", "add", "left0", "type", "veth", "peer", "right0", "netns", right)
        made = kind(left, "left0", "10.78.0.1"), kind(right, "right0", "10.78.0.2")
        for number, each in enumerate(made, 1):
            ip("-n", each.name, "address", "add", f"{each.address}/24", "dev", each.device)
            ip("-n", each.name, "address", "add", f"fd78::{number}/64", "dev", each.device, "nodad")
            ip("-n", each.name, "link", "set", each.device, "up")
        yield made


@contextlib.contextmanager
def _named(missing: Callable[[str], Any], use: str) -> Iterator[str]:
    if os.geteuid() or not shutil.which("ip"):
        missing("network namespaces need root and iproute2")
    name = f"py2bpf-{use}-{os.getpid()}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        ip("netns", "del", name)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"`ip {' '.join(words)}` failed: {done.stderr.strip()}"


def leave_ours() -> bool:
    """This process goes into a nameless one for good, whose loopback is up. False where it has no right to."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNET):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
    return True
