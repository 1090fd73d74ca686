"""The names and calls that the project began with keep working, as they were first written down."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import py2bpf
from py2bpf.exception import TypeMismatch
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETHERNET = bytes(12) + b"\x08\x00"

pytestmark = pytest.mark.kernel


def packet(*numbers: tuple[int, bytes]) -> bytes:
    """An Ethernet frame: 64 bytes behind the header, some of them given."""
    data = bytearray(64)
    for offset, value in numbers:
        data[offset : offset + len(value)] = value
    return ETHERNET + data


@contextlib.contextmanager
def ctrl_c_after(seconds: float) -> Iterator[None]:
    """Ends a loop that waits for ever."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        timer.cancel()
        timer.join()


def test_names_of_2017() -> None:
    from py2bpf.datastructures import BpfMap, BpfMapType, BpfStackTraceMap

    assert BpfMapType.STACK_TRACE == 7 and issubclass(BpfStackTraceMap, BpfMap)
    with BpfStackTraceMap(4) as stacks, create_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: 7) as prog:
        assert list(stacks) == [] and isinstance(stacks, BpfMap)
        assert prog.prog_type == ProgType.SOCKET_FILTER
        assert list(prog.bpf_insns) == list(prog.spec.code) != []


def test_a_call_on_constants_is_made_early() -> None:
    def match(skb):
        packet_short = py2bpf.funcs.load_skb_short(24)
        if packet_short == socket.htons(12345):
            return 0
        return 1

    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, match) as prog:
        assert str(socket.htons(12345)) in prog.pretty
        assert prog.test_run(packet((24, socket.htons(12345).to_bytes(2, "big")))).retval == 0
        assert prog.test_run(packet((24, (12345).to_bytes(2, "big")))).retval == 1


def test_a_call_on_the_packet_is_refused() -> None:
    def match(skb):
        packet_short = py2bpf.funcs.load_skb_short(24)
        if socket.ntohs(packet_short) == 12345:
            return 0
        return 1

    with pytest.raises(TypeMismatch, match=r"ntohs\(\) runs while compiling"):
        create_prog(ProgType.SOCKET_FILTER, SkBuffContext, match)


def test_counting_packets_by_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    m = py2bpf.datastructures.create_map(ctypes.c_uint32, ctypes.c_uint64, 16)

    def filter_fn(skb):
        m[skb.protocol] += 1
        return 0

    sf = py2bpf.socket_filter.SocketFilter(filter_fn)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.bind(("lo", 0))
        sf.attach(sock)
        send_datagrams(5)
    sf.close()

    for proto, count in m.items():
        print("{} => {}".format(proto, count))  # noqa: UP032
    lines = dict(line.split(" => ") for line in capsys.readouterr().out.splitlines())
    assert int(lines[str(socket.htons(ETH_P_IP))]) >= 10
    m.close()


