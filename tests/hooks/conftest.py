"""What the tests of hooks share: network namespaces."""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass

import pytest

CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Node:
    """A network namespace with one end of a pair of devices."""

    namespace: str
    device: str
    address: str

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in the namespace meanwhile; sockets made there stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.namespace}") as there:
            enter(libc, there)
            try:
                yield self
            finally:
                enter(libc, home)

    def run(self, *command):
        done = subprocess.run(["ip", "netns", "exec", self.namespace, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def socket(self, port=0):
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.settimeout(0.3)
            sock.bind((self.address, port))
            return sock


def enter(libc, namespace):
    if libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}"


@pytest.fixture
def wire(missing):
    """Two namespaces joined by a veth pair: (left, right). The left's default route leads to the right."""
    if os.geteuid() or not shutil.which("ip"):
        missing("network namespaces need root and iproute2")
    left, right = (
        Node(f"py2bpf-{os.getpid()}-{side}", f"p2b{side}", f"10.77.0.{n}") for n, side in ((1, "l"), (2, "r"))
    )
    with contextlib.ExitStack() as stack:
        for node in (left, right):
            ip("netns", "add", node.namespace)
            stack.callback(ip, "netns", "del", node.namespace)
        ip(
            "-n",
            left.namespace,
            "link",
            "add",
            left.device,
            "type",
            "veth",
            "peer",
            right.device,
            "netns",
            right.namespace,
        )
        for node in (left, right):
            ip("-n", node.namespace, "address", "add", f"{node.address}/24", "dev", node.device)
            ip("-n", node.namespace, "link", "set", node.device, "up")
        ip("-n", left.namespace, "route", "add", "default", "via", right.address)
        yield left, right


@dataclass
class Traffic:
    """Datagrams from one node to another, each different from all others."""

    sender: socket.socket
    receiver: socket.socket
    sent: int = 0

    def _gets_through(self, text, patience):
        self.sent += 1
        payload = b"%s %d" % (text, self.sent)
        self.sender.sendto(payload, self.receiver.getsockname())
        self.receiver.settimeout(patience)
        with contextlib.suppress(TimeoutError):
            while self.receiver.recv(2000) != payload:
                pass
            return True
        return False

    def passes(self, text=b"hello"):
        """Whether a datagram arrives: a busy machine may take its time."""
        return self._gets_through(text, 5)

    def is_dropped(self, text=b"hello"):
        """Whether it doesn't."""
        return not self._gets_through(text, 0.2)


@pytest.fixture
def traffic(wire):
    """From left to right, once the devices have found each other."""
    left, right = wire
    with left.socket() as sender, right.socket() as receiver:
        made = Traffic(sender, receiver)
        assert any(made.passes() for _ in range(3)), "the test's own network does not work"
        yield made
