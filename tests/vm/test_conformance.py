"""The programs of the suite that conformance.py reads: what the kernel takes has the suite's result here and there.

The suite is not part of this project. PY2BPF_CONFORMANCE names the folder of its .data files:

    git clone https://github.com/Alan-Jowett/bpf_conformance /tmp/suite
    PY2BPF_CONFORMANCE=/tmp/suite/tests .venv/bin/python -m pytest tests/vm/test_conformance.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conformance import NotUnderstood, Program, assemble, read
from vm_programs import Held, array_of, spec_of

from py2bpf import asm
from py2bpf.asm import Alu, Insn, Jump
from py2bpf.exception import KernelError, VerifierError, VmFault
from py2bpf.kernel import kernel_program as kernel_program
from py2bpf.kernel import map_commands, syscalls
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, map_calls, vm_program

FOLDER = os.environ.get("PY2BPF_CONFORMANCE", "")
FILES = sorted(Path(FOLDER).glob("*.data")) if FOLDER else []
BODY, SHORT = 1000, 1001  # labels that no program has
EXAMPLES = {
    "-- asm\nmov32 %r0, 5 # five\nlock add [%r10-8], %r0\nexit\n-- result\n0x5\n": None,
    "-- asm\nstdw [%r10-8], 7\nmov %r1, -2\nlock fetch add [%r10-8], %r1\nldxdw %r0, [%r10-8]\njne %r1, 7, exit\n"
    "lddw %r0, 0x123456789abcdef0\nbe16 %r0\nexit\n-- result\n0xf0de\n": 0xF0DE,
    "-- asm\nldxb %r0, [%r1+1]\nadd %r0, %r2\nmovsx832 %r0, %r0\nja end\nsub32 %r0, 1\nend:\nexit\n-- mem\n00 f0\n"
    "-- result\n0xfffffff2\n": 0xFFFFFFF2,
    "-- asm\nmov %r1, 3\ncall local twice\nexit\ntwice:\nmov %r0, %r1\nadd %r0, %r1\nexit\n-- result\n6\n": 6,
}


def spec(text: Program) -> ProgramSpec:
    """An XDP program that points r1 at the packet, calls the suite's, and puts all of r0 into a map."""
    size = len(text.memory)
    pointing = [
        asm.mov(6, 1), asm.load(4, 1, 6, 0), asm.load(4, 2, 6, 4), asm.mov(3, 1), asm.alu_imm(Alu.ADD, 3, size),
        asm.branch(Jump.JGT, 3, 2, SHORT), asm.mov_imm(2, size),
    ]  # fmt: skip
    code: list[Insn] = [
        asm.call_local(BODY), asm.ld_map_value(1, 0, 0), asm.store(8, 1, 0, 0), asm.mov_imm(0, 2), asm.exit_(),
        asm.label(BODY), *(pointing if size else []), *text.code,
    ]  # fmt: skip
    if size:
        code += [asm.label(SHORT), asm.mov_imm(0, -1), asm.exit_()]
    return spec_of(code, ProgType.XDP, maps=(array_of(8),))


def in_kernel(text: Program) -> int | str:
    """The result, or why the kernel refuses it."""
    with syscalls.map_create(MapType.ARRAY, 4, 8, 1) as made:
        try:
            with kernel_program.load(spec(text), [made]) as loaded:
                loaded.test_run(text.memory.ljust(14, b"\0"))
            return int.from_bytes(map_commands.map_lookup(made, bytes(4), 8) or b"", "little")
        except VerifierError as error:
            return error.log
        except KernelError as error:
            return str(error)


def in_vm(text: Program) -> int | str:
    """The result, or the fault's reason."""
    machine = machine_calls.machine_create(1)
    held: Any = Held(map_calls.map_create(machine, MapType.ARRAY, 4, 8, 1, 0, 1))
    try:
        with vm_program.load(spec(text), [held], machine) as loaded:
            loaded.test_run(text.memory.ljust(14, b"\0"), budget=1 << 20)
    except VmFault as fault:
        return fault.reason
    return int.from_bytes(map_calls.map_lookup(held.handle, bytes(4), 8) or b"", "little")


@pytest.mark.skipif(not FILES, reason="PY2BPF_CONFORMANCE names no folder of .data files")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_program_of_the_suite(file: Path) -> None:
    try:
        text = read(file.read_text())
    except NotUnderstood as error:
        assert "what a register says" in str(error)  # the kernel has no such instruction either
        return
    theirs, ours = (in_kernel(text) if os.geteuid() == 0 else "not asked"), in_vm(text)
    if isinstance(theirs, int):
        assert (ours, theirs) == (text.result, text.result)
    else:
        assert isinstance(ours, str) or ours == text.result, theirs


@pytest.mark.parametrize("text", EXAMPLES)
def test_our_reader(text: str) -> None:
    """On programs of our own; the first one reads stack that nobody wrote, which is zero here."""
    wanted = EXAMPLES[text]
    found = in_vm(read(text))
    assert found == wanted if wanted is not None else found == 5


def test_what_is_no_instruction() -> None:
    for line in ("jump 5", "mov %x1, 2", "ldxw %r0, %r1", "call %r2"):
        with pytest.raises((NotUnderstood, ValueError)):
            assemble([line])
