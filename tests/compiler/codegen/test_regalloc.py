"""The contract of register allocation, checked in all golden cases, and with too few registers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from case_files import GOLDEN, namespace, parse, pure_maps, translate
from rule_rows import assembly, function_of

from py2bpf.compiler.codegen import regalloc
from py2bpf.compiler.codegen.liveness import alive_at_ends
from py2bpf.compiler.codegen.machine import ALLOCATABLE, FRAME, VIRTUAL, Machine, MachineFunction
from py2bpf.compiler.codegen.regalloc import Allocation

CASES = Path(__file__).parents[2] / "cases"
ALLOCATE = regalloc.allocate


def check(code: MachineFunction, allocation: Allocation) -> None:
    """The contract of regalloc.py: what is alive is in a register of its own, and in none that a call destroys."""
    live_out = alive_at_ends(code)
    for block in code.blocks:
        live = live_out[block.label]
        for instruction in reversed(block.code):
            live = _before(instruction, live, allocation)


def _before(instruction: Machine, live: int, allocation: Allocation) -> int:
    """The values alive before the instruction. Raises AssertionError if it destroys a value that is alive after it."""

    def place(register: int) -> int:
        found = allocation.registers[register] if register >= VIRTUAL else register
        assert register == FRAME or ALLOCATABLE >> found & 1, f"r{register} is in r{found}"
        return found

    for register in instruction.writes:
        live &= ~(1 << register)
    kept = [register for register in range(live.bit_length()) if live >> register & 1]
    for register in kept:
        if not (instruction.is_move and register == instruction.src):
            written = instruction.clobbers | sum(1 << place(each) for each in instruction.writes)
            assert not written >> place(register) & 1, f"r{register} is alive and overwritten"
    for register in instruction.reads:
        live |= 1 << register
    return live


@contextmanager
def checked() -> Iterator[list[Allocation]]:
    """All allocations meanwhile, each checked."""
    made: list[Allocation] = []

    def allocate(code: MachineFunction) -> Allocation:
        made.append(ALLOCATE(code))
        check(code, made[-1])
        return made[-1]

    with mock.patch.object(regalloc, "allocate", allocate):
        yield made


def test_golden_cases() -> None:
    with checked() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(CASES.rglob("*.case")):
            case = parse(path)
            if any(name in case.sections for name in GOLDEN):
                translate(case, namespace(case, pure_maps()))
    assert len(made) > 100 and any(allocation.spills for allocation in made)


def mixed(count: int, *between: str) -> str:
    """A program with so many numbers alive at once, and with the given text between their loads and uses."""
    loads = [f"%{3 + i} = load u64 %0, offset={8 * i}, bytes=8, unsigned" for i in range(count)]
    sums = [f"%{100 + i} = mul u64 %{99 + i if i else 3}, %{3 + i}" for i in range(count)]
    return "\n".join([*loads, *between, *sums, f"return %{99 + count}"])


@pytest.mark.parametrize(("count", "spills"), [(10, 0), (11, 2), (20, 11)])
def test_what_has_no_register_lives_on_the_stack(count: int, spills: int) -> None:
    with checked() as made:
        text = assembly(function_of(mixed(count)))
    assert [allocation.spills for allocation in made] == [spills]
    assert text.count("*(u64 *)(r10 - ") == 2 * spills


@pytest.mark.parametrize(("count", "spills"), [(4, 0), (5, 1)])
def test_calls_destroy_registers(count: int, spills: int) -> None:
    with checked() as made:
        assembly(function_of(mixed(count, "%50 = call u64 helper=ktime_get_ns")))
    assert [allocation.spills for allocation in made] == [spills]


def test_constants_are_made_anew_rather_than_stored() -> None:
    held = [f"%{50 + i} = held u64 {i}" for i in range(12)]
    uses = [f"store %0, %{50 + i}, offset={8 * i}, bytes=8" for i in range(12)]
    with checked() as made:
        text = assembly(function_of("\n".join([*held, *uses, *uses, "return 0"])))
    assert [allocation.spills for allocation in made] == [0] and "r10" not in text


def test_a_bound_is_stored_with_its_number() -> None:
    """The verifier learns a bound for the compared register, and for the stack slot that the register was stored to,
    but not for the slot that it was loaded from.
    """
    guards = [f"%{50 + i} = slt i64 %{3 + i}, 99\nguard %{50 + i}, raises=ValueError" for i in range(16)]
    with checked() as made:
        text = assembly(function_of(mixed(16, *guards)))
    compared = re.findall(r"(r\d) = (\*\(u64 \*\)\(r10 - \d+\))\n +\2 = \1\n +if \1 s>= 99 ", text)
    assert len(compared) == made[0].spills > 0


def test_a_wrong_allocation_is_seen() -> None:
    def crowded(code: MachineFunction) -> Allocation:
        allocation = ALLOCATE(code)
        allocation = allocation._replace(registers=dict.fromkeys(allocation.registers, 0))
        check(code, allocation)
        return allocation

    with mock.patch.object(regalloc, "allocate", crowded), pytest.raises(AssertionError, match="alive and overwritten"):
        assembly(function_of("%3 = mul u64 %1, %2\n%4 = mul u64 %3, %1\nreturn %4"))
