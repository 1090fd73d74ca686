"""Lowers floor division and modulo, to unsigned division of the magnitudes.

%2 = floordiv i64 %1, 8      ->   %2 = ashr i64 %1, 3       (an arithmetic shift floors)
"""

from __future__ import annotations

from typing import Final

from ...ir.ops import Op
from ...ir.types import I64, U64, Type
from ...ir.values import Value, const
from .lowering import Lowering, Rules, is_power_of_two


def lower_floordiv(here: Lowering, value: Value) -> Value:
    """A shift, a division of numbers that are not negative, or a division corrected for negative numbers."""
    left, right = value.args
    kind = value.type
    if is_power_of_two(right):
        shift = const(right.attr.bit_length() - 1)
        signed = left.type == I64 and kind == I64 and not here.natural(left)
        return here.emit(Op.ASHR if signed else Op.LSHR, [left, shift], kind)
    if kind == U64 or here.natural(left, right):
        return here.emit(Op.UDIV, [left, right], kind)
    if here.ranges.of(right)[0] > 0:  # floor(a / b) = ~(~a / b) for a < 0 < b
        mask = here.emit(Op.ASHR, [left, const(63)], I64)
        quotient = here.emit(Op.UDIV, [here.emit(Op.XOR, [left, mask], I64), right], I64)
        return here.emit(Op.XOR, [quotient, mask], I64)
    return _floordiv_of_any(here, left, right)


def _floordiv_of_any(here: Lowering, left: Value, right: Value) -> Value:
    """Divides the magnitudes. If the signs differ, the dividend is first increased by one less than the divisor, so
    that the quotient is rounded up, and then negated."""
    top, bottom = _magnitude(here, left), _magnitude(here, right)
    mask = here.emit(Op.ASHR, [here.emit(Op.XOR, [left, right], I64), const(63)], I64)
    negative = here.emit(Op.LSHR, [here.emit(Op.XOR, [left, right], I64), const(63)], U64)
    less = here.emit(Op.MUL, [here.emit(Op.SUB, [bottom, const(1)], U64), negative], U64)
    quotient = here.emit(Op.UDIV, [here.emit(Op.ADD, [top, less], U64), bottom], U64)
    return _negate_if(here, quotient, mask)


def lower_mod(here: Lowering, value: Value) -> Value:
    """A mask, a remainder of numbers that are not negative, or a remainder corrected for negative numbers."""
    left, right = value.args
    kind = value.type
    if is_power_of_two(right):
        return here.emit(Op.AND, [left, const(right.attr - 1)], kind)
    if here.natural(left, right):
        return here.emit(Op.UMOD, [left, right], kind)
    if here.natural(right) and left.type == I64:  # a mod b = b - 1 - (~a mod b) for a < 0 < b
        mask = here.emit(Op.ASHR, [left, const(63)], I64)
        rest = here.emit(Op.UMOD, [here.emit(Op.XOR, [left, mask], kind), right], kind)
        turned = here.emit(Op.XOR, [rest, mask], kind)
        negative = here.emit(Op.LSHR, [left, const(63)], kind)
        return here.emit(Op.ADD, [turned, here.emit(Op.MUL, [negative, right], kind)], kind)
    return _mod_of_any(here, left, right, kind)


def _mod_of_any(here: Lowering, left: Value, right: Value, kind: Type) -> Value:
    """Python's remainder has the divisor's sign: if the signs differ, the magnitudes' remainder is subtracted from the
    divisor."""
    top, bottom = _magnitude(here, left), _magnitude(here, right)
    rest = here.emit(Op.UMOD, [top, bottom], U64)
    if kind == U64:  # of a negative divisor only the remainder 0 is a u64
        return rest
    differ = here.emit(Op.SLT, [here.emit(Op.XOR, [left, right], I64), const(0)], I64)
    inexact = here.emit(Op.AND, [differ, here.emit(Op.NE, [rest, const(0)], I64)], I64)
    rest = here.emit(Op.SELECT, [inexact, here.emit(Op.SUB, [bottom, rest], U64), rest], U64)
    return _negate_if(here, rest, here.emit(Op.ASHR, [right, const(63)], I64))


def _magnitude(here: Lowering, value: Value) -> Value:
    """A number without its sign."""
    if here.natural(value):
        return here.as_u64(value)
    mask = here.emit(Op.ASHR, [value, const(63)], I64)
    return here.emit(Op.SUB, [here.emit(Op.XOR, [value, mask], U64), mask], U64)


def _negate_if(here: Lowering, value: Value, mask: Value) -> Value:
    """The number if the mask is 0, the negated number if all bits of the mask are set."""
    return here.emit(Op.SUB, [here.emit(Op.XOR, [value, mask], I64), mask], I64)


RULES: Final[Rules] = {
    Op.FLOORDIV: lower_floordiv,
    Op.MOD: lower_mod,
}
