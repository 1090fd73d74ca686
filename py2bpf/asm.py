"""Symbolic BPF instructions, which codegen makes and the C core encodes.

The values are those of the instruction set architecture, RFC 9669 and Documentation/bpf/standardization.
An instruction is plain data. A jump names a label, and a map load an index into the program's maps.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from .exception import LimitExceeded, Span


class Class(IntEnum):
    """Instruction classes: the low three bits of an opcode."""

    LD = 0
    LDX = 1
    ST = 2
    STX = 3
    ALU = 4
    JMP = 5
    JMP32 = 6
    ALU64 = 7


class Size(IntEnum):
    """Width of a memory access: bits 3-4 of a load or store."""

    W = 0x00
    H = 0x08
    B = 0x10
    DW = 0x18


class Mode(IntEnum):
    """How a load or store addresses memory: bits 5-7."""

    IMM = 0x00
    ABS = 0x20
    IND = 0x40
    MEM = 0x60
    MEMSX = 0x80
    ATOMIC = 0xC0


class Alu(IntEnum):
    """Arithmetic operations: bits 4-7 of an ALU opcode."""

    ADD = 0x00
    SUB = 0x10
    MUL = 0x20
    DIV = 0x30
    OR = 0x40
    AND = 0x50
    LSH = 0x60
    RSH = 0x70
    NEG = 0x80
    MOD = 0x90
    XOR = 0xA0
    MOV = 0xB0
    ARSH = 0xC0
    END = 0xD0


class Jump(IntEnum):
    """Jump operations: bits 4-7 of a JMP opcode."""

    JA = 0x00
    JEQ = 0x10
    JGT = 0x20
    JGE = 0x30
    JSET = 0x40
    JNE = 0x50
    JSGT = 0x60
    JSGE = 0x70
    CALL = 0x80
    EXIT = 0x90
    JLT = 0xA0
    JLE = 0xB0
    JSLT = 0xC0
    JSLE = 0xD0


OPPOSITE: Final = {
    Jump.JEQ: Jump.JNE, Jump.JNE: Jump.JEQ, Jump.JGT: Jump.JLE, Jump.JLE: Jump.JGT, Jump.JGE: Jump.JLT,
    Jump.JLT: Jump.JGE, Jump.JSGT: Jump.JSLE, Jump.JSLE: Jump.JSGT, Jump.JSGE: Jump.JSLT, Jump.JSLT: Jump.JSGE,
}  # fmt: skip
"""The jump on the opposite condition; JSET has none."""


class Source(IntEnum):
    """Second operand of an ALU or JMP instruction: bit 3."""

    K = 0x00
    X = 0x08


class Kind(IntEnum):
    """The kind of a symbolic instruction; mirrors ``enum p2b_kind`` of csrc/api.h."""

    PLAIN = 0  # encoded as it stands
    LABEL = 1  # no code: defines label ``ref``
    JUMP = 2  # offset to label ``ref``
    LD64 = 3  # two slots: dst = the 64-bit imm
    LD_MAP = 4  # two slots: dst = map number ``ref``
    LD_MAP_VALUE = 5  # two slots: dst = address ``imm`` bytes into the value of array map ``ref``
    CALL_LOCAL = 6  # call of the subprogram at label ``ref``
    LD_FUNC = 7  # two slots: dst = the subprogram at label ``ref``, for helpers that call it back
    CALL_KFUNC = 8  # call of kernel function number ``ref``


FRAME: Final = 10
"""r10, the read-only frame pointer."""

SIZES: Final = {1: Size.B, 2: Size.H, 4: Size.W, 8: Size.DW}


class Insn(NamedTuple):
    """One symbolic instruction."""

    kind: int
    code: int = 0
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0
    ref: int = 0


_WIRE: Final = struct.Struct("<BBBBhHiIq")
_MASK: Final = (1 << 64) - 1


def pack(code: Iterable[Insn]) -> bytes:
    """The instructions as an array of ``struct p2b_sym`` (csrc/api.h), 24 bytes each."""
    wire = _WIRE.pack
    return b"".join(
        [
            wire(kind, op, dst, src, off, 0, ref, 0, imm if -(1 << 63) <= imm < 1 << 63 else _signed(imm))
            for kind, op, dst, src, off, imm, ref in code
        ]
    )


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def fits(number: int) -> bool:
    """Whether the number can be an immediate operand: 32 bits, sign-extended."""
    return -(1 << 31) <= number < 1 << 31


_PLAIN: Final = int(Kind.PLAIN)
_LD64: Final = int(Kind.LD64)
_MOVE_IMM: Final = Class.ALU64 | Alu.MOV | Source.K
_MOVE_IMM32: Final = Class.ALU | Alu.MOV | Source.K
_WIDE_IMM: Final = Class.LD | Mode.IMM | Size.DW


# Constructors, in the order of the architecture's chapters. ``wide`` picks 64-bit over 32-bit arithmetic.


def alu(op: Alu, dst: int, src: int, wide: bool = True) -> Insn:
    """dst = dst op src."""
    return Insn(Kind.PLAIN, (Class.ALU64 if wide else Class.ALU) | op | Source.X, dst, src)


def alu_imm(op: Alu, dst: int, imm: int, wide: bool = True) -> Insn:
    """dst = dst op imm, imm a sign-extended 32-bit number."""
    return Insn(Kind.PLAIN, (Class.ALU64 if wide else Class.ALU) | op | Source.K, dst, 0, 0, imm)


def mov(dst: int, src: int, wide: bool = True) -> Insn:
    """dst = src."""
    return alu(Alu.MOV, dst, src, wide)


def constant_load(number: int) -> tuple[int, int, int]:
    """(kind, opcode, immediate) of the shortest instruction that loads a 64-bit number: one slot if 32 bits, sign- or
    zero-extended, give the number, else two."""
    if fits(number):
        return _PLAIN, _MOVE_IMM, number
    if 0 <= number < 1 << 32:
        return _PLAIN, _MOVE_IMM32, number - (1 << 32)
    return _LD64, _WIDE_IMM, number


def mov_imm(dst: int, imm: int) -> Insn:
    """dst = imm."""
    kind, code, immediate = constant_load(imm)
    return Insn(kind, code, dst, 0, 0, immediate)


def neg(dst: int) -> Insn:
    """dst = -dst."""
    return Insn(Kind.PLAIN, Class.ALU64 | Alu.NEG, dst)


def bswap(dst: int, bits: int, big: bool) -> Insn:
    """dst = its low ``bits`` bits converted between the host's and big (or little) endian order."""
    return Insn(Kind.PLAIN, Class.ALU | Alu.END | (Source.X if big else Source.K), dst, 0, 0, bits)


