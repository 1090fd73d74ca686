"""Programs that the kernel's verifier refuses, although a machine without a verifier could run them: the VM refuses
them too. Each is a program that the kernel takes but for one thing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from vm_programs import Held, array_of, spec_of

from py2bpf import asm
from py2bpf.asm import CMPXCHG, FETCH, XCHG, Alu, Insn, Jump
from py2bpf.exception import KernelError, Py2BpfError, VerifierError, VmFault
from py2bpf.kernel import kernel_program as kernel_program
from py2bpf.kernel import syscalls
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, map_calls, vm_program

DATA, DATA_END = 76, 80
PACKET = bytes(range(64))
READ_ONLY = 1 << 7
OPERATIONS = {"add": Alu.ADD, "fetch": Alu.OR | FETCH, "xchg": XCHG, "cmpxchg": CMPXCHG}


def answer_of_kernel(spec: ProgramSpec) -> int | str:
    """The result, or what the verifier says."""
    with ExitStack() as stack:
        maps = [stack.enter_context(syscalls.map_create(MapType.ARRAY, 4, 16, 1, each.flags)) for each in spec.maps]
        try:
            with kernel_program.load(spec, maps) as loaded:
                return loaded.test_run(PACKET).retval
        except (VerifierError, KernelError) as error:
            return str(getattr(error, "log", error))


def is_older(kernel: int | str) -> bool:
    """Whether the kernel doesn't know the instruction at all: load_acquire came with Linux 6.15, may_goto with 6.9."""
    return isinstance(kernel, str) and ("invalid atomic opcode 1" in kernel or "unknown opcode e5" in kernel)


def answer_of_vm(spec: ProgramSpec) -> int | str:
    """The result, or the fault's reason."""
    machine = machine_calls.machine_create(1)
    made = [map_calls.map_create(machine, MapType.ARRAY, 4, 16, 1, each.flags, 1) for each in spec.maps]
    held: list[Any] = [Held(each) for each in made]
    try:
        with vm_program.load(spec, held, machine) as loaded:
            return loaded.test_run(PACKET).retval
    except VmFault as fault:
        return fault.reason


PLACES: dict[str, list[Insn]] = {
    "stack": [asm.store_imm(8, asm.FRAME, -16, 5), asm.store_imm(8, asm.FRAME, -8, 6), asm.mov(7, asm.FRAME),
              asm.alu_imm(Alu.ADD, 7, -16)],
    "map": [asm.ld_map_value(7, 0, 0)],
    "packet": [asm.load(4, 7, 1, DATA), asm.load(4, 2, 1, DATA_END), asm.mov(3, 7), asm.alu_imm(Alu.ADD, 3, 32),
               asm.branch(Jump.JGT, 3, 2, 9)],
    "context": [asm.mov(7, 1), asm.alu_imm(Alu.ADD, 7, 48)],
}  # fmt: skip


def atomics(place: str, access: list[Insn]) -> ProgramSpec:
    code = [*PLACES[place], asm.mov_imm(0, 3), asm.mov_imm(2, 9), *access, asm.alu(Alu.ADD, 0, 2), asm.label(9),
            asm.exit_()]  # fmt: skip
    if place == "packet":
        code[0:0] = [asm.mov_imm(0, 0)]
    return spec_of(code, ProgType.SCHED_CLS, maps=(array_of(16),) if place == "map" else ())


def accesses(size: int, off: int) -> dict[str, list[Insn]]:
    found = {"acquire": [asm.load_acquire(size, 2, 7, off)], "release": [asm.store_release(size, 7, off, 2)]}
    if size >= 4:
        found |= {name: [asm.atomic(size, op, 7, off, 2)] for name, op in OPERATIONS.items()}
    return found


