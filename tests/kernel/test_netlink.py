"""Netlink requests fail in bounded time, and with KernelErrors only."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from typing import Any

import pytest

from py2bpf import tc
from py2bpf.exception import KernelError
from py2bpf.kernel import clsact, netlink, xdp_netlink
from py2bpf.kernel.netdev import ifindex
from py2bpf.uapi.operations import Operation
from py2bpf.uapi.tc import CLSACT_INGRESS

pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def messages() -> None:
    """pyroute2 makes those of traffic control; imported before a test takes sockets away."""
    pytest.importorskip("pyroute2.netlink.rtnl.tcmsg")


RTM_GETLINK = 18
LINK = struct.Struct("=BxHiII")


def link(index: int, flags: int = 0) -> list[bytes]:
    return netlink.ask(RTM_GETLINK, flags, LINK.pack(0, 0, index, 0, 0), "asking for a device", Operation.ATTACH_XDP)


def test_answers_of_one_and_of_many_parts() -> None:
    lo = ifindex("lo")
    (one,) = link(lo)
    assert LINK.unpack_from(one, netlink.HEADER_SIZE)[2] == lo
    assert netlink.read_attributes(one[netlink.HEADER_SIZE + LINK.size :])[3] == b"lo\0"  # IFLA_IFNAME
    found = {LINK.unpack_from(each, netlink.HEADER_SIZE)[2] for each in link(0, netlink.DUMP)}
    assert found == {index for index, _name in socket.if_nameindex()}


def test_a_refusal_says_what_was_tried() -> None:
    with pytest.raises(KernelError) as caught:
        link(0x7FFFFFFF)
    assert caught.value.errno == errno.ENODEV and str(caught.value).startswith("asking for a device: ")


FAILURES = {
    "makes no socket": ("__init__", OSError(errno.EMFILE, os.strerror(errno.EMFILE)), errno.EMFILE),
    "sends nothing": ("send", OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)), errno.ENOBUFS),
    "hears nothing": ("recv", OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), errno.ENOMEM),
    "is not permitted": ("send", OSError(errno.EPERM, os.strerror(errno.EPERM)), errno.EPERM),
    "has no such family": ("__init__", OSError(errno.EAFNOSUPPORT, "no family"), errno.EAFNOSUPPORT),
}
CALLS = {
    "list": lambda: clsact.filters(ifindex("lo"), CLSACT_INGRESS),
    "remove": lambda: clsact.remove(ifindex("lo"), CLSACT_INGRESS, clsact.Filter(0xB900, 1, "x", 1)),
    "clear": lambda: tc.clear_ingress_filter("lo"),
    "detach": lambda: xdp_netlink._set(ifindex("lo"), "detaching the XDP program", (1, -1)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("failure", FAILURES)
def test_failures_of_the_socket_are_kernel_errors(failure: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, error, number = FAILURES[failure]

    class Failing(socket.socket):
        pass

    def fail(*_arguments: Any, **_more: Any) -> Any:
        raise error

    setattr(Failing, method, fail)
    monkeypatch.setattr(Failing, "__del__", lambda self: None, raising=False)
    use = CALLS[call]
    ifindex("lo")
    monkeypatch.setattr(netlink.socket, "socket", only_for_netlink(Failing))
    with pytest.raises(KernelError) as caught:
        use()
    assert caught.value.errno == number and "by netlink" in str(caught.value)


def only_for_netlink(kind: type[socket.socket]) -> Any:
    ordinary = socket.socket

    def make(family: int = socket.AF_INET, *rest: Any, **more: Any) -> Any:
        return (kind if family == socket.AF_NETLINK else ordinary)(family, *rest, **more)

    return make


def test_no_answer_is_waited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(socket.socket):
        def send(self, data: Any, flags: int = 0) -> int:
            return len(data)  # and the kernel knows of nothing

    monkeypatch.setattr(netlink, "TIMEOUT", 0.2)
    monkeypatch.setattr(netlink.socket, "socket", only_for_netlink(Deaf))
    begin = time.monotonic()
    with pytest.raises(KernelError, match=r"filters of device \d+: the kernel gave no answer within 0\.2") as caught:
        clsact.filters(1, CLSACT_INGRESS)
    assert caught.value.errno == errno.ETIMEDOUT and time.monotonic() - begin < 5


def test_damaged_answers_end() -> None:
    for data in (b"", b"\0" * 16, b"\1", struct.pack("=IHHII", 3, 2, 0, 1, 0), struct.pack("=IHHII", 16, 2, 0, 1, 0)):
        assert [netlink.read_result(each) for each in netlink.messages(data)] in ([], [(0, "")])
    for data in (b"\0\0\0\0", b"\3\0\1\0", b"\1", b"\xff\xff\1\0ab"):
        assert isinstance(netlink.read_attributes(data), dict)


@pytest.mark.parametrize("call", CALLS)
def test_no_event_loop_is_begun(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyroute2's own sockets wait for ever where one can't be made."""

    def refused(*_arguments: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("select.epoll", refused)
    assert CALLS[call]() in ([], False, 0, None)
