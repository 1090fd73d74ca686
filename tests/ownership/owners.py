"""All owners of objects of the kernel or the C core: how each is made, and a call that needs it.

A test that runs over these tables runs over every kind of owner.
"""

from __future__ import annotations

import mmap
import socket
from collections.abc import Callable
from ctypes import c_uint32, c_uint64
from typing import Any, NamedTuple

from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    Global,
    HashMap,
    LpmTrieMap,
    PerCpuHashMap,
    ProgArray,
    RingBuffer,
    UserRingBuffer,
)
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext, SocketFilter
from py2bpf.tc import IngressFilter
from py2bpf.tracepoint import probe
from py2bpf.xdp import XdpProgram


class Owner(NamedTuple):
    """``use`` takes what ``make`` gives. Once that is closed it raises ClosedError, or tells what was the last."""

    make: Callable[[], Any]
    use: Callable[[Any], object]


def nothing(_ctx: Any) -> int:
    return 0


def filled(kind: Any) -> Any:
    made = kind(c_uint32, c_uint64, 8)
    made[1] = 2
    return made


def program() -> Any:
    return create_prog(ProgType.SOCKET_FILTER, SkBuffContext, nothing)


OWNERS = {
    "hash map": Owner(lambda: filled(HashMap), lambda m: m[1]),
    "walk of a map": Owner(lambda: filled(HashMap), dict),
    "many entries": Owner(lambda: filled(HashMap), lambda m: m.update({k: k for k in range(8)})),
    "per-CPU map": Owner(lambda: filled(PerCpuHashMap), lambda m: m.get(1)),
    "trie": Owner(lambda: LpmTrieMap(c_uint32, c_uint64, 8), len),
    "array": Owner(lambda: ArrayMap(c_uint64, 4), lambda m: m[3]),
    "array in memory": Owner(lambda: ArrayMap(c_uint64, 4, mmap=True), lambda m: m.view()[3]),
    "program array": Owner(lambda: ProgArray(4), lambda m: m.get(1)),
    "global variable": Owner(lambda: Global(c_uint64), lambda g: g.value),
    "perf queue": Owner(lambda: BpfQueue(c_uint32), lambda q: q.poll(0)),
    "queue that is watched": Owner(lambda: BpfQueue(c_uint32), lambda q: q.fileno()),
    "ring buffer": Owner(lambda: RingBuffer(c_uint32), lambda r: r.poll(0)),
    "lost records": Owner(lambda: RingBuffer(c_uint32), lambda r: r.lost),
    "user ring buffer": Owner(lambda: UserRingBuffer(c_uint32, mmap.PAGESIZE), lambda r: r.send(7)),
    "program": Owner(program, lambda p: p.test_run(bytes(64))),
    "facts of a program": Owner(program, lambda p: p.info),
}
"""In the kernel, and in the embedded VM."""


def attached() -> Any:
    """On a socket, which goes with the filter."""
    made = SocketFilter(nothing)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        made.attach(sock)
    return made


HOOKS = {
    "socket filter": Owner(attached, lambda f: f.prog.info),
    "filter of tc": Owner(lambda: IngressFilter(nothing), lambda f: f.prog.info),
    "XDP program": Owner(lambda: XdpProgram(nothing), lambda f: f.prog.info),
    "tracepoint": Owner(lambda: probe("syscalls:sys_enter_getpgid")(nothing)(), lambda t: t.prog.info),
}
"""In the kernel alone."""
