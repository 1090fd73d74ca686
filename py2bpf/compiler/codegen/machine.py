"""Machine code before registers are assigned: instructions over virtual registers, in blocks.

Registers 0 to 10 are BPF's own, numbers from VIRTUAL up are virtual. Every instruction lists the registers that it
reads, writes and destroys; nothing else about it matters to the allocator.
"""

from __future__ import annotations

from typing import Final

from ...asm import SIZES, Alu, Class, Jump, Kind, Mode, Size, Source, constant_load
from ...exception import Span
from ..ir.values import Block, Function
from .exits import Exits

VIRTUAL: Final = 16
FRAME: Final = 10
CALLER_SAVED: Final = 0b111111
ALLOCATABLE: Final = 0b1111111111
"""r0 to r9, as a mask; r10 is the frame pointer, and nobody writes to it."""

LEA: Final = 100
"""A kind besides those of asm.Kind: dst = frame pointer + offset of the stack object ``slot`` + off."""


# Opcodes as plain numbers: looking up members of an enumeration costs more than all other work with them.
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
LOAD_SIGNED: Final = {size: Class.LDX | Mode.MEMSX | width for size, width in SIZES.items()}
STORE: Final = {size: Class.STX | Mode.MEM | width for size, width in SIZES.items()}
STORE_IMM: Final = {size: Class.ST | Mode.MEM | width for size, width in SIZES.items()}
ATOMIC: Final = {size: Class.STX | Mode.ATOMIC | width for size, width in SIZES.items()}
PACKET: Final = {size: Class.LD | Mode.ABS | width for size, width in SIZES.items()}
PACKET_AT: Final = {size: Class.LD | Mode.IND | width for size, width in SIZES.items()}
WIDE_IMM: Final = Class.LD | Mode.IMM | Size.DW
ALU_X: Final = {op: Class.ALU64 | op | Source.X for op in Alu}
ALU_K: Final = {op: Class.ALU64 | op | Source.K for op in Alu}
JUMP_X: Final = {op: Class.JMP | op | Source.X for op in Jump}
JUMP_K: Final = {op: Class.JMP | op | Source.K for op in Jump}
MOVE: Final = ALU_X[Alu.MOV]
MOVE_IMM: Final = ALU_K[Alu.MOV]
MOVE_IMM32: Final = Class.ALU | Alu.MOV | Source.K
ZERO_EXTEND: Final = Class.ALU | Alu.MOV | Source.X
NEGATE: Final = Class.ALU64 | Alu.NEG
TO_LITTLE: Final = Class.ALU | Alu.END | Source.K
TO_BIG: Final = Class.ALU | Alu.END | Source.X
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
        """Whether the instruction gives the same result anywhere and reads no register."""
        return (not self.reads and self.kind in (LD64, LD_MAP, LD_MAP_VALUE, LEA)) or (
            self.code in (MOVE_IMM, MOVE_IMM32) and self.kind == PLAIN and not self.reads
        )


class MachineBlock:
    """The code of one basic block; afterwards control goes to ``next`` (a block or local label; None after an exit)."""

    __slots__ = ("code", "depth", "label", "next", "succs")

    def __init__(self, label: Block, depth: int, succs: tuple[Block, ...] = ()) -> None:
        self.label = label
        self.depth = depth
        self.code: list[Machine] = []
        self.next: Block | int | None = None
        self.succs = succs


class MachineFunction:
    """The code of one function. Selection makes it, register allocation rewrites it, emission reads it. ``registers``
    is the number after the last virtual register."""

    def __init__(self, fn: Function, exits: Exits) -> None:
        self.fn = fn
        self.exits = exits
        self.blocks: list[MachineBlock] = []
        self.registers = VIRTUAL

    def fresh(self) -> int:
        """A new virtual register."""
        self.registers += 1
        return self.registers - 1


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


def negate(dst: int) -> Machine:
    return Machine(PLAIN, NEGATE, dst, reads=(dst,), writes=(dst,))


def to_order(dst: int, bits: int, big: bool) -> Machine:
    """dst = its low ``bits`` bits, between the host's order of bytes and big (or little) endian."""
    return Machine(PLAIN, TO_BIG if big else TO_LITTLE, dst, imm=bits, reads=(dst,), writes=(dst,))


def zero_extend(dst: int, src: int) -> Machine:
    """dst = the low 32 bits of src."""
    return Machine(PLAIN, ZERO_EXTEND, dst, src, reads=(src,), writes=(dst,))


def overwriting(instruction: Machine) -> Machine:
    """The instruction as one that a jump may skip: the old contents of its register stay alive until then."""
    instruction.reads += (instruction.dst,)
    return instruction


def ld_map(dst: int, number: int) -> Machine:
    """dst = the program's map of that number."""
    return Machine(LD_MAP, WIDE_IMM, dst, ref=number, writes=(dst,))


def ld_map_value(dst: int, number: int) -> Machine:
    """dst = the address of the first value of the program's array map of that number."""
    return Machine(LD_MAP_VALUE, WIDE_IMM, dst, ref=number, writes=(dst,))


def ld_func(dst: int, number: int) -> Machine:
    """dst = the program's subprogram of that number, to be called back."""
    return Machine(LD_FUNC, WIDE_IMM, dst, ref=number, writes=(dst,))


def frame_address(dst: int, slot: int, offset: int) -> Machine:
    """dst = the address of a byte of a stack object."""
    return Machine(LEA, 0, dst, off=offset, slot=slot, writes=(dst,))


def load(size: int, dst: int, base: int, offset: int, slot: int | None = None) -> Machine:
    """dst = size bytes, zero-extended."""
    return Machine(PLAIN, LOAD[size], dst, base, offset, reads=(base,), writes=(dst,), slot=slot)


def load_signed(size: int, dst: int, base: int, offset: int, slot: int | None = None) -> Machine:
    """dst = size bytes, sign-extended."""
    return Machine(PLAIN, LOAD_SIGNED[size], dst, base, offset, reads=(base,), writes=(dst,), slot=slot)


def store(size: int, src: int, base: int, offset: int, slot: int | None = None) -> Machine:
    """size bytes = src."""
    return Machine(PLAIN, STORE[size], base, src, offset, reads=(base, src), slot=slot)


def store_imm(size: int, number: int, base: int, offset: int, slot: int | None = None) -> Machine:
    """size bytes = number, sign-extended from 32 bits."""
    return Machine(PLAIN, STORE_IMM[size], base, 0, offset, number, reads=(base,), slot=slot)


def atomic(size: int, op: Alu, src: int, base: int, offset: int, slot: int | None = None) -> Machine:
    """size bytes op= src, at once for all CPUs."""
    return Machine(PLAIN, ATOMIC[size], base, src, offset, op, reads=(base, src), slot=slot)


def packet_load(size: int, offset: int, index: int | None = None) -> Machine:
    """r0 = size bytes of the packet (context in r6) at index register + offset, in host order."""
    if index is None:
        return Machine(PLAIN, PACKET[size], imm=offset, reads=(6,), writes=(0,), clobbers=CALLER_SAVED)
    return Machine(PLAIN, PACKET_AT[size], 0, index, imm=offset, reads=(6, index), writes=(0,), clobbers=CALLER_SAVED)


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
