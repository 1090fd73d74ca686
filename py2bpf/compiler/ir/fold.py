"""Constant folding and the identities that need no analysis, in one table for builder and passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .ops import INFO, Op
from .types import I64, Int, Type
from .values import Value, const, is_zero

MASK: Final = (1 << 64) - 1


def wrap(number: int, type: Int) -> int:
    """The 64-bit number of that type that equals ``number`` modulo 2**64."""
    number &= MASK
    return number - (1 << 64) if type.signed and number >> 63 else number


def truncate(number: int, size: int, signed: bool) -> int:
    """The number that a field of ``size`` bytes holds after ``number`` was stored to it."""
    bits = 8 * size
    number &= (1 << bits) - 1
    return number - (1 << bits) if signed and number >> (bits - 1) else number


def _bswap(number: int, size: int) -> int:
    low: int = number & ((1 << 8 * size) - 1)
    return int.from_bytes(low.to_bytes(size, "little"), "big")


def signed(number: int) -> int:
    """The 64 bits as a signed number."""
    number &= MASK
    return number - (1 << 64) if number >> 63 else number


_BINARY: Final[dict[Op, Callable[[int, int], int | None]]] = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.MUL: lambda a, b: a * b,
    Op.AND: lambda a, b: a & b,
    Op.OR: lambda a, b: a | b,
    Op.XOR: lambda a, b: a ^ b,
    Op.FLOORDIV: lambda a, b: a // b if b else None,
    Op.MOD: lambda a, b: a % b if b else None,
    Op.LSHIFT: lambda a, b: None if b < 0 else a << b if b < 64 else 0,
    Op.RSHIFT: lambda a, b: None if b < 0 else a >> min(b, 64),
    Op.LT: lambda a, b: a < b,
    Op.LE: lambda a, b: a <= b,
    Op.GT: lambda a, b: a > b,
    Op.GE: lambda a, b: a >= b,
    Op.EQ: lambda a, b: a == b,
    Op.NE: lambda a, b: a != b,
    Op.UDIV: lambda a, b: (a & MASK) // (b & MASK) if b else 0,
    Op.UMOD: lambda a, b: (a & MASK) % (b & MASK) if b else a,
    Op.SHL: lambda a, b: a << (b & 63),
    Op.LSHR: lambda a, b: (a & MASK) >> (b & 63),
    Op.ASHR: lambda a, b: signed(a) >> (b & 63),
    Op.ULT: lambda a, b: a & MASK < b & MASK,
    Op.ULE: lambda a, b: a & MASK <= b & MASK,
    Op.UGT: lambda a, b: a & MASK > b & MASK,
    Op.UGE: lambda a, b: a & MASK >= b & MASK,
    Op.SLT: lambda a, b: signed(a) < signed(b),
    Op.SLE: lambda a, b: signed(a) <= signed(b),
    Op.SGT: lambda a, b: signed(a) > signed(b),
    Op.SGE: lambda a, b: signed(a) >= signed(b),
}
_RIGHT_ZERO: Final = {Op.ADD, Op.SUB, Op.OR, Op.XOR, Op.SHL, Op.LSHR, Op.ASHR, Op.LSHIFT, Op.RSHIFT}


def fold(op: Op, args: list[Value], type: Type, attr: Any) -> Value | None:
    """A simpler value that equals ``op`` of the arguments, or None."""
    if not isinstance(type, Int):
        return None
    if all(arg.op is Op.CONST for arg in args):
        number = _constant(op, [arg.attr for arg in args], attr)
        if number is None:
            return None
        return const(wrap(int(number), type), I64 if INFO[op].compare else type)
    return _identity(op, args, type)


def _constant(op: Op, numbers: list[int], attr: Any) -> int | None:
    if op in _BINARY:
        return _BINARY[op](numbers[0], numbers[1])
    if op is Op.NEG:
        return -numbers[0]
    if op is Op.SELECT:
        return numbers[1] if numbers[0] else numbers[2]
    if op is Op.CAST:
        return numbers[0]
    if op is Op.TRUNC:
        return truncate(numbers[0], *attr)
    if op is Op.BSWAP:
        return _bswap(numbers[0], attr)
    return None


def _identity(op: Op, args: list[Value], type: Int) -> Value | None:
    if op is Op.CAST:
        return args[0] if args[0].type == type else None
    if op is Op.SELECT:
        if args[0].op is Op.CONST:
            return args[1] if args[0].attr else args[2]
        return args[1] if args[1] is args[2] else None
    if len(args) != 2:
        return None
    left, right = args
    if right.op is Op.CONST and left.type == type:
        number = right.attr
        if number == 0 and op in _RIGHT_ZERO:
            return left
        if number == 1 and op in (Op.MUL, Op.FLOORDIV, Op.UDIV):
            return left
        if number & MASK == MASK and op is Op.AND:
            return left
    if is_zero(right) and op in (Op.UDIV, Op.UMOD):
        return _zero(type)  # never reached; left as it is, the kernel would refuse the instruction
    if is_zero(left) and op in (Op.ADD, Op.OR, Op.XOR) and right.type == type:
        return right
    if op is Op.NE and is_zero(right) and INFO[left.op].compare:
        return left
    if op in (Op.AND, Op.MUL) and any(is_zero(arg) for arg in args):
        return _zero(type)
    return None


def _zero(type: Int) -> Value:
    return const(0, type)
