"""Where a slice of the budget ends, each instruction is executed once, whichever it is: results, packets and the number
of instructions are those of a run in one piece, and the kernel's. .ci/short-slices.sh has a slice end everywhere."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from vm_programs import CTX, SAVED, Held, call, in_kernel, spec_of

from py2bpf import asm
from py2bpf._ffi import lib
from py2bpf.asm import FETCH, XCHG, Alu, Insn, Jump
from py2bpf.exception import VerifierError
from py2bpf.spec import MapSpec
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, map_calls, vm_program

SLICE = lib.p2b_vm_slice()
PACKET = bytes(range(64))
NUMBERS = ("bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy")


def step(value: int) -> list[Insn]:
    """Changes r0 so that doing it twice, or at another time, shows."""
    return [asm.alu_imm(Alu.MUL, 0, 7), asm.alu_imm(Alu.ADD, 0, value)]


def descent(depth: int) -> list[Insn]:
    """Functions that call each other; each keeps a number in r7, one on its stack, and adds both afterwards."""
    code: list[Insn] = []
    for number in range(1, depth + 1):
        code += [
            asm.label(number), asm.mov_imm(7, number), asm.store_imm(8, asm.FRAME, -8, 3 * number), asm.mov_imm(0, 1),
            *([asm.call_local(number + 1)] if number < depth else []), *step(number), asm.alu(Alu.ADD, 0, 7),
            asm.load(8, 1, asm.FRAME, -8), asm.alu(Alu.ADD, 0, 1), asm.exit_(),
        ]  # fmt: skip
    return code


BY_ADDRESS = [asm.mov(1, asm.FRAME), asm.alu_imm(Alu.ADD, 1, -8)]
PROGRAMS: dict[str, tuple[ProgType, list[Insn]]] = {
    "a call": (ProgType.SCHED_CLS, [
        asm.mov_imm(7, 1000), asm.mov_imm(1, 5), asm.call_local(1), asm.alu(Alu.ADD, 0, 7), asm.exit_(),
        asm.label(1), asm.mov(0, 1), *step(3), asm.exit_(),
    ]),
    "calls in calls": (ProgType.SCHED_CLS, [asm.call_local(1), *step(1), asm.exit_(), *descent(7)]),
    "jumps": (ProgType.SCHED_CLS, [
        asm.load(4, 0, 1, 0), asm.branch_imm(Jump.JEQ, 0, 64, 1), *step(9), asm.jump(2), asm.label(1), *step(2),
        asm.branch_imm(Jump.JGT, 0, 5, 2), *step(8), asm.label(2), *step(4), asm.jump(3), asm.label(3), asm.exit_(),
    ]),
    "helpers that change the packet": (ProgType.XDP, [
        SAVED, *call("xdp_adjust_head", CTX, 4), asm.mov(7, 0), *call("xdp_adjust_tail", CTX, -3),
        asm.alu(Alu.ADD, 7, 0), *call("xdp_adjust_head", CTX, -6), asm.alu(Alu.ADD, 0, 7), asm.alu_imm(Alu.ADD, 0, 2),
        asm.exit_(),
    ]),
    "a packet load by r0 that fails": (ProgType.SCHED_CLS, [
        SAVED, asm.mov_imm(0, 1000), asm.packet_load(1, 0, 0), asm.alu_imm(Alu.ADD, 0, 7), asm.exit_(),
    ]),
    "a packet load by r0": (ProgType.SCHED_CLS, [
        SAVED, asm.mov_imm(0, 20), asm.packet_load(1, 0, 0), asm.packet_load(1, 0, 0), *step(1), asm.exit_(),
    ]),
    "a packet load that fails": (ProgType.SCHED_CLS, [
        SAVED, asm.mov_imm(0, 5), asm.packet_load(4, 61), asm.mov_imm(0, 7), asm.exit_(),
    ]),
    "atomic operations": (ProgType.SCHED_CLS, [
        asm.store_imm(8, asm.FRAME, -8, 5), asm.mov_imm(1, 9), asm.atomic(8, Alu.ADD | FETCH, asm.FRAME, -8, 1),
        asm.atomic(8, XCHG, asm.FRAME, -8, 1), asm.mov(0, 1), asm.load(8, 1, asm.FRAME, -8), *step(1),
        asm.alu(Alu.ADD, 0, 1), asm.exit_(),
    ]),
    "a callback": (ProgType.SCHED_CLS, [
        asm.store_imm(8, asm.FRAME, -8, 1), asm.mov_imm(7, 100), asm.mov_imm(1, 9), asm.ld_func(2, 1),
        asm.mov(3, asm.FRAME), asm.alu_imm(Alu.ADD, 3, -8), asm.mov_imm(4, 0), asm.call(181),
        asm.alu(Alu.ADD, 0, 7), asm.load(8, 1, asm.FRAME, -8), asm.alu(Alu.ADD, 0, 1), asm.exit_(),
        asm.label(1), asm.mov(6, 1), asm.mov(7, 2), asm.call_local(2), asm.load(8, 1, 7, 0), asm.alu_imm(Alu.MUL, 1, 3),
        asm.alu(Alu.ADD, 1, 0), asm.alu(Alu.ADD, 1, 6), asm.store(8, 7, 0, 1), asm.mov_imm(0, 0),
        asm.branch_imm(Jump.JNE, 6, 5, 3), asm.mov_imm(0, 1), asm.label(3), asm.exit_(),
        asm.label(2), asm.mov(0, 1), *step(2), asm.exit_(),
    ]),
    "an iterator": (ProgType.SCHED_CLS, [
        asm.mov_imm(6, 0), *BY_ADDRESS, asm.mov_imm(2, 3), asm.mov_imm(3, 9), asm.call_kfunc(0),
        asm.label(1), *BY_ADDRESS, asm.call_kfunc(1), asm.branch_imm(Jump.JEQ, 0, 0, 2), asm.load(4, 1, 0, 0),
        asm.alu_imm(Alu.MUL, 6, 3), asm.alu(Alu.ADD, 6, 1), asm.jump(1),
        asm.label(2), *BY_ADDRESS, asm.call_kfunc(2), asm.mov(0, 6), asm.exit_(),
    ]),
    "may_goto": (ProgType.SCHED_CLS, [
        asm.mov_imm(0, 1), asm.mov_imm(6, 5), asm.label(1), *step(2), asm.may_goto(2), asm.alu_imm(Alu.SUB, 6, 1),
        asm.branch_imm(Jump.JNE, 6, 0, 1), asm.label(2), asm.exit_(),
    ]),
}  # fmt: skip


def after(burnt: int, code: list[Insn]) -> list[Insn]:
    """The program behind so many instructions of a loop, and of nothing."""
    turns, rest = divmod(burnt - 1, 2)
    loop = [asm.mov_imm(9, turns), asm.label(90), asm.alu_imm(Alu.SUB, 9, 1), asm.branch_imm(Jump.JNE, 9, 0, 90)]
    return [*loop, *[asm.mov_imm(8, 1)] * rest, *code]


def run(code: list[Insn], prog_type: ProgType, machine: Any) -> tuple[int, bytes, int]:
    with vm_program.load(spec_of(code, prog_type, NUMBERS), (), machine) as loaded:
        ran = loaded.run(PACKET)
    return ran.retval, ran.data, ran.insns


@pytest.mark.parametrize("name", PROGRAMS)
def test_wherever_the_slice_ends(name: str) -> None:
    prog_type, code = PROGRAMS[name]
    machine = machine_calls.machine_create(1)
    retval, data, insns = run(code, prog_type, machine)
    for burnt in range(SLICE - insns - 2, SLICE + 3):
        if burnt >= 3:
            assert run(after(burnt, code), prog_type, machine) == (retval, data, insns + burnt), burnt


@pytest.mark.kernel
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_the_kernel(name: str) -> None:
    prog_type, code = PROGRAMS[name]
    retval, data, _ = run(code, prog_type, machine_calls.machine_create(1))
    try:
        kernel = in_kernel(spec_of(code, prog_type, NUMBERS if "iterator" in name else ()), PACKET)
    except VerifierError as error:
        if "unknown opcode e5" not in error.log:
            raise
        pytest.skip("may_goto came with Linux 6.9")
    assert kernel == (retval, data)


def linked(burnt: int, machine: Any) -> int:
    """A program that counts in the packet, and goes to itself by a tail call until the kernel's limit of 33 of them; a
    call of an index that is empty comes before. The number of instructions."""
    count = [SAVED, asm.load(4, 7, 6, 76), asm.load(1, 1, 7, 3), asm.alu_imm(Alu.ADD, 1, 1), asm.store(1, 7, 3, 1)]
    tails = [insn for index in (1, 0)
             for insn in (asm.mov(1, 6), asm.ld_map(2, 0), asm.mov_imm(3, index), asm.call(12))]  # fmt: skip
    code = [*(after(burnt, []) if burnt else []), *count, *tails, asm.load(1, 0, 7, 3), asm.exit_()]
    progs: Any = Held(map_calls.map_create(machine, MapType.PROG_ARRAY, 4, 4, 2, 0, 1))
    spec = spec_of(code, ProgType.SCHED_CLS, maps=(MapSpec(MapType.PROG_ARRAY, ctypes.c_uint32, ctypes.c_uint32, 2),))
    with vm_program.load(spec, [progs], machine) as loaded:
        map_calls.map_set_prog(progs.handle, 0, loaded.handle, 1)
        ran = loaded.run(PACKET)
    assert (ran.retval, ran.data) == (PACKET[3] + 34, PACKET[:3] + bytes([PACKET[3] + 34]) + PACKET[4:])
    return ran.insns


def test_tail_calls_where_the_slice_ends() -> None:
    machine = machine_calls.machine_create(1)
    once = linked(0, machine) // 34
    for burnt in range(max(3, SLICE - once - 3), SLICE + 3):
        assert linked(burnt, machine) == 34 * burnt + linked(0, machine), burnt


def test_the_budget_ends_a_run_where_it_did_before() -> None:
    """However long slices are: one instruction too few ends at the last one."""
    code = after(1001, PROGRAMS["calls in calls"][1])
    with vm_program.load(spec_of(code, ProgType.SCHED_CLS), (), machine_calls.machine_create(1)) as loaded:
        whole = loaded.run(PACKET)
        assert loaded.test_run(PACKET, budget=whole.insns).retval == whole.retval
        with pytest.raises(Exception, match="the instruction budget is used up"):
            loaded.test_run(PACKET, budget=whole.insns - 1)
