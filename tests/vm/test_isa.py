"""Every instruction of the VM against its definition in RFC 9669, written down here in Python's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from vm_programs import in_vm, spec_of

from py2bpf import asm
from py2bpf.asm import CMPXCHG, FETCH, XCHG, Alu, Class, Insn, Jump, Kind, Source
from py2bpf.exception import VmFault
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, vm_program

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
NUMBERS = (0, 1, 2, 5, 31, 32, 63, 64, 255, 256, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, M32, 1 << 32,
           0x123456789ABCDEF0, (1 << 63) - 1, 1 << 63, M64 - 1, M64)  # fmt: skip
IMMEDIATES = (0, 1, 2, 5, 31, 63, 255, 0x7FFF, 0x7FFFFFFF, -1, -2, -128, -(1 << 31))


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def truncated(a: int, b: int) -> int:
    """The quotient rounded towards zero, as C's."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def sdiv(a: int, b: int, n: int) -> int:
    return truncated(signed(a, n), signed(b, n)) if b else 0


def smod(a: int, b: int, n: int) -> int:
    return signed(a, n) - signed(b, n) * truncated(signed(a, n), signed(b, n)) if b else a


ALU: dict[tuple[Alu, int], Callable[[int, int, int], int]] = {
    (Alu.ADD, 0): lambda a, b, n: a + b,
    (Alu.SUB, 0): lambda a, b, n: a - b,
    (Alu.MUL, 0): lambda a, b, n: a * b,
    (Alu.DIV, 0): lambda a, b, n: a // b if b else 0,
    (Alu.DIV, 1): sdiv,
    (Alu.MOD, 0): lambda a, b, n: a % b if b else a,
    (Alu.MOD, 1): smod,
    (Alu.OR, 0): lambda a, b, n: a | b,
    (Alu.AND, 0): lambda a, b, n: a & b,
    (Alu.XOR, 0): lambda a, b, n: a ^ b,
    (Alu.LSH, 0): lambda a, b, n: a << (b % n),
    (Alu.RSH, 0): lambda a, b, n: a >> (b % n),
    (Alu.ARSH, 0): lambda a, b, n: signed(a, n) >> (b % n),
    (Alu.MOV, 0): lambda a, b, n: b,
}
JUMPS: dict[Jump, Callable[[int, int, int], bool]] = {
    Jump.JEQ: lambda a, b, n: a == b,
    Jump.JNE: lambda a, b, n: a != b,
    Jump.JGT: lambda a, b, n: a > b,
    Jump.JGE: lambda a, b, n: a >= b,
    Jump.JLT: lambda a, b, n: a < b,
    Jump.JLE: lambda a, b, n: a <= b,
    Jump.JSET: lambda a, b, n: bool(a & b),
    Jump.JSGT: lambda a, b, n: signed(a, n) > signed(b, n),
    Jump.JSGE: lambda a, b, n: signed(a, n) >= signed(b, n),
    Jump.JSLT: lambda a, b, n: signed(a, n) < signed(b, n),
    Jump.JSLE: lambda a, b, n: signed(a, n) <= signed(b, n),
}
WIDTHS = pytest.mark.parametrize("bits", [64, 32])


@pytest.fixture(scope="module")
def machine() -> Any:
    return machine_calls.machine_create(1)


def wide(dst: int, value: int) -> Insn:
    return Insn(Kind.LD64, 0x18, dst, imm=signed(value, 64))


def value_of(code: list[Insn], register: int, machine: Any) -> int:
    """All 64 bits of a register after some instructions, by two runs."""
    low, high = (
        in_vm(spec_of([*code, asm.mov(0, register), asm.alu_imm(Alu.RSH, 0, shift), asm.exit_()],
                      ProgType.SOCKET_FILTER), bytes(14), machine=machine)
        for shift in (0, 32)
    )  # fmt: skip
    assert not isinstance(low, int) and not isinstance(high, int)
    return low[0] | high[0] << 32


def alu(op: Alu, off: int, bits: int, source: Source, src: int = 0, imm: int = 0) -> Insn:
    return Insn(Kind.PLAIN, (Class.ALU64 if bits == 64 else Class.ALU) | op | source, 1, src, off, imm)


