"""The encoder of the C core, and instructions as text, against LLVM and the architecture's limits."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Callable, Iterator

import pytest

from py2bpf import asm, disasm
from py2bpf.asm import Alu, Insn, Jump, Kind
from py2bpf.core import encoding
from py2bpf.uapi.helpers import HELPERS

LLVM_MC = ("llvm-mc-22", "llvm-mc-21", "llvm-mc-20", "llvm-mc-19")
"""Versions before 18 misdecode version 4 of the instruction set."""

TARGET = 7
"""The label that sample jumps go to: one instruction behind the next."""

BINARY = [op for op in Alu if op not in (Alu.NEG, Alu.END)]
CONDITIONS = [op for op in Jump if op not in (Jump.JA, Jump.CALL, Jump.EXIT)]
IMMEDIATES = [0, 1, -1, 42, (1 << 31) - 1, -(1 << 31)]


def samples() -> Iterator[Insn]:
    """Every constructor of asm with every operation and width, and with numbers at their limits."""
    for wide in (True, False):
        for op in BINARY:
            yield asm.alu(op, 3, 9, wide)
            yield from (asm.alu_imm(op, 4, imm, wide) for imm in IMMEDIATES)
        yield asm.mov(10, 0, wide)
        for condition in CONDITIONS:
            yield asm.branch(condition, 1, 2, TARGET, wide)
            yield from (asm.branch_imm(condition, 6, imm, TARGET, wide) for imm in IMMEDIATES)
    yield from (asm.mov_imm(5, imm) for imm in [*IMMEDIATES, 1 << 31, (1 << 32) - 1])
    yield from (asm.mov_imm(5, imm) for imm in (1 << 32, -(1 << 31) - 1, (1 << 63) - 1, -(1 << 63), 0x123456789ABCDEF0))
    yield asm.neg(8)
    yield from (asm.bswap(2, bits, big) for bits in (16, 32, 64) for big in (True, False))
    for size in (1, 2, 4, 8):
        for off in (0, 8, -16, 32767, -32768):
            yield asm.load(size, 1, 10, off)
            yield asm.store(size, 10, off, 7)
            yield from (asm.store_imm(size, 10, off, imm) for imm in (0, 5, -1))
    for size in (4, 8):
        for atomic in (Alu.ADD, Alu.AND, Alu.OR, Alu.XOR):
            yield asm.atomic(size, atomic, 10, -8, 1)
            yield asm.atomic(size, atomic | asm.FETCH, 10, -8, 1)
        yield asm.atomic(size, asm.XCHG, 10, -8, 1)
        yield asm.atomic(size, asm.CMPXCHG, 10, -8, 1)
    for size in (1, 2, 4, 8):
        yield asm.load_acquire(size, 3, 10, -8)
        yield asm.store_release(size, 10, -8, 3)
    yield asm.addr_space_cast(1, 2, 0, 1)
    yield asm.addr_space_cast(1, 2, 1, 0)
    yield asm.may_goto(TARGET)
    for size in (1, 2, 4):
        yield asm.packet_load(size, 14)
        yield asm.packet_load(size, 0, index=7)
    yield asm.jump(TARGET)
    yield from (asm.call(helper) for helper in (1, 5, 14))
    yield asm.exit_()


SAMPLES = list(dict.fromkeys(samples()))


def encode_alone(insn: Insn) -> bytes:
    """The slots of an instruction in a program where TARGET exists."""
    slots, slot_of = encoding.encode(asm.pack([insn, asm.exit_(), asm.label(TARGET), asm.exit_()]))
    return bytes(slots[: 8 * slot_of[1]])


def llvm_style(text: str) -> str:
    """Our text in LLVM's words: branches by distance, helpers by number."""
    text = text.replace(f"goto L{TARGET}", "goto +1").replace(" + 0]", "]")
    called = re.fullmatch(r"call (\w+)", text)
    return f"call {HELPERS[called[1]].id}" if called else text


def our_style(text: str) -> str:
    """LLVM's text less what it adds: half registers in loads and stores, the width in compare-and-exchange."""
    text = re.sub(r"\s+", " ", text.strip()).replace("32_32(", "_32(")
    if "*(u" in text and not text.startswith("lock") and "atomic" not in text:
        text = re.sub(r"\bw(\d)", r"r\1", text)
    return text


@pytest.fixture
def llvm_mc(missing: Callable[[str], None]) -> str:
    for name in LLVM_MC:
        if path := shutil.which(name):
            return path
    missing(f"none of {', '.join(LLVM_MC)} is installed (apt-get install llvm-22)")
    raise AssertionError