@pytest.mark.kernel
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_atomic_operations(place: str, size: int) -> None:
    """Aligned in a map's value and on the stack they give the same; elsewhere both worlds refuse them."""
    for off in (0, 1, 2, 3, 4, 6, 8):
        for name, access in accesses(size, off).items():
            spec = atomics(place, access)
            kernel, vm = answer_of_kernel(spec), answer_of_vm(spec)
            if isinstance(kernel, int):
                assert vm == kernel, (name, off)
                assert off % size == 0 and place in ("stack", "map")
            elif not is_older(kernel):
                assert isinstance(vm, str), (name, off, kernel)
                assert any(word in kernel for word in ("not allowed", "misaligned", "modified ctx")), kernel


@pytest.mark.parametrize(("place", "access", "reason"), [
    ("map", asm.atomic(8, Alu.ADD, 7, 4, 2), "at an address that is no multiple of its size"),
    ("stack", asm.load_acquire(2, 2, 7, 1), "at an address that is no multiple of its size"),
    ("packet", asm.atomic(4, XCHG, 7, 4, 2), "an atomic operation on the packet"),
    ("packet", asm.load_acquire(4, 2, 7, 4), "an atomic operation on the packet"),
    ("packet", asm.store_release(4, 7, 4, 2), "an atomic operation on the packet"),
    ("context", asm.load_acquire(4, 2, 7, 0), "an atomic operation on the context"),
    ("context", asm.store_release(4, 7, 0, 2), "where the program has no writable memory"),
    ("stack", asm.load_acquire(8, 2, 3, 16), "read through a null pointer"),
])  # fmt: skip
def test_the_reasons(place: str, access: Insn, reason: str) -> None:
    code = [asm.mov_imm(3, 0), access] if "null" in reason else [access]
    found = answer_of_vm(atomics(place, code))
    assert isinstance(found, str) and reason in found


@pytest.mark.kernel
def test_a_read_only_map_can_be_loaded_from() -> None:
    for access in (asm.load_acquire(8, 2, 7, 8), asm.store_release(8, 7, 8, 2), asm.atomic(8, Alu.ADD, 7, 8, 2)):
        code = [asm.ld_map_value(7, 0, 0), asm.mov_imm(0, 3), asm.mov_imm(2, 9), access, asm.alu(Alu.ADD, 0, 2),
                asm.exit_()]  # fmt: skip
        spec = spec_of(code, ProgType.SCHED_CLS, maps=(array_of(16, READ_ONLY),))
        kernel, vm = answer_of_kernel(spec), answer_of_vm(spec)
        assert vm == kernel == 3 if isinstance(kernel, int) else isinstance(vm, str)


REFUSED: dict[str, tuple[list[Insn], str]] = {
    "a load_acquire into r10": ([asm.load_acquire(8, 10, 10, -8)], "the frame pointer r10 can't be written"),
    "an unknown one": ([asm.atomic(8, 0x120, asm.FRAME, -8, 1)], "unknown atomic operation"),
    "may_goto with a number": ([Insn(asm.Kind.PLAIN, asm.MAY_GOTO, imm=1)], "doesn't use is not zero"),
    "may_goto with a register": ([Insn(asm.Kind.PLAIN, asm.MAY_GOTO, src=1)], "doesn't use is not zero"),
    "may_goto out of the program": ([Insn(asm.Kind.PLAIN, asm.MAY_GOTO, off=50)], "a jump out of the program"),
    "a cast to the kernel": ([asm.addr_space_cast(1, 1, 0, 1)], "needs an arena, and the embedded VM has none"),
    "a cast to the arena": ([asm.addr_space_cast(1, 1, 1, 0)], "needs an arena, and the embedded VM has none"),
    "a cast between others": ([asm.addr_space_cast(1, 1, 2, 0)], "a cast is from address space 1 to 0, or from 0 to 1"),
}


@pytest.mark.kernel
@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name: str) -> None:
    code, reason = REFUSED[name]
    spec = spec_of([asm.mov_imm(0, 0), *code, asm.exit_()], ProgType.SCHED_CLS)
    found = answer_of_vm(spec)
    assert isinstance(answer_of_kernel(spec), str)
    assert isinstance(found, str) and reason in found


