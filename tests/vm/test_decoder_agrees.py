"""Every opcode with right and wrong fields, between others: the kernel loads what the VM loads and runs, and no more.

Registers hold numbers and the stack is written: the verifier can have nothing against the instruction but its form.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from vm_programs import spec_of

from py2bpf import asm
from py2bpf.asm import Class, Insn, Kind
from py2bpf.exception import VerifierError, VmFault
from py2bpf.kernel import kernel_program as kernel_program
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, vm_program

pytestmark = pytest.mark.kernel

CALL, EXIT, WIDE, NOTHING = 0x85, 0x95, 0x18, 0x00
BEFORE = [asm.mov(6, 1), *(asm.mov_imm(register, 3) for register in range(10) if register != 6),
          asm.store_imm(8, asm.FRAME, -8, 1), asm.store_imm(8, asm.FRAME, -16, 1)]  # fmt: skip
AFTER = [asm.mov_imm(0, 0), asm.mov_imm(0, 0), asm.exit_()]
NEWER = ("invalid atomic opcode 1", "unknown opcode e5")
"""What kernels say of instructions that came later: load_acquire, store_release, may_goto."""

ABOUT_VALUES = ("invalid size of register spill",)
"""What the verifier says of what a register holds, not of the instruction."""


def calculations(kind: Class) -> Iterator[Insn]:
    for high in range(32):
        offsets = (0, 1, 2, 8, 16, 32) if kind in (Class.ALU, Class.ALU64) else (0, 1)
        for src, off, imm in itertools.product((0, 1, 2), offsets, (0, 1, 16, 32, 63, 64, -1)):
            yield Insn(Kind.PLAIN, high << 3 | kind, 0, src, off, imm)


def accesses(kind: Class) -> Iterator[Insn]:
    immediates = (0, 1, 3, 0x10, 0x40, 0x50, 0xA0, 0x41, 0xE0, 0xE1, 0xF1, 0x100, 0x110, 0x111, -1)
    for high in range(32):
        for dst, src, off, imm in itertools.product((0, asm.FRAME), (0, asm.FRAME), (-16, -12), immediates):
            yield Insn(Kind.PLAIN, high << 3 | kind, dst, src, off, imm)


def jumps_away(insn: Insn) -> bool:
    """Over what is then never reached, or nowhere."""
    return insn.code in (0x05, 0x06) and bool(insn.off or insn.imm)


def kernel_refuses(code: list[Insn]) -> str:
    try:
        with kernel_program.load(spec_of(code, ProgType.SCHED_CLS)):
            return ""
    except VerifierError as error:
        return error.log


def vm_refuses(code: list[Insn], machine: Any) -> str:
    try:
        with vm_program.load(spec_of(code, ProgType.SCHED_CLS), (), machine) as loaded:
            loaded.test_run(bytes(64))
            return ""
    except VmFault as fault:
        return fault.reason


@pytest.mark.parametrize("kind", Class, ids=lambda kind: kind.name)
def test_the_kernel_and_the_vm_refuse_the_same(kind: Class) -> None:
    machine, tried, taken = machine_calls.machine_create(1), 0, 0
    for insn in accesses(kind) if kind in (Class.LDX, Class.ST, Class.STX) else calculations(kind):
        if insn.code in (CALL, EXIT, WIDE, NOTHING) or jumps_away(insn):
            continue
        code = [*BEFORE, insn, *AFTER]
        theirs, ours = kernel_refuses(code), vm_refuses(code, machine)
        if not any(words in theirs for words in (*NEWER, *ABOUT_VALUES)):
            assert bool(theirs) == bool(ours), (insn, theirs[-300:], ours)
        tried, taken = tried + 1, taken + (not ours)
    assert 0 < taken < tried
