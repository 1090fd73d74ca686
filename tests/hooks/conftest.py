"""What the tests of hooks share: privileges, leak checks, network namespaces, tracefs."""

import contextlib
import ctypes
import gc
import os
import socket
import subprocess
from dataclasses import dataclass

import pytest

CLONE_NEWNET = 0x40000000
REQUIRED = os.environ.get("PY2BPF_REQUIRE_KERNEL") == "1"


def cannot(reason):
    """Skips, or fails where the kernel's tests have to run."""
    if REQUIRED:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def open_files():
    files = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            files[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return files


@pytest.fixture(autouse=True)
def kernel_rules(request):
    """Tests of the kernel need root, and leave no descriptor open."""
    if not any(request.node.get_closest_marker(name) for name in ("kernel", "qemu")):
        yield
        return
    if os.geteuid():
        cannot("needs root")
    gc.collect()
    before = open_files()
    yield
    gc.collect()
    leaked = {fd: name for fd, name in open_files().items() if before.get(fd) != name and "bpf" in name.lower()}
    leaked |= {fd: name for fd, name in open_files().items() if fd not in before and "perf" in name}
    assert not leaked


@pytest.fixture(scope="session")
def tracefs():
    from py2bpf.exception import KernelError
    from py2bpf.kernel import tracefs
    from py2bpf.util import ensure_resources

    if os.geteuid():
        cannot("needs root")
    try:
        ensure_resources()
        return tracefs.root()
    except KernelError as error:
        cannot(str(error))


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
    if done.returncode:
        cannot(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")


@pytest.fixture
def wire():
    """Two namespaces joined by a veth pair: (left, right). The left's default route leads to the right."""
    if os.geteuid():
        cannot("needs root")
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
    """Datagrams from one node to another."""

    sender: socket.socket
    receiver: socket.socket

    def passes(self, payload=b"hello"):
        """Whether a datagram arrives."""
        self.sender.sendto(payload, self.receiver.getsockname())
        try:
            return self.receiver.recv(2000) == payload
        except TimeoutError:
            return False


@pytest.fixture
def traffic(wire):
    """From left to right."""
    left, right = wire
    with left.socket() as sender, right.socket() as receiver:
        made = Traffic(sender, receiver)
        assert made.passes(), "the test's own network does not work"
        yield made