@pytest.mark.kernel
@pytest.mark.parametrize(("size", "runs"), [(1_000_000, True), (1_000_001, False)])
def test_a_million_instructions(size: int, runs: bool) -> None:
    code = [asm.mov_imm(0, 7), *[asm.mov_imm(0, 7)] * (size - 2), asm.exit_()]
    spec = spec_of(code, ProgType.SCHED_CLS)
    if runs:
        assert answer_of_vm(spec) == 7
    else:
        assert answer_of_vm(spec) == "a program of more than 1000000 instructions"
        assert "it has more instructions than the kernel takes" in str(answer_of_kernel(spec))


def functions(count: int) -> list[Insn]:
    code = [asm.mov_imm(0, 0)]
    for number in range(count):
        code.append(asm.call_local(number))
    code.append(asm.exit_())
    for number in range(count):
        code += [asm.label(number), asm.mov_imm(0, 1), asm.exit_()]
    return code


@pytest.mark.kernel
@pytest.mark.parametrize("count", [255, 256])
def test_256_functions_with_the_program_itself(count: int) -> None:
    spec = spec_of(functions(count), ProgType.SCHED_CLS)
    kernel, vm = answer_of_kernel(spec), answer_of_vm(spec)
    if count == 255:
        assert kernel == vm == 1
    else:
        assert isinstance(kernel, str) and vm == "a program of more than 256 functions"


@pytest.mark.kernel
@pytest.mark.parametrize("count", [64, 65])
def test_64_maps(count: int) -> None:
    code = [asm.mov_imm(0, 1), *(asm.ld_map(1, number) for number in range(count)), asm.exit_()]
    spec = spec_of(code, ProgType.SCHED_CLS, maps=(array_of(16),) * count)
    kernel, vm = answer_of_kernel(spec), answer_of_vm(spec)
    if count == 64:
        assert kernel == vm == 1
    else:
        assert isinstance(kernel, str) and vm == "a program of more than 64 maps"


def endless(body: list[Insn]) -> list[Insn]:
    """Counts its turns in r0 until may_goto leaves."""
    return [asm.mov_imm(0, 0), asm.label(1), asm.may_goto(2), asm.alu_imm(Alu.ADD, 0, 1), *body, asm.jump(1),
            asm.label(2), asm.exit_()]  # fmt: skip


def test_may_goto_leaves_after_8_million_turns() -> None:
    """Each call of a function has as many turns; the kernel of today leaves by its clock, after 250 ms."""
    spec = spec_of(endless([]), ProgType.SCHED_CLS)
    assert answer_of_vm(spec) == 1 << 23
    twice = [asm.call_local(7), asm.mov(6, 0), asm.call_local(7), asm.alu(Alu.ADD, 0, 6), asm.exit_(), asm.label(7)]
    assert answer_of_vm(spec_of([*twice, *endless([])], ProgType.SCHED_CLS)) == 1 << 24


@pytest.mark.kernel
def test_may_goto_in_the_kernel_and_here() -> None:
    code = [asm.mov_imm(0, 0), asm.label(1), asm.may_goto(2), asm.alu_imm(Alu.ADD, 0, 1),
            asm.branch_imm(Jump.JLT, 0, 70000, 1), asm.label(2), asm.exit_()]  # fmt: skip
    spec = spec_of(code, ProgType.SCHED_CLS)
    kernel = answer_of_kernel(spec)
    assert answer_of_vm(spec) == 70000 and (kernel == 70000 or is_older(kernel))


def test_errors_are_ours() -> None:
    spec = spec_of(functions(256), ProgType.SCHED_CLS)
    with pytest.raises(Py2BpfError, match="the embedded VM can't run byhand: a program of more than 256 functions"):
        vm_program.load(spec, (), machine_calls.machine_create(1))
