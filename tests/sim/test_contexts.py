"""Simulated packets' contexts against those of the kernel's test runs."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Array, BigEndianStructure, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import sim
from py2bpf.datastructures import ArrayMap
from py2bpf.exception import VerifierError
from py2bpf.prog import create_prog
from py2bpf.testing import packets
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD

pytestmark = pytest.mark.kernel

SKB = ("len", "pkt_type", "mark", "queue_mapping", "protocol", "vlan_present", "vlan_tci", "vlan_proto", "priority",
       "ingress_ifindex", "ifindex", "tc_index", "hash", "napi_id", "gso_segs", "gso_size")  # fmt: skip
FIELDS = [
    *(("socket_filter", name) for name in SKB),
    *(("tc", name) for name in (*SKB, "tc_classid", "tstamp", "wire_len")),
    *(("xdp", name) for name in ("ingress_ifindex", "rx_queue_index")),
]
TO_US = "00:00:00:00:00:00"
"""The address of loopback, where test runs run."""
PACKETS = {
    "IPv4 to us": packets.ethernet(bytes(30), packets.ETH_P_IP, dst=TO_US),
    "IPv6 broadcast": packets.ethernet(bytes(60), packets.ETH_P_IPV6, dst="ff:ff:ff:ff:ff:ff"),
    "VLAN multicast": packets.ethernet(bytes(20), packets.ETH_P_IP, dst="01:00:00:00:00:00", vlan=5),
    "802.2 to others": packets.ethernet(bytes(range(30)), 100),
    "802.3": packets.ethernet(b"\xff\xff" + bytes(30), 100),
    "header alone": packets.ethernet(b"", 0x0806, dst=TO_US),
}


@pytest.mark.parametrize(("hook", "field"), FIELDS)
def test_fields_are_those_of_test_runs(both: Callable[..., Any], hook: str, field: str) -> None:
    with ArrayMap(c_uint64, 1) as seen:

        def program(ctx: Any) -> int:
            seen[0] = getattr(ctx, field)
            return 0

        for packet in PACKETS.values():
            both(program, packet, hook, (seen,))


@pytest.mark.parametrize("hook", ["socket_filter", "tc", "sched_act", "cgroup_skb", "xdp"])
def test_programs_write_the_fields_that_the_kernel_lets_them(hook: str) -> None:
    kind = sim.Runner(id, hook=hook).hook.prog_type
    spec = XDP_MD if hook == "xdp" else SK_BUFF
    for name, ctype, *_ in spec.struct._fields_:
        if issubclass(ctype, Array):
            continue

        def program(ctx: Any) -> int:
            setattr(ctx, name, 1)
            return 0

        try:
            with create_prog(kind, spec, program):
                written = True
        except VerifierError:
            written = False
        if written:
            sim.run(program, PACKETS["IPv4 to us"], hook=hook)
        else:
            with pytest.raises(sim.SimulationError, match=f"programs that write '{name}'"):
                sim.run(program, PACKETS["IPv4 to us"], hook=hook)


@pytest.mark.parametrize("field", ["mark", "priority", "queue_mapping", "tc_index", "tc_classid", "tstamp"])
@pytest.mark.parametrize("value", [1, 65534, 65535, 65536, 70000, -1, -2, 1 << 32, (1 << 33) - 5])
def test_fields_keep_what_sk_buff_has_room_for(both: Callable[..., Any], field: str, value: int) -> None:
    with ArrayMap(c_int64, 1) as given, ArrayMap(c_uint64, 1) as seen:
        given[0] = value

        def program(skb: Any) -> int:
            setattr(skb, field, 3)
            setattr(skb, field, given[0])
            seen[0] = getattr(skb, field)
            return 0

        both(program, hook="tc", maps=(seen,))


@pytest.mark.parametrize("hook", ["socket_filter", "tc"])
def test_loads_are_those_of_test_runs(both: Callable[..., Any], hook: str) -> None:
    from py2bpf import funcs

    packet = bytes(range(100, 112)) + b"\x08\x00" + bytes(range(20))
    for offset in (0, 1, 3, 16, 17, 18, 19, 20, 30, 31, 33, 34, 1 << 30, -0x100000, -0x100000 + 18, -0x200000 + 4, -1):
        for load in (funcs.load_skb_byte, funcs.load_skb_short, funcs.load_skb_word):

            def program(skb: Any) -> int:
                return load(skb, offset) + 1

            both(program, packet, hook)


class Header(BigEndianStructure):
    _fields_ = [("kind", c_uint16), ("bytes", c_uint8 * 6), ("little", c_uint32)]


@pytest.mark.parametrize("hook", ["xdp", "tc"])
@pytest.mark.parametrize("offset", [0, 13, 47, 48, 52, 60, 70000, -1])
def test_views_are_those_of_the_kernel(both: Callable[..., Any], hook: str, offset: int) -> None:
    with ArrayMap(c_uint64, 4) as seen:

        def program(ctx: Any) -> int:
            header = ctx.packet(Header, offset)
            seen[1] = ctx.data_end - ctx.data
            number = ctx.packet(c_uint16, seen[1] - 62 + offset)
            if number is not None:
                seen[2] = number
            if header is None:
                return 5
            header.kind += 7
            header.bytes[seen[3]] = header.bytes[5]
            return header.little % 1000

        both(program, packets.ethernet(bytes(range(48)), packets.ETH_P_IP), hook, (seen,))


def test_fields_that_are_not_there(both: Callable[..., Any]) -> None:
    def program(skb: Any) -> int:
        if hasattr(skb, "nope") or not hasattr(skb, "len"):
            return 1
        return getattr(skb, "nope", 4) + getattr(skb, "tc_index", 5)

    assert both(program).retval == 4


def test_a_mistyped_field_is_no_error_of_the_program() -> None:
    for mistyped in (lambda skb: skb.lenx, lambda skb: setattr(skb, "lenx", 1)):
        with pytest.raises(sim.SimulationError, match=r"has no field 'lenx'; there are len"):
            sim.run(mistyped, bytes(64))