@WIDTHS
@pytest.mark.parametrize(("op", "off"), ALU, ids=lambda x: getattr(x, "name", str(x)))
def test_arithmetic_of_registers(op: Alu, off: int, bits: int, machine: Any) -> None:
    mask = (1 << bits) - 1
    for a in NUMBERS:
        for b in NUMBERS:
            code = [wide(1, a), wide(2, b), alu(op, off, bits, Source.X, 2)]
            assert value_of(code, 1, machine) == ALU[op, off](a & mask, b & mask, bits) & mask, (a, b)


@WIDTHS
@pytest.mark.parametrize(("op", "off"), ALU, ids=lambda x: getattr(x, "name", str(x)))
def test_arithmetic_with_constants(op: Alu, off: int, bits: int, machine: Any) -> None:
    mask = (1 << bits) - 1
    for a in NUMBERS:
        for imm in IMMEDIATES:
            if imm == 0 and op in (Alu.DIV, Alu.MOD):
                continue
            if op in (Alu.LSH, Alu.RSH, Alu.ARSH) and not 0 <= imm < bits:
                continue
            code = [wide(1, a), alu(op, off, bits, Source.K, imm=imm)]
            assert value_of(code, 1, machine) == ALU[op, off](a & mask, imm & mask, bits) & mask, (a, imm)


@WIDTHS
def test_negation(bits: int, machine: Any) -> None:
    for a in NUMBERS:
        assert value_of([wide(1, a), alu(Alu.NEG, 0, bits, Source.K)], 1, machine) == -a & ((1 << bits) - 1)