def send_datagrams(count: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(b"x", ("127.0.0.1", 9))


def test_trace_printk() -> None:
    def fn(ctx):
        py2bpf.funcs.trace_printk("Hello World!")
        return 1

    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        assert prog.test_run(packet()).retval == 1


def test_a_socket_filter_keeps_tcp_over_ipv4() -> None:
    def match(skb):
        if skb.protocol != socket.htons(ETH_P_IP):
            return 0
        elif py2bpf.funcs.load_skb_byte(skb, 23) != socket.IPPROTO_TCP:
            return 0
        else:
            return skb.len

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw_sock:
        sf = py2bpf.socket_filter.SocketFilter(match)
        sf.attach(raw_sock)
        raw_sock.bind(("lo", ETH_P_ALL))
        raw_sock.settimeout(10)
        send_datagrams(3)
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            got = raw_sock.recv(4000)
        sf.close()
    assert got[12:14] == b"\x08\x00" and got[23] == socket.IPPROTO_TCP


def test_reading_through_pointers() -> None:
    def fn(skb):
        value = (ctypes.c_uint32 * 2)(1, 0x01020304)
        return py2bpf.funcs.deref_u32(value) + py2bpf.funcs.deref_u8(value)

    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        assert prog.test_run(packet()).retval == 2


@pytest.fixture
def own_network() -> Iterator[str]:
    """The test in a network namespace of its own, with a device for the default route."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert libc.unshare(0x40000000) == 0, os.strerror(ctypes.get_errno())
        try:
            for line in ("link set lo up", "link add dev seed0 type veth peer name seed1", "link set seed0 up",
                         "link set seed1 up", "address add 10.9.8.1/24 dev seed0",
                         "route add default via 10.9.8.2"):  # fmt: skip
                subprocess.run(["ip", *line.split()], check=True)
            yield "seed0"
        finally:
            assert libc.setns(home, 0x40000000) == 0
    finally:
        os.close(home)


def test_an_ingress_filter_outlives_its_object(own_network: str) -> None:
    def drop_fn(skb):
        if skb.protocol == socket.htons(ETH_P_IP):
            return 1
        return 0

    fil = py2bpf.tc.IngressFilter(drop_fn)
    fil.install()
    fil.close()
    assert arrives(ETH_P_IP) is False
    assert arrives(0x88B5) is True
    assert py2bpf.tc.clear_ingress_filter() == 1
    assert arrives(ETH_P_IP) is True


def arrives(ethertype: int) -> bool:
    """Whether a frame that seed1 sends gets to IP's level on seed0: dropped ones count as such."""
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as receiver,
    ):
        receiver.bind(("seed0", ethertype))  # bound to one type, a packet socket comes behind tc
        receiver.settimeout(0.5)
        sender.bind(("seed1", 0))
        sender.send(b"\xff" * 12 + ethertype.to_bytes(2, "big") + b"seed" + bytes(60))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                if receiver.recv(2000)[14:18] == b"seed":
                    return True
        return False


def close_probe(q: Any) -> Any:
    """The program of the first days, line by line."""

    @py2bpf.kprobe.probe("sys_close")
    def on_sys_close(pt_regs):
        pid = py2bpf.funcs.get_current_pid_tgid() & 0xFFFFFFF
        ptr = py2bpf.funcs.addrof(pid)
        cpuid = py2bpf.funcs.get_smp_processor_id()
        py2bpf.funcs.perf_event_output(pt_regs, q, cpuid, ptr)
        return 0

    return on_sys_close


def sleep_probe() -> Any:
    @py2bpf.kprobe.probe("sys_nanosleep")
    def watch_nanosleep(pt_regs):
        return 0

    return watch_nanosleep


@pytest.mark.parametrize("name", ["sys_close", "sys_nanosleep"])
def test_kprobe_programs_load_everywhere(name: str) -> None:
    with py2bpf.datastructures.BpfQueue(ctypes.c_int) as q:
        probe = close_probe(q) if name == "sys_close" else sleep_probe()
        assert probe.targets == (name,)
        with create_prog(ProgType.KPROBE, py2bpf.kprobe.PtRegsContext, probe.fn) as prog:
            assert prog.info.id


@pytest.mark.qemu
def test_watching_close(capsys: pytest.CaptureFixture[str]) -> None:
    q = py2bpf.datastructures.BpfQueue(ctypes.c_int)
    on_sys_close = close_probe(q)
    with ctrl_c_after(5), on_sys_close():
        with contextlib.suppress(OSError):
            os.close(9999)
        for pid in q:
            print("pid={}".format(pid))  # noqa: UP032
    q.close()
    assert f"pid={threading.get_native_id()}" in capsys.readouterr().out.splitlines()


@pytest.mark.qemu
def test_watching_nanosleep() -> None:
    with sleep_probe()() as handle:
        time.sleep(0.01)
        assert handle.symbol.endswith("sys_nanosleep")
