"""The hooks of random programs: their contexts, how a sample fills them, and how CPython sees them. Facts first.

The kernel makes test runs of some program types only. Programs of the others run in the embedded VM alone.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from ctypes import c_char, c_int8, c_int16, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from dataclasses import dataclass
from functools import cache
from typing import Any

from oracle import Int, is_signed
from simulated import PacketContext, view

from py2bpf import tracepoint
from py2bpf.exception import KernelError
from py2bpf.prog import ProgType
from py2bpf.spec import ContextSpec, Field
from py2bpf.uapi.contexts import RAW_TRACEPOINT_ARGS, SK_BUFF, XDP_MD, SkBuff, XdpMd, perf_event_data, pt_regs

_ETHERNET = 14
_BYTES = (0, 0, 1, 0x7F, 0x80, 0xFF, 0xFF)
"""Bytes that make numbers at the ends of their types."""
_LOOPBACK = 1
_MULTICAST, _OTHER_HOST = 2, 3
_NO_LENGTH, _LLC = 1 << 8, 4 << 8
"""Protocols, in network order, of packets whose type is a length."""
_LEAST_TYPE = 0x600
_METADATA = (0, 0, 0, 4, 8, 32)


class Occurrence(ctypes.Structure):
    """A made-up tracepoint's event: a field of every width and sign."""

    _fields_ = [
        ("common", c_uint64), ("s8", c_int8), ("u8", c_uint8), ("s16", c_int16), ("u16", c_uint16), ("s32", c_int32),
        ("u32", c_uint32), ("s64", c_int64), ("u64", c_uint64), ("comm", c_char * 16), ("row", c_int16 * 4),
        ("small", c_int8 * 3), ("last", c_uint8),
    ]  # fmt: skip


class Pread(ctypes.Structure):
    """The entry of ``ssize_t pread64(unsigned int fd, char *buf, size_t count, loff_t pos)`` by its C types."""

    _fields_ = [
        ("common", c_uint64), ("nr", c_int32), ("gap", c_uint32), ("fd", c_uint32), ("gap2", c_uint32),
        ("buf", c_uint64), ("count", c_uint64), ("pos", c_int64),
    ]  # fmt: skip


@dataclass(frozen=True)
class HookRow:
    """A hook. ``in_kernel``: whether the kernel makes test runs of it. ``start``: where its packets begin behind
    the Ethernet header that test runs are given; None where it has none. ``layout``: what CPython reads its context as,
    where that is no packet. ``weight`` is how often programs are for it."""

    weight: int
    kind: ProgType
    context: Callable[[], ContextSpec]
    start: int | None = None
    in_kernel: bool = True
    layout: Any = None


def _pread_context() -> ContextSpec:
    return tracepoint.probe("syscalls:sys_enter_pread64")(lambda event: 0).context


@cache
def _pread_is_there() -> bool:
    try:
        return bool(_pread_context())
    except (KernelError, OSError):
        return False


ROWS: dict[str, HookRow] = {
    "socket_filter": HookRow(8, ProgType.SOCKET_FILTER, lambda: SK_BUFF, _ETHERNET),
    "sched_cls": HookRow(5, ProgType.SCHED_CLS, lambda: SK_BUFF, 0),
    "xdp": HookRow(4, ProgType.XDP, lambda: XDP_MD, 0),
    "cgroup_skb": HookRow(1, ProgType.CGROUP_SKB, lambda: SK_BUFF, _ETHERNET),
    "raw_tracepoint": HookRow(1, ProgType.RAW_TRACEPOINT, lambda: RAW_TRACEPOINT_ARGS,
                              layout=RAW_TRACEPOINT_ARGS.struct),
    "tracepoint": HookRow(2, ProgType.TRACEPOINT, lambda: ContextSpec(Occurrence), None, False, Occurrence),
    "syscall": HookRow(1, ProgType.TRACEPOINT, _pread_context, None, False, Pread),
    "kprobe": HookRow(1, ProgType.KPROBE, pt_regs, None, False, pt_regs().struct),
    "perf_event": HookRow(1, ProgType.PERF_EVENT, perf_event_data, None, False, perf_event_data().struct),
}  # fmt: skip


@cache
def context_of(hook: str) -> ContextSpec:
    return ROWS[hook].context()