@pytest.mark.parametrize(("bits", "size"), [(64, 8), (64, 16), (64, 32), (32, 8), (32, 16)])
def test_sign_extending_moves(bits: int, size: int, machine: Any) -> None:
    for a in NUMBERS:
        code = [wide(2, a), wide(1, 7), alu(Alu.MOV, size, bits, Source.X, 2)]
        assert value_of(code, 1, machine) == signed(a, size) & ((1 << bits) - 1)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_byte_order(size: int, machine: Any) -> None:
    for a in NUMBERS:
        low = a & ((1 << size) - 1)
        swapped = int.from_bytes(low.to_bytes(size // 8, "little"), "big")
        for code, wanted in ((0xD4, low), (0xDC, swapped), (0xD7, swapped)):
            insn = Insn(Kind.PLAIN, code, 1, imm=size)
            assert value_of([wide(1, a), insn], 1, machine) == wanted


@WIDTHS
@pytest.mark.parametrize("op", JUMPS, ids=lambda op: op.name)
def test_jumps(op: Jump, bits: int, machine: Any) -> None:
    mask = (1 << bits) - 1
    taken = [asm.mov_imm(0, 1), asm.exit_(), asm.label(1), asm.mov_imm(0, 2), asm.exit_()]
    for a in NUMBERS:
        cases = [([wide(2, b)], asm.branch(op, 1, 2, 1, bits == 64), b) for b in NUMBERS]
        cases += [([], asm.branch_imm(op, 1, imm, 1, bits == 64), imm) for imm in IMMEDIATES]
        for before, branch, b in cases:
            spec = spec_of([*before, wide(1, a), branch, *taken], ProgType.SOCKET_FILTER)
            run = in_vm(spec, bytes(14), machine=machine)
            assert not isinstance(run, int)
            assert run[0] == 1 + JUMPS[op](a & mask, b & mask, bits), (a, b)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_loads_and_stores(size: int, machine: Any) -> None:
    mask = (1 << 8 * size) - 1
    for a in NUMBERS:
        before = [wide(1, a), wide(2, 0x1122334455667788), asm.store(8, asm.FRAME, -16, 2)]
        for off in (-16, -16 + 8 - size, -13 if size < 2 else -16):
            code = [*before, asm.store(size, asm.FRAME, off, 1)]
            assert value_of([*code, asm.load(size, 3, asm.FRAME, off)], 3, machine) == a & mask
            shift = 8 * (off + 16)
            whole = 0x1122334455667788 & ~(mask << shift) | (a & mask) << shift
            assert value_of([*code, asm.load(8, 3, asm.FRAME, -16)], 3, machine) == whole
            if size < 8:
                load = Insn(Kind.PLAIN, Class.LDX | 0x80 | asm.SIZES[size], 3, asm.FRAME, off)
                assert value_of([*code, load], 3, machine) == signed(a, 8 * size) & M64
    for imm in IMMEDIATES:
        code = [asm.store_imm(size, asm.FRAME, -8, imm), asm.load(size, 1, asm.FRAME, -8)]
        assert value_of(code, 1, machine) == imm & mask


ATOMIC: dict[int, Callable[[int, int], int]] = {
    Alu.ADD: lambda a, b: a + b, Alu.OR: lambda a, b: a | b, Alu.AND: lambda a, b: a & b, Alu.XOR: lambda a, b: a ^ b,
}  # fmt: skip


@pytest.mark.parametrize("size", [4, 8])
def test_atomics(size: int, machine: Any) -> None:
    """What is in memory, in the source register and in r0 afterwards."""
    mask = (1 << 8 * size) - 1
    for a in NUMBERS[::2]:
        for b in NUMBERS:
            before = [wide(1, a), wide(2, b), wide(0, a ^ (b & 1)), asm.store(8, asm.FRAME, -8, 1)]
            old, compared = a & mask, (a ^ (b & 1)) & mask
            outcomes = [(op, ATOMIC[op](old, b) & mask, b, None) for op in ATOMIC]
            outcomes += [(op | FETCH, ATOMIC[op](old, b) & mask, old, None) for op in ATOMIC]
            outcomes += [(XCHG, b & mask, old, None), (CMPXCHG, b & mask if old == compared else old, b, old)]
            for op, memory, source, r0 in outcomes:
                code = [*before, asm.atomic(size, op, asm.FRAME, -8, 2)]
                assert value_of([*code, asm.load(size, 3, asm.FRAME, -8)], 3, machine) == memory
                assert value_of(code, 2, machine) == source
                assert r0 is None or value_of(code, 0, machine) == r0


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_ordered_loads_and_stores(size: int, machine: Any) -> None:
    mask = (1 << 8 * size) - 1
    for a in NUMBERS:
        code = [wide(1, a), wide(2, 0x1122334455667788), asm.store(8, asm.FRAME, -8, 2), asm.mov(3, asm.FRAME),
                asm.store_release(size, 3, -8, 1)]  # fmt: skip
        assert value_of([*code, asm.load_acquire(size, 4, 3, -8)], 4, machine) == a & mask
        assert value_of([*code, asm.load(8, 4, asm.FRAME, -8)], 4, machine) == 0x1122334455667788 & ~mask | a & mask


def test_wide_constants_and_far_jumps(machine: Any) -> None:
    for a in NUMBERS:
        assert value_of([wide(5, a)], 5, machine) == a
    far = Insn(Kind.PLAIN, Class.JMP32 | Jump.JA, imm=1)
    assert value_of([asm.mov_imm(1, 1), far, asm.mov_imm(1, 2)], 1, machine) == 1


def test_calls_keep_and_lose_registers(machine: Any) -> None:
    """r6 to r9 and the frame are the caller's again, r1 to r5 hold no value that anybody may count on."""
    code = [
        asm.mov_imm(6, 6), asm.mov_imm(1, 5), asm.store_imm(8, asm.FRAME, -8, 77), asm.call_local(1),
        asm.alu(Alu.ADD, 0, 6), asm.load(8, 1, asm.FRAME, -8), asm.alu(Alu.ADD, 0, 1), asm.exit_(),
        asm.label(1), asm.mov_imm(6, 1000), asm.store_imm(8, asm.FRAME, -8, 1), asm.mov(0, 1),
        asm.branch_imm(Jump.JEQ, 1, 0, 2), asm.alu_imm(Alu.SUB, 1, 1), asm.call_local(1), asm.alu_imm(Alu.ADD, 0, 10),
        asm.label(2), asm.exit_(),
    ]  # fmt: skip
    run = in_vm(spec_of(code, ProgType.SOCKET_FILTER), bytes(14), machine=machine)
    assert run == (50 + 6 + 77, bytes(14))


LEFT_OPEN = asm.mov_imm(0, 0)
REFUSED: dict[str, list[Insn]] = {
    "unknown instruction": [Insn(Kind.PLAIN, 0xE7), asm.exit_()],
    "a jump out of the program": [Insn(Kind.PLAIN, 0x05, off=7), asm.exit_()],
    "a jump into the middle of an instruction": [Insn(Kind.PLAIN, 0x05, off=1), wide(0, 1), asm.exit_()],
    "a jump out of the function": [asm.call_local(1), asm.exit_(), asm.label(1), Insn(Kind.PLAIN, 0x05, off=-3)],
    "neither a jump nor an exit": [LEFT_OPEN],
    "the frame pointer r10 can't be written": [asm.mov_imm(10, 0), asm.exit_()],
    "division by the constant 0": [asm.alu_imm(Alu.DIV, 0, 0), asm.exit_()],
    "a shift by more bits than there are": [asm.alu_imm(Alu.LSH, 0, 32, wide=False), asm.exit_()],
    "doesn't use is not zero": [Insn(Kind.PLAIN, 0x95, imm=1)],
    "the embedded VM has no such helper function": [asm.call(9999), asm.exit_()],
    "programs of this type can't call this helper function": [asm.call(44), asm.exit_()],
    "a call of a kernel function that has no name": [asm.call_kfunc(0), asm.exit_()],
    "an access of the stack at an offset that is no multiple of its size": [asm.load(4, 0, 10, -6), asm.exit_()],
    "unknown atomic operation": [asm.atomic(8, 0x20, asm.FRAME, -8, 1), asm.exit_()],
    "a program without instructions": [],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_program(reason: str, machine: Any) -> None:
    with pytest.raises(VmFault, match=reason):
        in_vm(spec_of(REFUSED[reason], ProgType.SOCKET_FILTER), bytes(14), machine=machine)


def frames(depth: int) -> list[Insn]:
    """Functions that call each other, so many inside each other."""
    code = []
    for number in range(depth):
        code += [asm.label(number), asm.call_local(number + 1), asm.exit_()]
    return [*code, asm.label(depth), asm.mov_imm(0, 1), asm.exit_()]


FAULTS: dict[str, tuple[int, list[Insn]]] = {
    "read through a null pointer": (1, [asm.mov_imm(1, 0), asm.load(4, 0, 1, 8), asm.exit_()]),
    "write through a null pointer": (1, [asm.mov_imm(1, 8), asm.store(4, 1, 8, 1), asm.exit_()]),
    "read behind the end of the context": (0, [asm.load(4, 0, 1, 190), asm.exit_()]),
    "this part of the context can't be written": (0, [asm.store_imm(4, 1, 0, 1), asm.exit_()]),
    "read outside of the stack frame": (0, [asm.load(8, 0, 10, 0), asm.exit_()]),
    "write outside of the stack frame": (0, [asm.store_imm(1, 10, -513, 0), asm.exit_()]),
    "read behind the end of a map's value, a record or the packet":
        (1, [asm.load(4, 2, 1, 76), asm.load(4, 0, 2, 12), asm.exit_()]),
    "read from an address that is none of the program's":
        (1, [asm.load(4, 2, 1, 80), asm.load(1, 0, 2, 0), asm.exit_()]),
    "an atomic operation where the program has no writable memory":
        (0, [asm.atomic(8, Alu.ADD, 1, 8, 1), asm.exit_()]),
    "too many calls inside each other": (14, frames(8)),
    "a helper function's argument is not the program's context":
        (1, [asm.mov(1, 10), asm.call(39), asm.exit_()]),
    "a helper function's argument is no map": (0, [asm.call(1), asm.exit_()]),
}  # fmt: skip


@pytest.mark.parametrize("reason", FAULTS)
def test_faults_name_the_instruction(reason: str, machine: Any) -> None:
    at, code = FAULTS[reason]
    with pytest.raises(VmFault, match=reason) as caught:
        in_vm(spec_of(code, ProgType.SCHED_CLS), bytes(14), machine=machine)
    assert caught.value.index == at


def test_a_loop_without_an_end(machine: Any) -> None:
    spec = spec_of([asm.mov_imm(0, 0), asm.label(1), asm.jump(1), asm.exit_()], ProgType.SCHED_CLS)
    with vm_program.load(spec, (), machine) as loaded, pytest.raises(VmFault, match="the instruction budget") as caught:
        loaded.test_run(bytes(14), budget=100_000)
    assert caught.value.index == 1


def test_seven_calls_inside_each_other(machine: Any) -> None:
    assert in_vm(spec_of(frames(7), ProgType.SCHED_CLS), bytes(14), machine=machine) == (1, bytes(14))
