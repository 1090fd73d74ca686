"""Symbolic instructions as text, in the style of the kernel's verifier and LLVM.

``r1`` is a whole register and ``w1`` its low 32 bits: ``r0 += 5``, ``w0 += 5``, ``r2 = *(u32 *)(r10 - 4)``,
``if r1 == 3 goto L4``, ``r1 = map 0 ll``, ``call get_smp_processor_id``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .asm import (
    ADDR_SPACE_CAST,
    CMPXCHG,
    FETCH,
    LOAD_ACQUIRE,
    MAY_GOTO,
    STORE_RELEASE,
    XCHG,
    Alu,
    Class,
    Insn,
    Jump,
    Kind,
    Mode,
    Size,
    Source,
)
from .uapi.helpers import HELPERS

_TYPE: Final = {Size.B: "u8", Size.H: "u16", Size.W: "u32", Size.DW: "u64"}
_SIGNED_TYPE: Final = {Size.B: "s8", Size.H: "s16", Size.W: "s32"}

_ALU: Final = {
    Alu.ADD: "+=",
    Alu.SUB: "-=",
    Alu.MUL: "*=",
    Alu.DIV: "/=",
    Alu.OR: "|=",
    Alu.AND: "&=",
    Alu.LSH: "<<=",
    Alu.RSH: ">>=",
    Alu.MOD: "%=",
    Alu.XOR: "^=",
    Alu.MOV: "=",
    Alu.ARSH: "s>>=",
}
_JUMP: Final = {
    Jump.JEQ: "==",
    Jump.JGT: ">",
    Jump.JGE: ">=",
    Jump.JSET: "&",
    Jump.JNE: "!=",
    Jump.JSGT: "s>",
    Jump.JSGE: "s>=",
    Jump.JLT: "<",
    Jump.JLE: "<=",
    Jump.JSLT: "s<",
    Jump.JSLE: "s<=",
}
_ATOMIC: Final = {Alu.ADD: "add", Alu.AND: "and", Alu.OR: "or", Alu.XOR: "xor"}
_HELPER_NAMES: Final = {helper.id: helper.name for helper in HELPERS.values()}
_PSEUDO_CALL: Final = 1
_PSEUDO_KFUNC_CALL: Final = 2


def text(insn: Insn) -> str:
    """One instruction on one line. An invalid instruction is shown as its fields, after ``invalid``."""
    kind = insn.kind
    if kind == Kind.LABEL:
        return f"L{insn.ref}:"
    if kind == Kind.LD64:
        return f"r{insn.dst} = {insn.imm} ll"
    if kind == Kind.LD_MAP:
        return f"r{insn.dst} = map {insn.ref} ll"
    if kind == Kind.LD_MAP_VALUE:
        return f"r{insn.dst} = map {insn.ref} value {_signed(insn.imm)} ll"
    if kind == Kind.CALL_LOCAL:
        return f"call L{insn.ref}"
    if kind == Kind.LD_FUNC:
        return f"r{insn.dst} = function L{insn.ref} ll"
    if kind == Kind.CALL_KFUNC:
        return f"call kfunc {insn.ref}"
    try:
        return _BY_CLASS[Class(insn.code & 7)](insn)
    except (KeyError, ValueError):
        return (
            f"invalid code {insn.code:#04x} dst {insn.dst} src {insn.src} off {insn.off} imm {insn.imm} ref {insn.ref}"
        )


class Shown(Insn):
    """An instruction of a compiled program: its str() is its text."""

    __slots__ = ()

    def __str__(self) -> str:
        return text(self)


def listing(code: Iterable[Insn]) -> str:
    """A program, one line an instruction, labels at the margin."""
    return "".join(f"{'' if insn.kind == Kind.LABEL else '    '}{text(insn)}\n" for insn in code)


def _signed(number: int) -> str:
    """``+ 4`` or ``- 4``."""
    return f"- {-number}" if number < 0 else f"+ {number}"


def _memory(insn: Insn, base: int) -> str:
    return f"*({_TYPE[Size(insn.code & 0x18)]} *)(r{base} {_signed(insn.off)})"


def _mode(insn: Insn) -> int:
    return insn.code & 0xE0


def _alu(insn: Insn) -> str:
    wide = insn.code & 7 == Class.ALU64
    letter = "r" if wide else "w"
    op = Alu(insn.code & 0xF0)
    dst = f"{letter}{insn.dst}"
    if op is Alu.NEG:
        return f"{dst} = -{dst}"
    if op is Alu.END:
        order = "bswap" if wide else "be" if insn.code & Source.X else "le"
        return f"r{insn.dst} = {order}{insn.imm} r{insn.dst}"
    if not insn.code & Source.X:
        return f"{dst} {_signed_op(op, insn.off)} {insn.imm}"
    if op is Alu.MOV and wide and insn.off == ADDR_SPACE_CAST:
        return f"{dst} = addr_space_cast({letter}{insn.src}, {insn.imm >> 16}, {insn.imm & 0xFFFF})"
    if op is Alu.MOV and insn.off:
        return f"{dst} = (s{insn.off}){letter}{insn.src}"
    return f"{dst} {_signed_op(op, insn.off)} {letter}{insn.src}"


def _signed_op(op: Alu, off: int) -> str:
    """Signed division and remainder (ISA v4) have offset 1."""
    return ("s" if off == 1 and op in (Alu.DIV, Alu.MOD) else "") + _ALU[op]


def _goal(insn: Insn, distance: int) -> str:
    return f"L{insn.ref}" if insn.kind == Kind.JUMP else f"{distance:+}"


def _jump(insn: Insn) -> str:
    if insn.code == MAY_GOTO:
        return f"may_goto {_goal(insn, insn.off)}"
    narrow = insn.code & 7 == Class.JMP32
    op = Jump(insn.code & 0xF0)
    if op is Jump.JA:
        return f"gotol {_goal(insn, insn.imm)}" if narrow else f"goto {_goal(insn, insn.off)}"
    if op is Jump.EXIT:
        return "exit"
    if op is Jump.CALL:
        return _call(insn)
    letter = "w" if narrow else "r"
    other = f"{letter}{insn.src}" if insn.code & Source.X else str(insn.imm)
    return f"if {letter}{insn.dst} {_JUMP[op]} {other} goto {_goal(insn, insn.off)}"


def _call(insn: Insn) -> str:
    if insn.src == _PSEUDO_CALL:
        return f"call pc{insn.imm:+}"
    if insn.src == _PSEUDO_KFUNC_CALL:
        return f"call kfunc {insn.imm}"
    return f"call {_HELPER_NAMES.get(insn.imm, insn.imm)}"


def _load(insn: Insn) -> str:
    if _mode(insn) == Mode.MEMSX:
        return f"r{insn.dst} = *({_SIGNED_TYPE[Size(insn.code & 0x18)]} *)(r{insn.src} {_signed(insn.off)})"
    return f"r{insn.dst} = {_checked(insn, Mode.MEM, _memory(insn, insn.src))}"


def _checked(insn: Insn, mode: Mode, shown: str) -> str:
    if _mode(insn) != mode:
        raise ValueError(insn.code)
    return shown


def _packet(insn: Insn) -> str:
    size = _TYPE[Size(insn.code & 0x18)]
    if _mode(insn) == Mode.IND:
        return f"r0 = *({size} *)skb[r{insn.src} {_signed(insn.imm)}]"
    return _checked(insn, Mode.ABS, f"r0 = *({size} *)skb[{insn.imm}]")


def _store_imm(insn: Insn) -> str:
    return _checked(insn, Mode.MEM, f"{_memory(insn, insn.dst)} = {insn.imm}")


def _store(insn: Insn) -> str:
    if _mode(insn) == Mode.ATOMIC:
        return _atomic(insn)
    return _checked(insn, Mode.MEM, f"{_memory(insn, insn.dst)} = r{insn.src}")


def _ordered(insn: Insn) -> str:
    """An acquiring load or a releasing store, of any size."""
    size = Size(insn.code & 0x18)
    letter = "r" if size is Size.DW else "w"
    base, value = (insn.src, insn.dst) if insn.imm == LOAD_ACQUIRE else (insn.dst, insn.src)
    place = f"({_TYPE[size]} *)(r{base} {_signed(insn.off)})"
    if insn.imm == LOAD_ACQUIRE:
        return f"{letter}{value} = load_acquire({place})"
    return f"store_release({place}, {letter}{value})"


def _atomic(insn: Insn) -> str:
    if insn.imm in (LOAD_ACQUIRE, STORE_RELEASE):
        return _ordered(insn)
    narrow = Size(insn.code & 0x18) is Size.W
    letter, bits = ("w", 32) if narrow else ("r", 64)
    place, value = f"r{insn.dst} {_signed(insn.off)}", f"{letter}{insn.src}"
    if insn.imm == XCHG:
        return f"{value} = xchg_{bits}({place}, {value})"
    if insn.imm == CMPXCHG:
        return f"{letter}0 = cmpxchg_{bits}({place}, {letter}0, {value})"
    op = Alu(insn.imm & ~FETCH)
    name = _ATOMIC[op]
    if insn.imm & FETCH:
        return f"{value} = atomic_fetch_{name}((u{bits} *)({place}), {value})"
    return f"lock {_memory(insn, insn.dst)} {_ALU[op]} {value}"


_BY_CLASS: Final = {
    Class.LD: _packet,
    Class.LDX: _load,
    Class.ST: _store_imm,
    Class.STX: _store,
    Class.ALU: _alu,
    Class.JMP: _jump,
    Class.JMP32: _jump,
    Class.ALU64: _alu,
}
