"""Views of packets that move: they stay at their offset, and end the program where the packet ends before."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import BigEndianStructure, c_char, c_uint8, c_uint16
from typing import Any

import pytest

import py2bpf
from py2bpf import funcs, net, sim, vm
from py2bpf.datastructures import HashMap
from py2bpf.xdp import XdpProgram

PACKET = bytes(range(64))


class Ends(BigEndianStructure):
    _fields_ = [("destination", c_uint8 * 6), ("source", c_uint8 * 6)]


class Port(py2bpf.Struct, big_endian=True):
    number: c_uint16


class Doubled(py2bpf.Struct):
    low: c_uint8
    high: c_uint8

    def total(self) -> int:
        return self.low + self.high


@pytest.mark.kernel
@pytest.mark.parametrize("delta", [-4, 8, 40])
def test_a_view_is_found_again_when_the_front_moves(both: Callable[..., Any], delta: int) -> None:
    def program(ctx: Any) -> int:
        ethernet = ctx.packet(net.Ethernet)
        if ethernet is None:
            return 0
        source = ethernet.source.octets
        funcs.xdp_adjust_head(ctx, delta)
        ethernet.type = 0x9999
        source[1] = 0x77
        return ethernet.type

    run = both(program, PACKET, "xdp")
    assert run.retval == 0x9999
    assert (run.data[7], run.data[12:14]) == (0x77, b"\x99\x99")


def test_the_front_moves_into_the_headroom() -> None:
    """As a test run's packet, whose headroom isn't zero there."""

    def program(ctx: Any) -> int:
        ethernet = ctx.packet(net.Ethernet)
        funcs.xdp_adjust_head(ctx, -8)
        ethernet.type = 0x9999
        return 1

    assert sim.run(program, PACKET, hook="xdp").data == bytes(8) + PACKET[:4] + b"\x99\x99" + PACKET[6:]


@pytest.mark.kernel
def test_the_headroom_is_used_up(both: Callable[..., Any]) -> None:
    """The kernel keeps the first 40 of its 256 bytes, for a struct xdp_frame."""

    def program(ctx: Any) -> int:
        first = funcs.xdp_adjust_head(ctx, -200)
        second = funcs.xdp_adjust_head(ctx, -17)
        third = funcs.xdp_adjust_head(ctx, -16)
        return 100 * first + 10 * (second == -22) + third

    run = both(program, PACKET, "xdp")
    assert (run.retval, len(run.data)) == (10, 64 + 216)


@pytest.mark.kernel
def test_the_headroom_has_nothing_of_an_earlier_run() -> None:
    def fill(ctx: Any) -> int:
        funcs.xdp_adjust_head(ctx, -200)
        full = ctx.packet(c_uint8 * 200)
        if full:
            for i in range(200):
                full[i] = 0xEE
        return 1

    def look(ctx: Any) -> int:
        return funcs.xdp_adjust_head(ctx, -200)

    for where in ("vm", "kernel"):
        with vm.backend(where), XdpProgram(fill) as first, XdpProgram(look) as second:
            assert first.test_run(PACKET).data == b"\xee" * 200 + PACKET
            assert second.test_run(PACKET).data == bytes(200) + PACKET


BIG = bytes(i * 7 % 251 for i in range(5000))
FIRST_BUFFER = 4096 - 256 - 320
MOVES = {
    "head, back": (("head", 4), ("head", -4)),
    "head, farther back": (("head", 4), ("head", -8)),
    "head, back in parts": (("head", 10), ("head", -4), ("head", -4)),
    "head, in parts": (("head", -6), ("head", 10), ("head", -2)),
    "tail, back": (("tail", -4), ("tail", 8)),
    "all of the room": (("tail", FIRST_BUFFER - len(PACKET)),),
    "too much room": (("tail", FIRST_BUFFER - len(PACKET) + 1),),
    "head, then the room": (("head", 20), ("tail", FIRST_BUFFER - len(PACKET)), ("tail", 1)),
    "down to a header": (("tail", 14 - len(PACKET)), ("tail", -1), ("head", 1)),
    "down by all but a header": (("tail", 14 - len(BIG)), ("tail", -1)),
    "into a fragment": (("tail", -500), ("tail", 600)),
    "over a fragment": (("tail", 2617),),
    "into the first buffer": (("tail", -2000), ("tail", 500)),
    "no fragment": (("tail", FIRST_BUFFER - len(BIG)), ("tail", 1)),
    "head of the first buffer": (("head", FIRST_BUFFER - 14), ("head", 1)),
}
"""What moves the front and the end of an XDP packet, one call after the other."""


@pytest.mark.kernel
@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("packet", [PACKET, BIG], ids=["small", "fragments"])
def test_the_ends_of_a_packet_move_to_and_fro(both: Callable[..., Any], packet: bytes, moves: str) -> None:
    def program(ctx: Any) -> int:
        failed = 0
        for end, by in MOVES[moves]:
            status = funcs.xdp_adjust_head(ctx, by) if end == "head" else funcs.xdp_adjust_tail(ctx, by)
            failed = 2 * failed + (status < 0)
        return (failed << 16) + (ctx.data_end - ctx.data) + 3 * funcs.xdp_get_buff_len(ctx)

    run = both(program, packet, "xdp")
    with vm.backend("vm"), XdpProgram(program) as there:
        again = there.test_run(packet)
    assert (again.retval, again.data) == (run.retval, run.data)


@pytest.mark.kernel
def test_a_view_ends_where_the_first_buffer_does(both: Callable[..., Any]) -> None:
    def program(ctx: Any) -> int:
        last, behind = ctx.packet(Port, FIRST_BUFFER - 2), ctx.packet(Port, FIRST_BUFFER - 1)
        far = ctx.packet(c_uint8, 4500)
        if last is None:
            return 1
        word = c_uint16()
        funcs.xdp_load_bytes(ctx, 4500, word)
        funcs.xdp_adjust_head(ctx, 1)
        return (behind is None) * 1000000 + (far is None) * 2000000 + word.value + last.number  # last ends it

    run = both(program, BIG, "xdp")
    assert [each.error for each in run.errors] == ["AttributeError"]


@pytest.mark.kernel
@pytest.mark.parametrize("steps", [(40, 64), (14, 200), (16064,), (16065,), (20000,), (13, 14)])
def test_the_end_of_an_sk_buff_moves_to_and_fro(both: Callable[..., Any], steps: tuple[int, ...]) -> None:
    def program(skb: Any) -> int:
        failed = 0
        for length in steps:
            failed = 2 * failed + (funcs.skb_change_tail(skb, length, 0) < 0)
        return (failed << 16) + skb.len

    both(program, PACKET, "tc")


@pytest.mark.kernel
@pytest.mark.parametrize("cut", [0, 5, 6, 20])
@pytest.mark.parametrize("use", ["read", "write", "item", "inner", "copied", "compared", "method", "stored"])
def test_a_view_that_the_packet_does_not_reach_ends_the_program(both: Callable[..., Any], cut: int, use: str) -> None:
    """The view's 12 bytes at 46 end at 58. What it has been tested for doesn't change."""
    seen = HashMap(c_uint16, Ends, 4)

    def program(ctx: Any) -> int:
        ends = ctx.packet(Ends, 46)
        low = ctx.packet(Doubled, 56)
        if ends is None or low is None:
            return 7
        source = ends.source
        funcs.xdp_adjust_tail(ctx, -cut)
        if ends is None:
            return 8
        if use == "read":
            return ends.destination[0]
        if use == "write":
            ends.destination[5] = 9
        if use == "item":
            return source[3]
        if use == "inner":
            ends.source[0] += 1
        if use == "copied":
            local = (c_uint8 * 12)()
            funcs.memcpy(ends, local, 12)
            return local[0]
        if use == "compared":
            local = (c_uint8 * 4)()
            return 3 if funcs.mem_eq(ends, local, 4) else 4
        if use == "method":
            return low.total() & 1
        if use == "stored":
            seen[1] = ends
        return 1

    with seen:
        run = both(program, PACKET, "xdp", (seen,))
    assert len(run.data) == 64 - cut
    assert [each.error for each in run.errors] == ["AttributeError"] * (cut > 6)


@pytest.mark.kernel
def test_what_is_reached_again_can_be_used_again(both: Callable[..., Any]) -> None:
    def program(ctx: Any) -> int:
        port = ctx.packet(Port, 60)
        if port is None:
            return 9
        funcs.xdp_adjust_tail(ctx, -20)
        funcs.xdp_adjust_tail(ctx, 30)
        return port.number + 1

    assert both(program, PACKET, "xdp").retval == 1


@pytest.mark.kernel
@pytest.mark.parametrize("length", [64, 40])
def test_the_end_of_an_sk_buff_moves(both: Callable[..., Any], length: int) -> None:
    def program(skb: Any) -> int:
        port = skb.packet(Port, 40)
        if port is None:
            return 9
        funcs.skb_change_tail(skb, length, 0)
        port.number = 0x1234
        return 1

    run = both(program, PACKET, "tc")
    assert (bool(run.errors), len(run.data)) == (length == 40, length)


def test_views_are_objects_of_their_type() -> None:
    def program(ctx: Any) -> int:
        port, text = ctx.packet(Port, 2), ctx.packet(c_char * 4, 32)
        assert isinstance(port, Port) and port == Port(0x0203) and not port == Port(1)
        assert repr(port) == repr(Port(0x0203))
        assert text == b' !"#' and text.startswith(b" !") and text.value == b' !"#'
        assert list(ctx.packet(c_uint8 * 3, 1)) == [1, 2, 3]
        with pytest.raises(AttributeError):
            port.nonsense = 1
        return 1

    assert sim.run(program, PACKET, hook="xdp", raise_errors=True).retval == 1