def load(size: int, dst: int, base: int, off: int) -> Insn:
    """dst = size bytes at base + off, zero-extended."""
    return Insn(Kind.PLAIN, Class.LDX | Mode.MEM | SIZES[size], dst, base, off)


def store(size: int, base: int, off: int, src: int) -> Insn:
    """size bytes at base + off = src."""
    return Insn(Kind.PLAIN, Class.STX | Mode.MEM | SIZES[size], base, src, off)


def store_imm(size: int, base: int, off: int, imm: int) -> Insn:
    """size bytes at base + off = imm, a sign-extended 32-bit number."""
    return Insn(Kind.PLAIN, Class.ST | Mode.MEM | SIZES[size], base, 0, off, imm)


def atomic(size: int, op: int, base: int, off: int, src: int) -> Insn:
    """An atomic op (an Alu bit field, with FETCH or XCHG or CMPXCHG) on size (4 or 8) bytes at base + off."""
    return Insn(Kind.PLAIN, Class.STX | Mode.ATOMIC | SIZES[size], base, src, off, op)


def load_acquire(size: int, dst: int, base: int, off: int) -> Insn:
    """dst = size bytes at base + off, zero-extended; all CPUs see the program's later accesses happen afterwards."""
    return Insn(Kind.PLAIN, Class.STX | Mode.ATOMIC | SIZES[size], dst, base, off, LOAD_ACQUIRE)


def store_release(size: int, base: int, off: int, src: int) -> Insn:
    """size bytes at base + off = src; all CPUs see the program's earlier accesses happen before."""
    return Insn(Kind.PLAIN, Class.STX | Mode.ATOMIC | SIZES[size], base, src, off, STORE_RELEASE)