@dataclass(frozen=True)
class Given:
    """What a test run is given: packet and context. ``meta``: bytes of metadata before an XDP packet."""

    packet: bytes
    context: bytes | None
    fields: dict[str, Any]
    meta: int = 0


def given(hook: str, packet: bytes, seed: int) -> Given:
    """A run's packet and context; the same for the same seed."""
    row = ROWS[hook]
    if row.layout is not None:
        numbers = random.Random(seed)
        return Given(b"", bytes(numbers.choices(_BYTES, k=ctypes.sizeof(row.layout))), {})
    if hook == "xdp":
        return _xdp(packet, seed)
    return _skb(packet, seed, row.start or 0)


def _xdp(packet: bytes, seed: int) -> Given:
    fields = {"ingress_ifindex": _LOOPBACK, "rx_queue_index": 0, "egress_ifindex": 0}
    meta = _METADATA[seed % len(_METADATA)]
    if not meta:
        return Given(packet, None, fields)
    data = bytes(range(meta)) + packet
    return Given(data, bytes(XdpMd(data=meta, data_end=len(data))), fields, meta)


def _skb(packet: bytes, seed: int, start: int) -> Given:
    fields: dict[str, Any] = dict.fromkeys((name for name, _ in SkBuff._fields_), 0)
    size = len(packet) - start
    fields |= {"ifindex": _LOOPBACK, "pkt_type": _packet_type(packet), "protocol": _protocol(packet), "cb": [0] * 5}
    context = None
    if seed & 1:
        numbers = random.Random(seed)
        wide = [int.from_bytes(numbers.choices(_BYTES, k=8), "little") for _ in range(2)]
        words = [int.from_bytes(numbers.choices(_BYTES, k=4), "little") for _ in range(7)]
        set_ = {"mark": words[5], "priority": words[6], "tstamp": wide[0], "hwtstamp": wide[1],
                "wire_len": numbers.choice((0, size + 3)), "gso_segs": words[0] & 0xFFFF, "gso_size": words[1] & 0xFFFF}
        context = bytes(SkBuff(cb=(c_uint32 * 5)(*words[:5]), **set_))
        fields |= {**set_, "cb": words[:5], "wire_len": set_["wire_len"] or size}
    return Given(packet, context, fields)


def _packet_type(packet: bytes) -> int:
    """Of the loopback device, whose own address is zeros."""
    if not any(packet[:6]):
        return 0
    return _MULTICAST if packet[0] & 1 else _OTHER_HOST


def _protocol(packet: bytes) -> int:
    if int.from_bytes(packet[12:14], "big") >= _LEAST_TYPE:
        return int.from_bytes(packet[12:14], "little")
    return _NO_LENGTH if packet[14:16] == b"\xff\xff" else _LLC


class PlainContext:
    """A context without a packet, as a program sees it."""

    def __init__(self, spec: ContextSpec, raw: Any) -> None:
        self.fields = spec.fields
        self.raw = raw
        self.view = view(raw)

    def __getattr__(self, name: str) -> Any:
        found = self.fields.get(name)
        if isinstance(found, tuple):
            return tuple(self._field(field) for field in found)
        return getattr(self.view, name) if found is None else self._field(found)

    def _field(self, field: Field) -> Int:
        raw, kind = self.raw, type(self.raw)
        for name in field.path.split("."):
            kind = _type_of(kind, name)
            raw = getattr(raw, name)
        return Int(raw, is_signed(kind))


def _type_of(kind: Any, name: str) -> Any:
    """A member's type, also of a nameless union's."""
    for member, of, *_ in kind._fields_:
        if member == name:
            return of
        if member in getattr(kind, "_anonymous_", ()):
            inner = _type_of(of, name)
            if inner is not None:
                return inner
    return None


def python_context(hook: str, run: Given) -> Any:
    """The context for a run in CPython."""
    row = ROWS[hook]
    if row.layout is not None:
        assert run.context is not None
        spec = context_of(hook) if hook in ("kprobe", "perf_event") else ContextSpec(row.layout)
        return PlainContext(spec, row.layout.from_buffer_copy(run.context))
    return PacketContext(run.packet, (row.start or 0) + run.meta, run.fields)


def is_here(hook: str) -> bool:
    """Whether this machine has what programs of the hook are compiled for: a tracepoint's description."""
    return hook != "syscall" or _pread_is_there()
