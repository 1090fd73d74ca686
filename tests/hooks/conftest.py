"""What the tests of hooks share: datagrams from one network namespace to another."""

import contextlib
import socket
from dataclasses import dataclass

import pytest
from namespaces import Namespace, ip, pair

from py2bpf.kernel import links
from py2bpf.kernel.netdev import ifindex
from py2bpf.uapi.prog_types import AttachType


@pytest.fixture
def wire(missing):
    """Two namespaces joined by a pair of devices: (left, right). The left's default route leads to the right."""
    with pair(missing, Namespace) as (left, right):
        ip("-n", left.name, "route", "add", "default", "via", right.address)
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


@pytest.fixture(params=["tcx", "clsact"])
def mechanism(request, wire):
    """By which filters of tc are installed: one that only new kernels have, and one that all have."""
    _left, right = wire
    with right.inside():
        if request.param == "tcx" and links.tcx_query(ifindex(right.device), AttachType.TCX_INGRESS) is None:
            pytest.skip("this kernel has no tcx")
    if request.param == "clsact":
        pytest.importorskip("pyroute2")
    return request.param