def addr_space_cast(dst: int, src: int, to: int, origin: int) -> Insn:
    """dst = src, a pointer into address space ``origin``, cast to one into ``to``: 1 is the arena, 0 any other."""
    return Insn(Kind.PLAIN, Class.ALU64 | Alu.MOV | Source.X, dst, src, ADDR_SPACE_CAST, to << 16 | origin)


def packet_load(size: int, off: int, index: int | None = None) -> Insn:
    """r0 = size bytes of the packet (context in r6) at index register + off, in host order."""
    mode = Mode.ABS if index is None else Mode.IND
    return Insn(Kind.PLAIN, Class.LD | mode | SIZES[size], 0, index or 0, 0, off)


def ld_map(dst: int, number: int) -> Insn:
    """dst = the program's map of that number."""
    return Insn(Kind.LD_MAP, Class.LD | Mode.IMM | Size.DW, dst, 0, 0, 0, number)


def jump(label: int) -> Insn:
    """goto label."""
    return Insn(Kind.JUMP, Class.JMP | Jump.JA, 0, 0, 0, 0, label)


def branch(op: Jump, dst: int, src: int, label: int, wide: bool = True) -> Insn:
    """if dst op src goto label."""
    return Insn(Kind.JUMP, (Class.JMP if wide else Class.JMP32) | op | Source.X, dst, src, 0, 0, label)


def branch_imm(op: Jump, dst: int, imm: int, label: int, wide: bool = True) -> Insn:
    """if dst op imm goto label."""
    return Insn(Kind.JUMP, (Class.JMP if wide else Class.JMP32) | op | Source.K, dst, 0, 0, imm, label)


def may_goto(label: int) -> Insn:
    """Falls through, but jumps to the label after 2**23 times in one call of the function, or after 250 ms."""
    return Insn(Kind.JUMP, MAY_GOTO, 0, 0, 0, 0, label)


def label(number: int) -> Insn:
    """Defines a label."""
    return Insn(Kind.LABEL, 0, 0, 0, 0, 0, number)


def call(helper: int) -> Insn:
    """r0 = helper(r1 ... r5)."""
    return Insn(Kind.PLAIN, Class.JMP | Jump.CALL, 0, 0, 0, helper)


def call_local(number: int) -> Insn:
    """r0 = the subprogram at a label (r1 ... r5)."""
    return Insn(Kind.CALL_LOCAL, Class.JMP | Jump.CALL, 0, 0, 0, 0, number)


def ld_func(dst: int, number: int) -> Insn:
    """dst = the subprogram at a label, to be called back."""
    return Insn(Kind.LD_FUNC, Class.LD | Mode.IMM | Size.DW, dst, 0, 0, 0, number)


def call_kfunc(number: int) -> Insn:
    """r0 = kernel function of that number (r1 ... r5)."""
    return Insn(Kind.CALL_KFUNC, Class.JMP | Jump.CALL, 0, 0, 0, 0, number)


def ld_map_value(dst: int, number: int, offset: int) -> Insn:
    """dst = the address of byte ``offset`` of the first value of the program's array map of that number."""
    return Insn(Kind.LD_MAP_VALUE, Class.LD | Mode.IMM | Size.DW, dst, 0, 0, offset, number)


def exit_() -> Insn:
    """Return r0."""
    return Insn(Kind.PLAIN, Class.JMP | Jump.EXIT)


FETCH: Final = 0x01
XCHG: Final = 0xE1
CMPXCHG: Final = 0xF1
LOAD_ACQUIRE: Final = 0x100
STORE_RELEASE: Final = 0x110
"""The operations of atomic instructions, in their immediates. FETCH is a bit, the others are whole immediates."""

ADDR_SPACE_CAST: Final = 1
"""The offset that makes a move of registers a cast between address spaces."""

MAY_GOTO: Final = Class.JMP | 0xE0
"""The opcode of may_goto, whose condition only the kernel knows."""


FARTHEST: Final = 32767
"""How many instructions a conditional jump can span: its distance has 16 bits."""


def out_of_reach(distance: int, span: Span | None) -> LimitExceeded:
    """The error for a conditional jump that spans more than FARTHEST instructions."""
    return LimitExceeded(
        span.line if span else 0,
        f"the code between this branch and where it goes is too long ({distance} instructions, 32767 at most)",
        span=span,
        hints=("unroll less: use a loop over a run-time range", "move some of the code to another program"),
    )
