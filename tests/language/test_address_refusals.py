"""addrof(): objects that nobody may write to by address. What the compiler refuses is in tests/compiler/errors.txt."""

from __future__ import annotations

import ctypes
from ctypes import c_uint8, c_uint16, c_uint32
from typing import Any

import pytest
from address_programs import PACKET

from py2bpf import funcs, sim
from py2bpf.exception import TypeMismatch
from py2bpf.prog import compile_prog, create_prog
from py2bpf.uapi.contexts import XDP_MD
from py2bpf.uapi.prog_types import ProgType


class Bits(ctypes.Structure):
    _fields_ = (("low", c_uint32, 5), ("high", c_uint32, 27))


def to_an_expression(skb: Any) -> Any:
    return funcs.skb_load_bytes(skb, 1, funcs.addrof(skb.len + 1), 1)


def to_a_constant(skb: Any) -> Any:
    p = funcs.addrof(5)
    return funcs.packet_copy(skb, 1, p, 1)


def to_a_context_field(skb: Any) -> Any:
    return funcs.skb_load_bytes(skb, 1, funcs.addrof(skb.mark), 4)


def to_the_context(skb: Any) -> Any:
    return funcs.skb_load_bytes(skb, 1, skb.cb)


def to_a_sum_by_memcpy(skb: Any) -> Any:
    x = 0
    return funcs.memcpy(funcs.addrof(x), funcs.addrof(x + 1), 4)


def to_a_copy_by_assignment(skb: Any) -> Any:
    p = funcs.addrof(skb.len + 1)
    p.value = 3
    return 0


def to_a_bit_field(skb: Any) -> Any:
    b = Bits()
    return funcs.skb_load_bytes(skb, 1, funcs.addrof(b.low), 1)


@pytest.mark.parametrize("function", [
    to_an_expression, to_a_constant, to_a_context_field, to_the_context, to_a_sum_by_memcpy, to_a_copy_by_assignment,
    to_a_bit_field,
], ids=lambda function: function.__name__)  # fmt: skip
def test_nobody_writes_to_a_copy_in_a_simulation(function: Any) -> None:
    with pytest.raises(sim.SimulationError, match=r"would write to a copy|has no address|can't write into the context"):
        sim.run(function, PACKET)


class Start(ctypes.BigEndianStructure):
    _pack_, _layout_ = 1, "ms"
    _fields_ = (("version", c_uint8), ("tos", c_uint8), ("length", c_uint16))


def into_the_packet(ctx: Any) -> Any:
    ip = ctx.packet(Start, 14)
    if ip is None:
        return 1
    return funcs.xdp_load_bytes(ctx, 0, funcs.addrof(ip.tos))


def through_memory(ctx: Any) -> Any:
    ip = ctx.packet(Start, 14)
    if ip is None:
        return 1
    tos, length = 0x77, 0
    funcs.memcpy(funcs.addrof(tos), funcs.addrof(ip.tos), 1)
    funcs.memcpy(funcs.addrof(ip.length), funcs.addrof(length), 2)
    return length


@pytest.mark.kernel
def test_memcpy_writes_to_the_packet_and_helpers_do_not() -> None:
    with create_prog(ProgType.XDP, XDP_MD, through_memory) as prog:
        run = prog.test_run(PACKET)
    simulated = sim.run(through_memory, PACKET, hook="xdp", raise_errors=True)
    assert (run.retval, run.data) == (simulated.retval, simulated.data)
    assert (run.retval, run.data[15]) == (0x0302, 0x77)
    with pytest.raises(sim.SimulationError, match="can't write into the packet"):
        sim.run(into_the_packet, PACKET, hook="xdp")
    with pytest.raises(TypeMismatch, match="can't write into the packet"):
        compile_prog(ProgType.XDP, XDP_MD, into_the_packet)
