"""Lowers shifts by any count, products, truncations and byte swaps.

%2 = mul i64 %1, 8           ->   %2 = shl i64 %1, 3
"""

from __future__ import annotations

from typing import Final

from ...analysis.intervals import field_range
from ...ir.fold import fold
from ...ir.ops import Op
from ...ir.types import I64
from ...ir.values import Value, const
from .lowering import Lowering, Rules, is_power_of_two


def lower_lshift(here: Lowering, value: Value) -> Value:
    """BPF shifts by the count's low 6 bits; with counts from 64 up, Python's result has only zeros in 64 bits."""
    left, count = value.args
    if here.ranges.of(count)[1] < 64:
        return here.emit(Op.SHL, [left, count], value.type)
    small = here.emit(Op.ULT, [count, const(64)], I64)
    shifted = here.emit(Op.SHL, [left, count], value.type)
    return here.emit(Op.SELECT, [small, shifted, const(0, value.type)], value.type)


def lower_rshift(here: Lowering, value: Value) -> Value:
    """Shifts by more than 63 bits leave only the sign, like a shift by 63."""
    left, count = value.args
    natural = here.natural(left)
    op = Op.LSHR if natural else Op.ASHR
    if here.ranges.of(count)[1] < 64:
        return here.emit(op, [left, count], value.type)
    small = here.emit(Op.ULT, [count, const(64)], I64)
    if natural:
        shifted = here.emit(op, [left, count], value.type)
        return here.emit(Op.SELECT, [small, shifted, const(0, value.type)], value.type)
    limited = here.emit(Op.SELECT, [small, count, const(63, count.type)], count.type)
    return here.emit(op, [left, limited], value.type)


def lower_mul(here: Lowering, value: Value) -> Value:
    """A product with a power of two becomes a shift."""
    folded = fold(Op.MUL, value.args, value.type, None)
    if folded is not None:
        return folded
    left, right = value.args
    if left.op is Op.CONST:
        left, right = right, left
    if is_power_of_two(right):
        return here.emit(Op.SHL, [left, const(right.attr.bit_length() - 1)], value.type)
    return value


def lower_trunc(here: Lowering, value: Value) -> Value:
    """Keeps numbers that fit the field; truncates others by a mask, or by shifts that extend the sign."""
    size, signed = value.attr
    (arg,) = value.args
    low, high = here.ranges.of(arg)
    field = field_range(size, signed)
    if field[0] <= low and high <= field[1]:
        return arg if arg.type == value.type else here.emit(Op.CAST, [arg], value.type)
    if size == 8:
        return here.emit(Op.CAST, [arg], value.type)
    if not signed:
        return here.emit(Op.AND, [arg, const(field[1])], value.type)
    shift = const(64 - 8 * size)
    return here.emit(Op.ASHR, [here.emit(Op.SHL, [arg, shift], value.type), shift], value.type)


def lower_bswap(here: Lowering, value: Value) -> Value:
    """Turns two swaps into a truncation, so that numbers are copied between big-endian fields without swaps."""
    (arg,) = value.args
    if arg.op is not Op.BSWAP or arg.attr != value.attr:
        return fold(Op.BSWAP, value.args, value.type, value.attr) or value
    low, high = here.ranges.of(arg.args[0])
    field = field_range(value.attr, False)
    raw = arg.args[0]
    if value.attr < 8 and (low < field[0] or high > field[1]):
        return here.emit(Op.AND, [raw, const(field[1])], value.type)
    return raw if raw.type == value.type else here.emit(Op.CAST, [raw], value.type)


RULES: Final[Rules] = {
    Op.LSHIFT: lower_lshift,
    Op.RSHIFT: lower_rshift,
    Op.MUL: lower_mul,
    Op.TRUNC: lower_trunc,
    Op.BSWAP: lower_bswap,
}
