"""Lowers AND and OR with constants: dropped if they change nothing, and replaced if the operand is 0 or -1.

%2 = and i64 %1, 255         ->   %1                        (%1 in [0, 255])
"""

from __future__ import annotations

from typing import Final

from ...ir.fold import fold, signed
from ...ir.ops import BOUND, Op
from ...ir.values import Value, const
from .lowering import Lowering, Rules


def lower_and(here: Lowering, value: Value) -> Value:
    """``x & mask`` is x if the mask keeps all bits that x can have. A mask that is as wide as the range of x stays if
    the verifier doesn't see that range, since the mask may bound an index or a loop for it (see ``verifier_sees``).
    So does a mask that bounds a result."""
    folded = fold(Op.AND, value.args, value.type, None)
    if folded is not None:
        return folded
    left, right = value.args
    if right.op is Op.CONST and _is_sign(here, left):
        return here.emit(Op.MUL, [here.emit(Op.NEG, [left], left.type), right], value.type)
    if right.op is Op.CONST and right.attr >= 0 and right.attr & (right.attr + 1) == 0:
        low, high = here.ranges.of(left)
        kept = low >= 0 and high <= right.attr and left.type == value.type
        if kept and ((high < right.attr and value.attr is not BOUND) or here.sees(left)):
            return left
    return value


def lower_or(here: Lowering, value: Value) -> Value:
    """``sign | constant`` without an OR, which would fork the verifier's state."""
    folded = fold(Op.OR, value.args, value.type, None)
    if folded is not None:
        return folded
    left, right = value.args
    if right.op is Op.CONST and _is_sign(here, left):
        rest = here.emit(Op.MUL, [here.emit(Op.NEG, [left], left.type), const(~signed(right.attr))], value.type)
        return here.emit(Op.XOR, [rest, right], value.type)
    return value


def _is_sign(here: Lowering, value: Value) -> bool:
    """Whether a value is known as 0 or -1. If such a value is ANDed or ORed with a constant, the verifier continues
    twice, once for each. In a long loop that exhausts it, and Linux 6.18 crashes if it can't fork any more."""
    return value.op is not Op.CONST and here.ranges.of(value) == (-1, 0)


RULES: Final[Rules] = {
    Op.AND: lower_and,
    Op.OR: lower_or,
}
