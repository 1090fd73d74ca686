"""Lowers comparisons: exact between signed and unsigned numbers, and constant if the ranges decide them.

%3 = lt i64 %1, %2           ->   %3 = slt i64 %1, %2       (both fit i64)
"""

from __future__ import annotations

from typing import Final

from ...analysis.intervals import field_range
from ...ir.fold import fold
from ...ir.ops import INFO, MIRRORED, NEGATED, Op
from ...ir.types import I64, Ptr, Type
from ...ir.values import Value, const, is_zero
from .lowering import Lowering, Rules

_SIGNED: Final = {Op.LT: Op.SLT, Op.LE: Op.SLE, Op.GT: Op.SGT, Op.GE: Op.SGE}
_UNSIGNED: Final = {Op.LT: Op.ULT, Op.LE: Op.ULE, Op.GT: Op.UGT, Op.GE: Op.UGE}


def lower_order(here: Lowering, value: Value) -> Value:
    """Less, greater: exact between signed and unsigned numbers."""
    left, right = value.args
    decided = _decide(here, value.op, left, right)
    if decided is not None:
        return const(int(decided))
    if here.fits_i64(left, right):
        value.op = _SIGNED[value.op]
        return value
    if here.natural(left, right):
        value.op = _UNSIGNED[value.op]
        return value
    return _order_of_both_signs(here, value.op, left, right)


def _order_of_both_signs(here: Lowering, op: Op, left: Value, right: Value) -> Value:
    """Compares a number that may be negative with one that may exceed i64: a negative one is less, else the bits
    decide."""
    if not here.natural(right):  # put the one that may be negative left; the other may exceed i64
        op, left, right = MIRRORED[op], right, left
    raw = here.emit(_UNSIGNED[op], [left, right], I64)
    if op in (Op.LT, Op.LE):
        return here.emit(Op.OR, [here.emit(Op.SLT, [left, const(0)], I64), raw], I64)
    return here.emit(Op.AND, [here.emit(Op.SGE, [left, const(0)], I64), raw], I64)


def _decide(here: Lowering, op: Op, left: Value, right: Value) -> bool | None:
    """Whether the comparison holds for all numbers in the ranges, or for none."""
    (a, b), (c, d) = here.ranges.of(left), here.ranges.of(right)
    if op in (Op.GT, Op.GE):
        (a, b), (c, d), op = (c, d), (a, b), MIRRORED[op]
    if op is Op.LT:
        return True if b < c else False if a >= d else None
    return True if b <= c else False if a > d else None


def lower_equality(here: Lowering, value: Value) -> Value:
    """Equal, unequal: -1 is not 2**64 - 1. ``not`` of a comparison becomes the opposite comparison."""
    left, right = value.args
    if value.op is Op.EQ and INFO[left.op].compare and is_zero(right):
        return here.emit(NEGATED[left.op], left.args, I64)
    if isinstance(left.type, Ptr) or isinstance(right.type, Ptr):
        if isinstance(left.type, Ptr) and right.op is Op.CONST and not here.ranges.may_be_null(left):
            return const(int(value.op is Op.NE))
        return value
    (a, b), (c, d) = here.ranges.of(left), here.ranges.of(right)
    if b < c or d < a:
        return const(int(value.op is Op.NE))
    if a == b == c == d:
        return const(int(value.op is Op.EQ))
    left, right = value.args = unswapped(here, left, right)
    folded = fold(value.op, value.args, value.type, None)
    if folded is not None:
        return folded
    if here.fits_i64(left, right) or here.natural(left, right):
        return value
    return _equality_of_both_signs(here, value.op, left, right)


def _equality_of_both_signs(here: Lowering, op: Op, left: Value, right: Value) -> Value:
    """Equal if the bits are the same, and the number that may be negative is not."""
    raw = here.emit(op, [here.as_u64(left), here.as_u64(right)], I64)
    signed = left if not here.natural(left) else right
    if op is Op.EQ:
        return here.emit(Op.AND, [raw, here.emit(Op.SGE, [signed, const(0)], I64)], I64)
    return here.emit(Op.OR, [raw, here.emit(Op.SLT, [signed, const(0)], I64)], I64)


def unswapped(here: Lowering, left: Value, right: Value) -> list[Value]:
    """The operands of a comparison, where the constant is swapped at compile time instead of the number at run time."""
    swapped = left.args[0] if left.op is Op.AND and left.args[1].op is Op.CONST else left
    if swapped.op is not Op.BSWAP or right.op is not Op.CONST:
        return [left, right]
    size = swapped.attr
    raw, full = swapped.args[0], field_range(size, False)
    low, high = here.ranges.of(raw)
    if low < full[0] or high > full[1] or not 0 <= right.attr <= full[1]:
        return [left, right]
    if swapped is not left:
        if not 0 <= left.args[1].attr <= full[1]:
            return [left, right]
        raw = here.emit(Op.AND, [raw, _swap(left.args[1], size, raw.type)], raw.type)
    return [raw, _swap(right, size, raw.type)]


def _swap(number: Value, size: int, type: Type) -> Value:
    """A constant in the other byte order."""
    return const(int.from_bytes(int(number.attr).to_bytes(size, "little"), "big"), type)


def lower_raw_order(here: Lowering, value: Value) -> Value:
    """Comparisons that were raw already: decided by ranges if these describe the same numbers."""
    left, right = value.args
    folded = fold(value.op, value.args, value.type, None)
    if folded is not None:
        return folded
    same = here.natural(left, right) if value.op in _UNSIGNED.values() else here.fits_i64(left, right)
    if same:
        table = _UNSIGNED if value.op in _UNSIGNED.values() else _SIGNED
        exact = next(op for op, raw in table.items() if raw is value.op)
        decided = _decide(here, exact, left, right)
        always = value.op is not Op.ULT or decided is False
        if decided is not None and (always or (here.sees(left) and here.sees(right))):
            return const(int(decided))
    return value


RULES: Final[Rules] = {
    **dict.fromkeys((Op.LT, Op.LE, Op.GT, Op.GE), lower_order),
    **dict.fromkeys((Op.EQ, Op.NE), lower_equality),
    **dict.fromkeys((Op.ULT, Op.ULE, Op.UGT, Op.UGE, Op.SLT, Op.SLE, Op.SGT, Op.SGE), lower_raw_order),
}
