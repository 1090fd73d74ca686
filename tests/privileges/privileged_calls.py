"""Calls of the library as functions, for test_privileges.py, with the operations that each of them takes."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from ctypes import Structure, c_uint32, c_uint64
from pathlib import Path
from typing import Any, NamedTuple

from py2bpf import funcs, tc, tracepoint, util, xdp
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    Global,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    RingBuffer,
    SpinLock,
    StackTraceMap,
    UserRingBuffer,
)
from py2bpf.hooks import traffic_control
from py2bpf.kernel import clsact, syscalls, xdp_netlink
from py2bpf.kernel.netdev import ifindex
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SocketFilter
from py2bpf.uapi.operations import Capability, Operation
from py2bpf.uapi.prog_types import AttachType
from py2bpf.uapi.tc import CLSACT_INGRESS

C, O = Capability, Operation


class Locked(Structure):
    _fields_ = [("lock", SpinLock), ("number", c_uint64)]


class Made(NamedTuple):
    """What the parent made for its children."""

    map: HashMap
    prog: Any
    filter: tc.IngressFilter
    xdp: xdp.XdpProgram
    device: str


def keep(_skb: Any) -> int:
    return 0


def counting(skb: Any) -> int:
    COUNTS[skb.len & 3] += 1
    return 0


def printing(skb: Any) -> int:
    print("packet of", skb.len)
    return 0


def reading(_event: Any) -> int:
    n = c_uint64()
    funcs.probe_read_kernel(n, 0)
    return 0


def drop_short(context: Any) -> int:
    word = context.packet(c_uint32, 60)
    return xdp.XDP_DROP if word is None else xdp.XDP_PASS


COUNTS: Any = None
"""The map of the parent's, for counting()."""


def use_map(made: Made) -> None:
    m = made.map
    m[1], m[2] = 1, 2
    m.update({3: 3, 4: 4})
    assert m[1] == 1 and len(m) == 4 and m.pop(2) == 2 and dict(m.items()) == {1: 1, 3: 3, 4: 4}
    m.clear()


def pin(made: Made) -> None:
    path = f"/sys/fs/bpf/py2bpf_test_{os.getpid()}"
    made.prog.pin(path)
    syscalls.obj_get(path).close()
    os.unlink(path)


def attach_socket(made: Made) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, SocketFilter(keep) as filter:
        filter.attach(sock)
        filter.detach(sock)


def install(made: Made) -> None:
    with tc.IngressFilter(counting) as filter:
        filter.install(made.device)
        assert filter.remove(made.device)


def clear_others(made: Made) -> None:
    made.filter.install(made.device)
    traffic_control.known.clear()  # as of another process
    assert tc.clear_ingress_filter(made.device) == 1


def on_qdisc(made: Made) -> None:
    index = ifindex(made.device)
    clsact.add(index, CLSACT_INGRESS, made.filter.prog.handle, "py2bpf_x", 1)
    for found in clsact.filters(index, CLSACT_INGRESS):
        assert clsact.remove(index, CLSACT_INGRESS, found)


def by_netlink(made: Made) -> None:
    index, prog = ifindex(made.device), made.xdp.prog.handle
    xdp_netlink.attach(index, prog, 2)  # generic
    xdp_netlink.detach(index, prog, 2)


def xdp_program(made: Made) -> None:
    with xdp.XdpProgram(drop_short) as program:
        program.attach(made.device)


def replace_program(made: Made) -> None:
    index = ifindex(made.device)
    with xdp.XdpProgram(drop_short) as other, syscalls.link_create(made.xdp.prog.handle, index, AttachType.XDP) as link:
        syscalls.link_update(link, other.prog.handle)
        syscalls.link_detach(link)


def at_tracepoint(made: Made) -> None:
    tracepoint.probe("sched:sched_switch")(keep)().close()


def mount(made: Made) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x20000) == 0, os.strerror(ctypes.get_errno())  # CLONE_NEWNS takes CAP_SYS_ADMIN as well
    libc.mount(b"none", b"/", None, ctypes.c_ulong(1 << 18 | 1 << 14), None)
    util.mount("tmpfs", Path("/mnt"))