def test_llvm_agrees_on_every_instruction(llvm_mc: str, peer_output: Callable[..., str]) -> None:
    encoded = [encode_alone(insn) for insn in SAMPLES]
    source = "\n".join(",".join(f"{byte:#04x}" for byte in slots) for slots in encoded)
    command = [llvm_mc, "-triple=bpfel", "-mcpu=v4", "--disassemble", "--show-encoding"]
    shown = peer_output(command, source)
    lines = [line.split("# encoding:") for line in shown.splitlines() if "# encoding:" in line]
    theirs = [(our_style(text), bytes(int(b, 16) for b in raw.strip(" []").split(","))) for text, raw in lines]
    assert theirs == [(llvm_style(disasm.text(insn)), slots) for insn, slots in zip(SAMPLES, encoded, strict=True)]


def test_the_samples_use_every_constructor() -> None:
    """What asm offers beyond the samples has tests of its own: labels, map loads."""
    assert {insn.kind for insn in SAMPLES} == {Kind.PLAIN, Kind.JUMP, Kind.LD64}
    assert {insn.code & 7 for insn in SAMPLES} == set(asm.Class)


@pytest.mark.parametrize("value", [0, 1, -1, (1 << 63) - 1, -(1 << 63), 1 << 63, (1 << 64) - 1, 0xDEADBEEF00000001])
def test_a_64_bit_number_takes_two_slots(value: int) -> None:
    insn = Insn(Kind.LD64, 0x18, 4, 0, 0, value)
    low, high = struct.unpack("<4xI4xI", encode_alone(insn))
    assert (high << 32 | low) == value & ((1 << 64) - 1)


def test_instructions_begin_at_their_slots() -> None:
    wide = asm.mov_imm(1, 1 << 40)
    code = [wide, asm.label(1), asm.mov_imm(0, 0), asm.ld_map(2, 0), asm.label(2), asm.exit_(), asm.jump(2)]
    slots, slot_of = encoding.encode(asm.pack(code))
    assert list(slot_of) == [0, 2, 2, 3, 5, 5, 6]
    assert len(slots) == 7 * 8


def test_a_jump_back_counts_from_the_next_slot() -> None:
    code = [asm.label(1), asm.mov_imm(1, 1 << 40), asm.branch_imm(Jump.JNE, 1, 0, 1), asm.exit_()]
    slots, _ = encoding.encode(asm.pack(code))
    assert struct.unpack_from("<h", slots, 2 * 8 + 2) == (-3,)


@pytest.mark.parametrize("distance", [32767, -32768])
def test_the_farthest_branch(distance: int) -> None:
    slots, slot_of = encoding.encode(asm.pack(far(asm.branch_imm(Jump.JEQ, 1, 0, TARGET), distance)))
    at = next(i for i in slot_of if slots[8 * i] == asm.Class.JMP | Jump.JEQ)
    assert struct.unpack_from("<h", slots, 8 * at + 2) == (distance,)


@pytest.mark.parametrize("distance", [32768, -32769])
def test_a_branch_too_far(distance: int) -> None:
    with pytest.raises(encoding.EncodingError, match="conditional jump") as caught:
        encoding.encode(asm.pack(far(asm.branch_imm(Jump.JEQ, 1, 0, TARGET), distance)))
    assert caught.value.value == distance
    assert caught.value.index == (0 if distance > 0 else -distance)


@pytest.mark.parametrize("distance", [32767, 32768, -32768, -32769, 100_000])
def test_a_jump_far_away_is_a_long_one(distance: int) -> None:
    slots, slot_of = encoding.encode(asm.pack(far(asm.jump(TARGET), distance)))
    at = 8 * slot_of[0 if distance > 0 else -distance]
    code, regs, off, imm = struct.unpack_from("<BBhi", slots, at)
    if -32768 <= distance <= 32767:
        assert (code, regs, off, imm) == (0x05, 0, distance, 0)
    else:
        assert (code, regs, off, imm) == (0x06, 0, 0, distance)


def far(insn: Insn, distance: int) -> list[Insn]:
    """A program in which insn goes to TARGET over the distance."""
    filling = [asm.mov_imm(0, 0)]
    if distance > 0:
        return [insn, *filling * distance, asm.label(TARGET), asm.exit_()]
    return [asm.label(TARGET), *filling * (-distance - 1), insn, asm.exit_()]


def test_a_local_call() -> None:
    code = [Insn(Kind.CALL_LOCAL, ref=3), asm.exit_(), asm.label(3), asm.mov_imm(0, 1), asm.exit_()]
    slots, _ = encoding.encode(asm.pack(code))
    assert slots[:8] == struct.pack("<BBhi", 0x85, 1 << 4, 0, 1)


def test_map_loads() -> None:
    code = [asm.ld_map(1, 1), Insn(Kind.LD_MAP_VALUE, 0x18, 2, imm=24, ref=0), asm.exit_()]
    slots, _ = encoding.encode(asm.pack(code))
    encoding.relocate(slots, (77, 99))
    first = struct.pack("<BBhi8x", 0x18, 1 << 4 | 1, 0, 99)
    second = struct.pack("<BBhi4xi", 0x18, 2 << 4 | 2, 0, 77, 24)
    assert slots == first + second + encode_alone(asm.exit_())


