"""Arithmetic on registers: one BPF operation each, in place, so usually after a move.

The operations that hide a number from the verifier (``hide``) or let it remember one (``held``) are here too.
"""

from __future__ import annotations

from typing import Final

from ....asm import Alu, fits
from ...ir.fold import signed
from ...ir.ops import INFO, Op
from ...ir.values import Value
from .. import machine as m
from ..patterns import immediate
from ..selector import Rule, Selector

ALU: Final = {
    Op.ADD: Alu.ADD, Op.SUB: Alu.SUB, Op.MUL: Alu.MUL, Op.AND: Alu.AND, Op.OR: Alu.OR, Op.XOR: Alu.XOR,
    Op.UDIV: Alu.DIV, Op.UMOD: Alu.MOD, Op.SHL: Alu.LSH, Op.LSHR: Alu.RSH, Op.ASHR: Alu.ARSH,
}  # fmt: skip
_LOW_HALF: Final = 0xFFFFFFFF


def steering(s: Selector, value: Value) -> bool:
    """and x, y  ->  nothing   (only branches use it, and take it apart)"""
    return not s.uses.needs_register(value)


def low_half(s: Selector, value: Value) -> bool:
    """and x, #4294967295  ->  wd = wx   (no immediate operand, but what 32-bit moves do)"""
    left, right = _operands(s, value)
    if right.op is not Op.CONST or right.attr != _LOW_HALF:
        return False
    dst = s.define(value)
    s.put(m.zero_extend(dst, s.reg(left)))
    return True


def subtract_immediate(s: Selector, value: Value) -> bool:
    """sub x, #i  ->  rd = rx; rd += #j   (j is -i)"""
    number = immediate(value.args[1])
    return number is not None and fits(-number) and _with_immediate(s, value, value.args[0], Alu.ADD, -number)


def shift_immediate(s: Selector, value: Value) -> bool:
    """shl x, #i  ->  rd = rx; rd <<= #j   (j is i mod 64, as of a register's: the kernel refuses others)"""
    number = immediate(value.args[1])
    return number is not None and _with_immediate(s, value, value.args[0], ALU[value.op], number & 63)


def divide_immediate(s: Selector, value: Value) -> bool:
    """udiv x, #i  ->  rd = rx; rd /= #i   (i is not negative: the operand would be a large unsigned number)"""
    number = immediate(value.args[1])
    return (
        number is not None and number >= 0 and _with_immediate(s, value, value.args[0], ALU[value.op], number)
    )


def with_immediate(s: Selector, value: Value) -> bool:
    """add x, #i  ->  rd = rx; rd += #i   (i fits 32 bits)"""
    left, right = _operands(s, value)
    number = immediate(right)
    return number is not None and _with_immediate(s, value, left, ALU[value.op], number)


def with_register(s: Selector, value: Value) -> bool:
    """add x, y  ->  rd = rx; rd += ry"""
    left, right = _operands(s, value)
    dst, second = s.define(value), s.reg(right)
    s.into(dst, left)
    s.put(m.alu(ALU[value.op], dst, second))
    return True


def negative(s: Selector, value: Value) -> bool:
    """neg x  ->  rd = rx; rd = -rd"""
    dst = s.define(value)
    s.into(dst, value.args[0])
    s.put(m.negate(dst))
    return True


def swap(s: Selector, value: Value) -> bool:
    """bswap x, bytes=4  ->  rd = rx; rd = be32 rd   (le32 where the processor has the high byte first)"""
    dst = s.define(value)
    s.into(dst, value.args[0])
    s.put(m.to_order(dst, bits=8 * value.attr, big=s.isa.little_endian))
    return True


def cast(s: Selector, value: Value) -> bool:
    """cast x  ->  nothing   (the same register)"""
    return True


def held(s: Selector, value: Value) -> bool:
    """held #i  ->  rd = #i   (in a register of its own)"""
    s.put(m.mov_imm(s.define(value), signed(value.args[0].attr)))
    return True


def hide(s: Selector, value: Value) -> bool:
    """hide x, y  ->  rd = rx; rd += ry   (y is 0; the verifier would see through a constant)"""
    number, zero = value.args
    dst, second = s.define(value), s.reg(zero)
    s.into(dst, number)
    s.put(m.alu(Alu.ADD, dst, second))
    return True


def _with_immediate(s: Selector, value: Value, left: Value, op: Alu, number: int) -> bool:
    dst = s.define(value)
    s.into(dst, left)
    s.put(m.alu_imm(op, dst, number))
    return True


def _operands(s: Selector, value: Value) -> tuple[Value, Value]:
    """The operands in the better order: a constant second, and an operand that may be overwritten first."""
    left, right = value.args
    if INFO[value.op].commutative and (left.op is Op.CONST or s.uses.only_right_dies(left, right)):
        return right, left
    return left, right


# A constant that is an immediate operand would fit the rules for registers too, which take one more instruction. Rules
# that need no instruction at all come first.
RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    **dict.fromkeys((Op.ADD, Op.MUL, Op.XOR), (with_immediate, with_register)),
    Op.SUB: (subtract_immediate, with_immediate, with_register),  # an immediate -2**31 has no negative of 32 bits
    Op.AND: (steering, low_half, with_immediate, with_register),
    Op.OR: (steering, with_immediate, with_register),
    **dict.fromkeys((Op.UDIV, Op.UMOD), (divide_immediate, with_register)),
    **dict.fromkeys((Op.SHL, Op.LSHR, Op.ASHR), (shift_immediate, with_register)),
    Op.NEG: (negative,),
    Op.BSWAP: (swap,),
    Op.CAST: (cast,),
    Op.HELD: (held,),
    Op.HIDE: (hide,),
}
