"""Machine code before registers are assigned: instructions over virtual registers, in blocks.

Registers 0 to 10 are BPF's own, numbers from VIRTUAL up are virtual. Every instruction says what it reads,
writes and destroys; nothing else about it matters to the allocator.
"""

from __future__ import annotations

from typing import Final

from ...asm import SIZES, Alu, Class, Jump, Kind, Mode, Size, Source, constant_load
from ...exception import Span
from ..ir.values import Block

VIRTUAL: Final = 16
FRAME: Final = 10
CALLER_SAVED: Final = 0b111111

LEA: Final = 100
"""A kind beside asm.Kind: dst = frame pointer + offset of the stack object ``slot`` + off."""


# Opcodes as plain numbers: looking members of an enumeration up costs more than all else that is done with them.
PLAIN: Final = int(Kind.PLAIN)
LABEL: Final = int(Kind.LABEL)
JUMP: Final = int(Kind.JUMP)
LD64: Final = int(Kind.LD64)
LD_MAP: Final = int(Kind.LD_MAP)
LOCAL: Final = int(Kind.CALL_LOCAL)
LD_MAP_VALUE: Final = int(Kind.LD_MAP_VALUE)
LD_FUNC: Final = int(Kind.LD_FUNC)
KFUNC: Final = int(Kind.CALL_KFUNC)
LOAD: Final = {size: Class.LDX | Mode.MEM | width for size, width in SIZES.items()}
STORE: Final = {size: Class.STX | Mode.MEM | width for size, width in SIZES.items()}
STORE_IMM: Final = {size: Class.ST | Mode.MEM | width for size, width in SIZES.items()}
ATOMIC: Final = {size: Class.STX | Mode.ATOMIC | width for size, width in SIZES.items()}
WIDE_IMM: Final = Class.LD | Mode.IMM | Size.DW
ALU_X: Final = {op: Class.ALU64 | op | Source.X for op in Alu}
ALU_K: Final = {op: Class.ALU64 | op | Source.K for op in Alu}
JUMP_X: Final = {op: Class.JMP | op | Source.X for op in Jump}
JUMP_K: Final = {op: Class.JMP | op | Source.K for op in Jump}
MOVE: Final = ALU_X[Alu.MOV]
MOVE_IMM: Final = ALU_K[Alu.MOV]
MOVE_IMM32: Final = Class.ALU | Alu.MOV | Source.K
ZERO_EXTEND: Final = Class.ALU | Alu.MOV | Source.X
EXIT: Final = JUMP_K[Jump.EXIT]
CALL: Final = JUMP_K[Jump.CALL]


class Machine:
    """One instruction. ``target`` is the block a jump leads to, or a local label's number; ``slot`` the stack
    object that ``off`` is relative to."""

    __slots__ = (
        "clobbers",
        "code",
        "dst",
        "imm",
        "kind",
        "off",
        "reads",
        "ref",
        "slot",
        "span",
        "src",
        "target",
        "writes",
    )

    def __init__(
        self, kind: int, code: int = 0, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0, ref: int = 0,
        reads: tuple[int, ...] = (), writes: tuple[int, ...] = (), clobbers: int = 0,
        target: Block | int | None = None, slot: int | None = None,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.code = code
        self.dst = dst
        self.src = src
        self.off = off
        self.imm = imm
        self.ref = ref
        self.reads = reads
        self.writes = writes
        self.clobbers = clobbers
        self.target = target
        self.slot = slot
        self.span: Span | None = None

    @property
    def is_move(self) -> bool:
        return self.code == MOVE and self.kind == PLAIN

    def rematerialises(self) -> bool:
        """Whether doing it again elsewhere gives the same and needs no register."""
        return (not self.reads and self.kind in (LD64, LD_MAP, LD_MAP_VALUE, LEA)) or (
            self.code in (MOVE_IMM, MOVE_IMM32) and self.kind == PLAIN and not self.reads
        )


class MachineBlock:
    """The code of one basic block; afterwards control goes to ``next`` (a local label; None after an exit)."""

    __slots__ = ("code", "depth", "label", "next", "succs")

    def __init__(self, label: Block | None, depth: int) -> None:
        self.label = label
        self.depth = depth
        self.code: list[Machine] = []
        self.next: Block | int | None = None
        self.succs: list[Block] = []


def move(dst: int, src: int) -> Machine:
    return Machine(PLAIN, MOVE, dst, src, reads=(src,), writes=(dst,))


def mov_imm(dst: int, number: int) -> Machine:
    """dst = any 64-bit number."""
    kind, code, imm = constant_load(number)
    return Machine(kind, code, dst, imm=imm, writes=(dst,))


def alu(op: Alu, dst: int, src: int) -> Machine:
    return Machine(PLAIN, ALU_X[op], dst, src, reads=(dst, src), writes=(dst,))


def alu_imm(op: Alu, dst: int, imm: int) -> Machine:
    return Machine(PLAIN, ALU_K[op], dst, imm=imm, reads=(dst,), writes=(dst,))


def zero_extend(dst: int, src: int) -> Machine:
    """dst = the low 32 bits of src."""
    return Machine(PLAIN, ZERO_EXTEND, dst, src, reads=(src,), writes=(dst,))


def branch(op: Jump, dst: int, src: int, target: Block | int) -> Machine:
    return Machine(JUMP, JUMP_X[op], dst, src, reads=(dst, src), target=target)


def branch_imm(op: Jump, dst: int, imm: int, target: Block | int) -> Machine:
    return Machine(JUMP, JUMP_K[op], dst, imm=imm, reads=(dst,), target=target)


def label(number: int) -> Machine:
    return Machine(LABEL, target=number)


def exit_() -> Machine:
    return Machine(PLAIN, EXIT, reads=(0,))


def call_kfunc(number: int, args: int) -> Machine:
    """A call of the program's kernel function of that number."""
    return Machine(KFUNC, CALL, ref=number, reads=tuple(range(1, 1 + args)), writes=(0,), clobbers=CALLER_SAVED)


def call_local(number: int, args: int) -> Machine:
    """A call of the program's subprogram of that number."""
    return Machine(LOCAL, CALL, ref=number, reads=tuple(range(1, 1 + args)), writes=(0,), clobbers=CALLER_SAVED)


def call(helper: int, args: int) -> Machine:
    reads = tuple(range(1, 1 + args))
    return Machine(PLAIN, CALL, imm=helper, reads=reads, writes=(0,), clobbers=CALLER_SAVED)
