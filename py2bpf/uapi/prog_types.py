"""The kernel's program types, attach types, and what each hook means for a compiled function.

Numbers are those of ``enum bpf_prog_type`` and ``enum bpf_attach_type`` in include/uapi/linux/bpf.h.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ..spec import HookSpec
from .tc import TcAction
from .xdp import XdpAction


class ProgType(IntEnum):
    """What a program is attached to, and so its context and helpers."""

    UNSPEC = 0
    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    SCHED_ACT = 4
    TRACEPOINT = 5
    XDP = 6
    PERF_EVENT = 7
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    LWT_IN = 10
    LWT_OUT = 11
    LWT_XMIT = 12
    SOCK_OPS = 13
    SK_SKB = 14
    CGROUP_DEVICE = 15
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    LWT_SEG6LOCAL = 19
    LIRC_MODE2 = 20
    SK_REUSEPORT = 21
    FLOW_DISSECTOR = 22
    CGROUP_SYSCTL = 23
    RAW_TRACEPOINT_WRITABLE = 24
    CGROUP_SOCKOPT = 25
    TRACING = 26
    STRUCT_OPS = 27
    EXT = 28
    LSM = 29
    SK_LOOKUP = 30
    SYSCALL = 31
    NETFILTER = 32


class AttachType(IntEnum):
    """Where a program is attached by BPF_PROG_ATTACH or BPF_LINK_CREATE; those that py2bpf's hooks use."""

    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    XDP = 37
    PERF_EVENT = 41
    TCX_INGRESS = 46
    TCX_EGRESS = 47


KEEP_PACKET: Final = 0x7FFFFFFF
"""A socket filter's answer for: keep all of the packet. The kernel cuts packets to the answer's length."""

ALLOW: Final = 1
"""A cgroup program's answer for: let the packet pass."""

_RESULTS: Final = {ProgType.CGROUP_SKB: (0, ALLOW)}
"""What the kernel takes as results, where its verifier wants to see their bounds. (Of a program that is loaded for
outgoing packets alone it would take 2 and 3 too.)"""

HOOKS: Final[dict[ProgType, HookSpec]] = {
    hook: HookSpec(
        hook, hook.name.lower(), neutral, safe, packet_loads, packet_access=access != "", packet_stores=access == "rw",
        results=_RESULTS.get(hook),
    )
    for hook, neutral, safe, packet_loads, access in (
        (ProgType.SOCKET_FILTER, 0, KEEP_PACKET, True, ""),
        (ProgType.KPROBE, 0, 0, False, ""),
        (ProgType.SCHED_CLS, TcAction.OK, TcAction.OK, True, "rw"),
        (ProgType.SCHED_ACT, TcAction.OK, TcAction.OK, True, "rw"),
        (ProgType.TRACEPOINT, 0, 0, False, ""),
        (ProgType.XDP, XdpAction.PASS, XdpAction.PASS, False, "rw"),
        (ProgType.PERF_EVENT, 0, 0, False, ""),
        (ProgType.CGROUP_SKB, ALLOW, ALLOW, False, "r"),
        (ProgType.RAW_TRACEPOINT, 0, 0, False, ""),
        (ProgType.RAW_TRACEPOINT_WRITABLE, 0, 0, False, ""),
    )
}
"""The program types that functions can be compiled for. The last column: ctx.packet() reads (r), or writes too."""