@pytest.mark.parametrize(("before", "distance"), [(0, 2), (3, 2)])
def test_a_function_for_a_helper(before: int, distance: int) -> None:
    """The distance counts from the end of the first of the two slots, as in the kernel."""
    code = [*[asm.mov_imm(0, 0)] * before, asm.ld_func(2, 3), asm.exit_(), asm.label(3), asm.exit_()]
    slots, _ = encoding.encode(asm.pack(code))
    encoding.relocate(slots, ())
    assert slots[8 * before :][:16] == struct.pack("<BBhi8x", 0x18, 4 << 4 | 2, 0, distance)


def test_a_function_that_stands_before() -> None:
    code = [asm.label(3), asm.mov_imm(0, 0), asm.exit_(), asm.ld_func(2, 3), asm.exit_()]
    slots, _ = encoding.encode(asm.pack(code))
    assert slots[16:24] == struct.pack("<BBhi", 0x18, 4 << 4 | 2, 0, -3)


def test_kernel_functions() -> None:
    slots, _ = encoding.encode(asm.pack([asm.call_kfunc(1), asm.call(1), asm.call_kfunc(0), asm.exit_()]))
    encoding.relocate(slots, (), (4000, 1 << 20))
    first = struct.pack("<BBhi", 0x85, 2 << 4, 0, 1 << 20)
    assert slots == first + encode_alone(asm.call(1)) + struct.pack("<BBhi", 0x85, 2 << 4, 0, 4000) + slots[-8:]


@pytest.mark.parametrize("numbers", [(), (5,)])
def test_a_kernel_function_without_a_number(numbers: tuple[int, ...]) -> None:
    slots, _ = encoding.encode(asm.pack([asm.exit_(), asm.call_kfunc(1)]))
    with pytest.raises(encoding.EncodingError, match="kernel function that is not given") as caught:
        encoding.relocate(slots, (), numbers)
    assert (caught.value.index, caught.value.value) == (1, 1)


def test_a_number_that_looks_like_a_map_load_stays() -> None:
    slots, _ = encoding.encode(asm.pack([asm.mov_imm(1, 0x1118 << 32), asm.exit_()]))
    before = bytes(slots)
    encoding.relocate(slots, ())
    assert slots == before


@pytest.mark.parametrize(
    ("code", "index", "value", "what"),
    [
        ([asm.jump(5), asm.exit_()], 0, 5, "not defined"),
        ([asm.exit_(), asm.branch(Jump.JEQ, 1, 2, -3)], 1, -3, "not defined"),
        ([asm.jump(5), asm.exit_(), asm.label(5)], 0, 5, "behind the last"),
        ([asm.label(5), asm.exit_(), asm.label(4), asm.label(5)], 3, 5, "twice"),
        ([asm.mov(11, 0)], 0, 11, "no such register"),
        ([asm.exit_(), asm.mov(0, 15)], 1, 15, "no such register"),
        ([asm.alu_imm(Alu.ADD, 1, 1 << 31)], 0, 1 << 31, "32 bits"),
        ([asm.alu_imm(Alu.ADD, 1, -(1 << 31) - 1)], 0, -(1 << 31) - 1, "32 bits"),
        ([asm.branch_imm(Jump.JEQ, 1, 1 << 40, 0), asm.label(0), asm.exit_()], 0, 1 << 40, "32 bits"),
        ([asm.ld_map(1, -1)], 0, -1, "negative map"),
        ([Insn(Kind.LD_MAP_VALUE, 0x18, 1, imm=1 << 31)], 0, 1 << 31, "32 bits"),
        ([asm.exit_(), asm.ld_func(1, 4)], 1, 4, "not defined"),
        ([asm.call_kfunc(-1)], 0, -1, "negative number of a kernel function"),
        ([Insn(9)], 0, 9, "unknown kind"),
        ([Insn(Kind.PLAIN, 0x18, 1)], 0, 0x18, "one-slot"),
        ([Insn(Kind.CALL_LOCAL, ref=8)], 0, 8, "not defined"),
    ],
)
def test_what_cannot_be_encoded(code: list[Insn], index: int, value: int, what: str) -> None:
    with pytest.raises(encoding.EncodingError, match=what) as caught:
        encoding.encode(asm.pack(code))
    assert (caught.value.index, caught.value.value) == (index, value)


@pytest.mark.parametrize("fds", [(), (3,)])
def test_a_map_without_a_descriptor(fds: tuple[int, ...]) -> None:
    slots, _ = encoding.encode(asm.pack([asm.exit_(), asm.ld_map(1, 1)]))
    with pytest.raises(encoding.EncodingError, match="without a descriptor") as caught:
        encoding.relocate(slots, fds)
    assert (caught.value.index, caught.value.value) == (1, 1)


def test_an_empty_program() -> None:
    slots, slot_of = encoding.encode(b"")
    assert (len(slots), len(slot_of)) == (0, 0)