def open_packets(made: Made) -> None:
    util.packet_socket().close()


class Row(NamedTuple):
    """A call, which works with the least capabilities of all its operations; as nobody, where root owns files."""

    call: Callable[[Made], object]
    operations: tuple[Operation, ...]
    as_nobody: bool = True


def making(make: Callable[[], Any], *operations: Operation) -> Row:
    return Row(lambda made: make().close(), operations or (O.MAKE_MAP,))


ROWS: dict[str, Row] = {
    "hash": making(lambda: HashMap(c_uint32, c_uint32, 4)),
    "array": making(lambda: ArrayMap(c_uint32, 4)),
    "LRU hash": making(lambda: LruHashMap(c_uint32, c_uint32, 4)),
    "hash of each CPU": making(lambda: PerCpuHashMap(c_uint32, c_uint32, 4)),
    "LRU hash of each CPU": making(lambda: LruPerCpuHashMap(c_uint32, c_uint32, 4)),
    "array of each CPU": making(lambda: PerCpuArrayMap(c_uint32, 4)),
    "LPM trie": making(lambda: LpmTrieMap(c_uint32, c_uint32, 4)),
    "stacks": making(lambda: StackTraceMap(4)),
    "programs": making(lambda: ProgArray(4)),
    "ring": making(lambda: RingBuffer(c_uint64, 4096)),
    "user ring": making(lambda: UserRingBuffer(c_uint64, 4096)),
    "variable": making(lambda: Global(c_uint32)),
    "locked": making(lambda: HashMap(c_uint32, Locked, 4), O.DESCRIBE, O.MAKE_MAP),
    "queue": making(lambda: BpfQueue(c_uint64), O.MAKE_MAP, O.READ_QUEUE),
    "elements": Row(use_map, (O.USE_MAP,)),
    "waiting for programs": Row(lambda made: made.map.synchronize(), (O.MAKE_MAP,)),
    "pin": Row(pin, (O.PIN, O.OPEN_PIN)),
    "test run": Row(lambda made: (made.prog.test_run(bytes(64)), made.prog.info), (O.TEST_RUN,)),
    "socket filter": making(lambda: SocketFilter(counting), O.LOAD_FILTER),
    "attached socket filter": Row(attach_socket, (O.LOAD_FILTER, O.ATTACH_SOCKET)),
    "printing": making(lambda: SocketFilter(printing), O.USE_POWERFUL_HELPER),
    "XDP": Row(xdp_program, (O.LOAD_NETWORK, O.ATTACH_XDP)),
    "attaching XDP": Row(lambda made: (made.xdp.attach(made.device), made.xdp.detach()), (O.ATTACH_XDP,)),
    "link": Row(replace_program, (O.LOAD_NETWORK, O.ATTACH_XDP, O.USE_LINK)),
    "XDP by netlink": Row(by_netlink, (O.ATTACH_XDP_BY_NETLINK,)),
    "installing": Row(install, (O.LOAD_NETWORK, O.ATTACH_TC)),
    "qdisc": Row(on_qdisc, (O.ATTACH_TO_QDISC,)),
    "clearing": Row(clear_others, (O.FIND_PROGRAM,)),
    "tracepoint's program": making(lambda: create_prog(ProgType.TRACEPOINT, EVENT, keep), O.LOAD_TRACING),
    "kernel memory": making(lambda: create_prog(ProgType.TRACEPOINT, EVENT, reading), O.USE_POWERFUL_HELPER),
    "tracepoint as root": Row(at_tracepoint, (O.LOAD_TRACING, O.OPEN_EVENT, O.ATTACH_EVENT), as_nobody=False),
    "tracepoint": Row(at_tracepoint, (O.READ_TRACEFS, O.LOAD_TRACING, O.OPEN_EVENT, O.ATTACH_EVENT)),
    "mount": Row(mount, (O.MOUNT,)),
    "packets": Row(open_packets, (O.OPEN_PACKET_SOCKET,)),
}

EVENT: Any = None
"""The context of a tracepoint, which the parent has read."""
