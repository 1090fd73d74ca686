"""Captured numbers of classes with methods of their own: where Python asks them, and where it takes the number."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_uint8, c_uint32
from typing import Any

import pytest

from py2bpf import Global, funcs, sim
from py2bpf.datastructures import ArrayMap, HashMap, PerCpuArrayMap
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import ProgType

PACKET = bytes(14) + bytes(range(50))


class Odd(int):
    """A number that tells others of itself; C code doesn't ask."""

    def __radd__(self, other: int) -> int:
        return other + 100

    def __rsub__(self, other: int) -> int:
        return other + 200

    def __ror__(self, other: int) -> int:
        return other | 64

    def __int__(self) -> int:
        return 40

    def __lt__(self, other: object) -> bool:
        return True

    def __le__(self, other: object) -> bool:
        return False

    def __ge__(self, other: object) -> bool:
        return False


FIVE, MINUS = Odd(5), Odd(-1)


def byte(skb: Any) -> int:
    return funcs.load_skb_byte(skb, FIVE) + (funcs.load_skb_short(skb, FIVE) << 8)


def equal(skb: Any) -> int:
    left, right = (c_uint8 * 8)(1, 2, 3, 4, 5, 6), (c_uint8 * 8)(1, 2, 3, 4, 5, 7)
    return funcs.mem_eq(left, right, FIVE)


def power(skb: Any) -> int:
    return (skb.len & 7) ** FIVE


def item(skb: Any) -> int:
    numbers = (c_uint8 * 8)(1, 2, 3, 4, 5, 6)
    numbers[FIVE] += 1
    return numbers[FIVE] + numbers[MINUS] + [1, 2, 3, 4, 5, 6][FIVE]


def turns(skb: Any) -> int:
    return sum(i for i in range(FIVE))


@pytest.mark.parametrize("fn", [byte, equal, power, item, turns])
def test_the_number_in_it(backend: str, fn: Callable[[Any], int]) -> None:
    simulated = sim.run(fn, PACKET, raise_errors=True).retval
    with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) as prog:
        assert prog.test_run(PACKET).retval == simulated


def test_the_number_in_an_offset_of_a_packet(backend: str) -> None:
    def view(ctx: Any) -> int:
        return ctx.packet(c_uint8, FIVE) or 7

    with create_prog(ProgType.XDP, XDP_MD, view) as prog:
        assert prog.test_run(bytes(range(64))).retval == sim.run(view, bytes(range(64)), hook="xdp").retval == 5


def test_what_its_methods_say_in_place(backend: str) -> None:
    """Also where one atomic step would do for a number."""
    with (
        HashMap(c_uint32, c_uint32, 8) as counts, PerCpuArrayMap(c_uint32, 2) as per_cpu, Global(c_uint32) as total,
        ArrayMap(c_uint32, 2) as numbers,
    ):  # fmt: skip

        def program(skb: Any) -> int:
            counts[1] += FIVE
            counts[2] -= FIVE
            counts[3] |= FIVE
            counts[4] += 5
            per_cpu[1] += FIVE
            numbers[1] += FIVE
            total.value += FIVE
            return 1

        def left() -> Any:
            return dict(counts.items()), sum(per_cpu[1]), numbers[1], total.value

        sim.run(program, PACKET, raise_errors=True)
        simulated = left()
        counts.clear()
        per_cpu[1] = numbers[1] = total.value = 0
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, program) as prog:
            prog.test_run(PACKET)
        assert left() == simulated == ({1: 100, 2: 200, 3: 64, 4: 5}, 100, 100, 100)
