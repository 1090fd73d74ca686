"""Socket filters on loopback."""

import contextlib
import ctypes
import errno
import socket

import pytest

from py2bpf import funcs, net
from py2bpf.datastructures import create_map
from py2bpf.exception import ClosedError, KernelError
from py2bpf.socket_filter import SkBuffContext, SocketFilter

ETH_P_ALL = 0x0003
SO_LOCK_FILTER = 44

pytestmark = [pytest.mark.kernel, pytest.mark.any_kernel]


@pytest.fixture
def pair():
    """A sender and a receiver of datagrams on loopback."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.2)
        sender.connect(receiver.getsockname())
        yield sender, receiver


@pytest.fixture
def raw():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.bind(("lo", 0))
        sock.settimeout(0.3)
        yield sock


def received(sock):
    try:
        return sock.recv(2000)
    except TimeoutError:
        return None


def drain(sock):
    """Takes what came before the filter."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(2000)
    sock.settimeout(0.3)


def drop_all(skb):
    return 0


def keep_all(skb):
    return 0x7FFFFFFF


def test_dropping_and_keeping(pair):
    sender, receiver = pair
    with SocketFilter(drop_all) as drop, SocketFilter(keep_all) as keep:
        drop.attach(receiver)
        sender.send(b"one")
        assert received(receiver) is None
        keep.attach(receiver)
        sender.send(b"two")
        assert received(receiver) == b"two"
        drop.attach(receiver.fileno())
        sender.send(b"three")
        assert received(receiver) is None
        drop.detach(receiver)
        sender.send(b"four")
        assert received(receiver) == b"four"


def test_the_answer_cuts_the_packet(raw, pair):
    def first_20(skb):
        return 20

    sender, _receiver = pair
    with SocketFilter(first_20) as filter:
        filter.attach(raw)
        drain(raw)
        sender.send(b"x" * 100)
        assert len(received(raw)) == 20


def test_matching_on_the_packet(raw, pair):
    """The port is a constant of the function: one function, specialised for each test run."""
    sender, receiver = pair
    port = receiver.getsockname()[1]

    def match(skb):
        if skb.protocol != socket.htons(net.EtherType.IPV4):
            return 0
        if funcs.load_skb_byte(skb, 23) != socket.IPPROTO_UDP:
            return 0
        if funcs.load_skb_short(skb, 36) != port:
            return 0
        return skb.len

    with SocketFilter(match) as filter, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        filter.attach(raw)
        drain(raw)
        other.sendto(b"elsewhere", ("127.0.0.1", port ^ 1))
        sender.send(b"right here")
        packet = received(raw)
        assert packet[42:] == b"right here"
        assert int.from_bytes(packet[36:38], "big") == port


def test_counting_by_protocol(raw, pair):
    counts = create_map(ctypes.c_uint32, ctypes.c_uint64, 16)

    def count(skb):
        counts[skb.protocol] += 1
        return 0

    sender, _receiver = pair
    with counts, SocketFilter(count) as filter:
        filter.attach(raw)
        for _ in range(10):
            sender.send(b"x")
        assert counts[socket.htons(net.EtherType.IPV4)] >= 10


def test_the_socket_keeps_the_filter_when_it_is_closed(pair):
    sender, receiver = pair
    filter = SocketFilter(drop_all)
    filter.attach(receiver)
    filter.close()
    filter.close()
    sender.send(b"x")
    assert received(receiver) is None


def test_a_closed_filter_says_so(pair):
    filter = SocketFilter(drop_all)
    assert f"fd {filter.prog.fd}" in repr(filter) and not filter.closed
    filter.close()
    assert filter.closed and filter.prog.closed
    assert repr(filter) == "<SocketFilter of <Prog drop_all (socket_filter), closed>>"
    assert repr(filter.prog) == "<Prog drop_all (socket_filter), closed>"
    for use in (
        lambda: filter.attach(pair[1]),
        lambda: filter.prog.fd,
        filter.prog.fileno,
        filter.prog.test_run,
        filter.prog.__enter__,
        filter.__enter__,
        lambda: filter.prog.info,
    ):
        with pytest.raises(ClosedError, match=r"drop_all.* is closed"):
            use()


@pytest.mark.parametrize("sock", ["x", None, True, b"1", 1.5])
def test_what_is_no_socket_at_all(sock):
    with SocketFilter(drop_all) as filter:
        for call in (filter.attach, filter.detach):
            with pytest.raises(TypeError, match="needs a socket"):
                call(sock)


def test_detaching_where_nothing_is(pair):
    with SocketFilter(drop_all) as filter:
        filter.detach(pair[1])


def test_test_run():
    with SocketFilter(lambda skb: skb.len) as filter:
        assert filter.prog.test_run(bytes(64)).retval == 64 - 14


def test_no_socket():
    with SocketFilter(drop_all) as filter, open("/dev/null") as file:
        with pytest.raises(KernelError, match="attaching a filter to the socket"):
            filter.attach(file)
        with pytest.raises(KernelError, match="there is no such descriptor, or the socket is closed"):
            filter.attach(-1)


def test_a_locked_filter_is_told(pair):
    receiver = pair[1]
    with SocketFilter(drop_all) as first, SocketFilter(keep_all) as second:
        first.attach(receiver)
        receiver.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
        with pytest.raises(KernelError) as caught:
            second.attach(receiver)
        assert caught.value.errno == errno.EPERM


def test_the_context_has_the_kernels_names():
    assert SkBuffContext.struct.protocol.offset == 16
