"""Typed pointers into the simulated kernel's memory, over the types of tests/kernel_btf.py."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from kernel_btf import KERNEL

from py2bpf import sim
from py2bpf.exception import Py2BpfError

PACKET = bytes(64)
SIZE = 600


@pytest.fixture
def memory() -> sim.Memory:
    return sim.Memory()


def answer(memory: sim.Memory, question: Callable[[Any], Any], address: int) -> Any:
    """What the question gives for the pointer ``kernel.thing(address)``."""
    found: list[Any] = []

    def program(skb: Any) -> int:
        found.append(question(KERNEL.thing(address)))
        return 0

    sim.run(program, PACKET, environment=sim.Environment(memory=memory), raise_errors=True)
    return found[0]


def test_members_of_all_kinds(memory: sim.Memory) -> None:
    data = bytearray(SIZE)
    struct.pack_into("=iIQ5s", data, 0, -5, 1 << 31, 1 << 63, b"abc")
    struct.pack_into("=I", data, 40, 0x04030201)
    struct.pack_into("=B", data, 56, 2)
    struct.pack_into("=hh", data, 62, -2, 3)
    struct.pack_into("=QQ", data, 72, 99, 7)
    struct.pack_into("=i", data, 96, -1)
    struct.pack_into("=I", data, 128 + 4 * 63, 77)
    struct.pack_into("=4s", data, 384, b"wxyz")
    at = memory.put(bytes(data))

    def question(it: Any) -> Any:
        return (it.id, it.count, it.mask, it.name, it.port, it.bytes[1], it.alive, it.points[1].x, it.points[-2].y,
                it.where, it.away, it.state, it.table[63], it.text[0], it.text[:6], len(it.points),
                it.table[62:][1])  # fmt: skip

    assert answer(memory, question, at) == (
        -5, 1 << 31, 1 << 63, b"abc", 0x04030201, 2, True, -2, 3, 99, 7, -1, 77, ord("w"), b"wxyz", 3, 77
    )  # fmt: skip


def test_bit_fields(memory: sim.Memory) -> None:
    data = bytearray(SIZE)
    struct.pack_into("=I", data, 44, 0b101 | 0b10011 << 3 | 0b1001 << 8)
    struct.pack_into("=Q", data, 48, 0xABCDEF0123 << 4 | 0xF | 0xFFF << 44)
    struct.pack_into("=B", data, 57, 0b10)
    at = memory.put(bytes(data))
    found = answer(memory, lambda it: (it.low, it.high, it.small, it.wide, it.ready), at)
    assert found == (0b101, 0b10011, -7, 0xABCDEF0123, True)


def test_pointers_and_none(memory: sim.Memory) -> None:
    child, parent = bytearray(SIZE), bytearray(SIZE)
    struct.pack_into("=i", parent, 0, 8)
    up = memory.put(bytes(parent))
    struct.pack_into("=Q", child, 32, up)
    down = memory.put(bytes(child))

    def question(it: Any) -> Any:
        return (it.parent.id, it.parent.parent is None, bool(it.parent), it.parent == KERNEL.thing_t(up), int(it),
                it.secret is None, KERNEL.word(it.parent).half[0], KERNEL.thing(0))  # fmt: skip

    assert answer(memory, question, down) == (8, True, True, True, down, True, 8, None)


def test_what_is_not_there_reads_as_zeros(memory: sim.Memory) -> None:
    assert answer(memory, lambda it: (it.id, it.name, it.parent, it.low), 0xDEAD0000) == (0, b"", None, 0)


def test_none_has_no_members() -> None:
    run = sim.run(lambda skb: KERNEL.thing(0).id, PACKET)
    assert [site.error for site in run.errors] == ["AttributeError"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (lambda it: it.gone, "a struct thing has no member 'gone'"),
        (lambda it: it[0], "has no items"),
        (lambda it: it.ratio, "double is not a type that BPF programs can compute with"),
        (lambda it: setattr(it, "id", 1), "can't be written"),
        (lambda it: it.table.__setitem__(0, 1), "can't be written"),
        (lambda it: KERNEL.named("nothing")(it), "the kernel has no struct, union or enumerator 'nothing'"),
    ],
)
def test_what_compilation_refuses_is_an_error_of_the_simulation(
    memory: sim.Memory, question: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(sim.SimulationError, match=message):
        answer(memory, question, memory.put(bytes(SIZE)))


def test_a_name_that_the_kernel_has_not(memory: sim.Memory) -> None:
    """No error of the program, which would be counted."""
    with pytest.raises(Py2BpfError, match="the kernel has no struct, union or enumerator 'nothing'"):
        answer(memory, lambda it: KERNEL.nothing(it), memory.put(bytes(SIZE)))


def test_enumerators_are_numbers() -> None:
    assert sim.run(lambda skb: KERNEL.BUSY, PACKET).retval == 7


def test_an_index_out_of_bounds(memory: sim.Memory) -> None:
    with pytest.raises(IndexError):
        answer(memory, lambda it: it.table[64], memory.put(bytes(SIZE)))


def test_outside_of_a_program_the_kernel_is_not_to_be_seen() -> None:
    with pytest.raises(Py2BpfError, match=r"kernel\.thing\(\) runs inside BPF programs only"):
        KERNEL.thing(1)
