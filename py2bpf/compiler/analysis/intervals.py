"""Interval arithmetic: the range of an operation's result from the ranges of its arguments.

    %1 in [0, 255], %2 in [1, 8]:   add %1, %2 in [1, 263]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...uapi.helpers import Ret
from ..ir.ops import INFO, Op
from ..ir.types import Int
from ..ir.values import Value

Range = tuple[int, int]
FULL: Final[dict[bool, Range]] = {True: (-(1 << 63), (1 << 63) - 1), False: (0, (1 << 64) - 1)}


def compute(value: Value, of: Callable[[Value], Range]) -> Range:
    """The range of an operation's result from the ranges of its arguments."""
    assert isinstance(value.type, Int)
    full = FULL[value.type.signed]
    if INFO[value.op].compare:
        return 0, 1
    if value.op is Op.PHI:
        return _phi(value, of, full)
    if value.op in (Op.LOAD, Op.PACKET):
        size, signed = (value.attr[1], value.attr[2]) if value.op is Op.LOAD else (value.attr[0], False)
        return field_range(size, signed)
    if value.op is Op.EXTENT:
        return 0, (1 << 31) - 1
    if value.op is Op.CALL:
        return (0, (1 << 32) - 1) if value.attr.ret is Ret.U32 else full
    rule = _RULES.get(value.op)
    if rule is None:
        return full
    found = rule(value, [of(arg) for arg in value.args if isinstance(arg.type, Int)])
    return found if found is not None and full[0] <= found[0] and found[1] <= full[1] else full


def field_range(size: int, signed: bool) -> Range:
    """The range of a field of ``size`` bytes."""
    bits = 8 * size
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _phi(phi: Value, of: Callable[[Value], Range], full: Range) -> Range:
    """The union of the arguments' ranges. A counter that only grows (shrinks) stays above (below) its start: if it
    overflowed 64 bits, Python's number would have left them too."""
    low, high = full[1], full[0]
    for arg in phi.args:
        arg = arg.args[0] if arg.op is Op.HIDE else arg
        if arg is phi:
            continue
        step = _step(arg, phi)
        if step is None:
            found = of(arg)
            low, high = min(low, found[0]), max(high, found[1])
        elif step > 0:
            high = full[1]
        else:
            low = full[0]
    return (max(low, full[0]), min(high, full[1])) if low <= high else full


def _step(arg: Value, phi: Value) -> int | None:
    if arg.op is Op.HIDE:
        arg = arg.args[0]
    if arg.op is Op.ADD and arg.args[0] is phi and arg.args[1].op is Op.CONST:
        number: int = arg.args[1].attr
        return number
    return None


def _corners(combine: Callable[[int, int], int]) -> Callable[[Value, list[Range]], Range]:
    def rule(value: Value, args: list[Range]) -> Range:
        results = [combine(x, y) for x in args[0] for y in args[1]]
        return min(results), max(results)

    return rule


def _sub(value: Value, args: list[Range]) -> Range | None:
    if len(args) < 2:  # a distance of pointers into the packet
        return None
    return args[0][0] - args[1][1], args[0][1] - args[1][0]


def _ones(number: int) -> int:
    return (1 << number.bit_length()) - 1


def _and(value: Value, args: list[Range]) -> Range | None:
    limits = [high for low, high in args if low >= 0]
    return (0, min(limits)) if limits else None


def _or(value: Value, args: list[Range]) -> Range | None:
    (a, b), (c, d) = args
    if a < 0 or c < 0:
        return None
    return (max(a, c) if value.op is Op.OR else 0), _ones(b | d)


def _floordiv(value: Value, args: list[Range]) -> Range | None:
    if args[1][0] <= 0 or (value.op is Op.UDIV and args[0][0] < 0):
        return None
    return _corners(lambda x, y: x // y)(value, args)


def _mod(value: Value, args: list[Range]) -> Range | None:
    (low, high), (least, most) = args
    if least > 0 and (low >= 0 or value.op is Op.MOD):
        return 0, min(most - 1, high) if low >= 0 else most - 1
    return (least + 1, 0) if most < 0 and value.op is Op.MOD else None


def _lshift(value: Value, args: list[Range]) -> Range | None:
    if args[1][0] < 0 or args[1][1] > 63:
        return None
    return _corners(lambda x, y: x << y)(value, args)


def _rshift(value: Value, args: list[Range]) -> Range | None:
    (low, _), (least, most) = args
    if least < 0 or (value.op is not Op.RSHIFT and most > 63) or (value.op is Op.LSHR and low < 0):
        return None
    counts = min(least, 64), min(most, 64)
    return _corners(lambda x, y: x >> y)(value, [args[0], counts])


def _select(value: Value, args: list[Range]) -> Range:
    (a, b), (c, d) = args[-2:]
    extreme = _extreme(*value.args)
    if extreme is not None:
        return extreme(a, c), extreme(b, d)
    return min(a, c), max(b, d)


def _extreme(condition: Value, yes: Value, no: Value) -> Callable[[int, int], int] | None:
    """``min`` or ``max`` if the selection computes that of its two values."""
    op = condition.op
    if op in (Op.LT, Op.LE, Op.GT, Op.GE):
        left, right = condition.args
        smaller = op in (Op.LT, Op.LE)
        if _same(left, yes) and _same(right, no):
            return min if smaller else max
        if _same(left, no) and _same(right, yes):
            return max if smaller else min
    return None


def _same(a: Value, b: Value) -> bool:
    return a is b or (a.op is Op.CONST and b.op is Op.CONST and a.attr == b.attr)


def _trunc(value: Value, args: list[Range]) -> Range:
    field = field_range(*value.attr)
    return args[0] if field[0] <= args[0][0] and args[0][1] <= field[1] else field


_RULES: Final[dict[Op, Callable[[Value, list[Range]], Range | None]]] = {
    Op.HIDE: lambda value, args: args[0],
    Op.ADD: lambda value, args: (args[0][0] + args[1][0], args[0][1] + args[1][1]),
    Op.SUB: _sub,
    Op.MUL: _corners(lambda x, y: x * y),
    Op.NEG: lambda value, args: (-args[0][1], -args[0][0]),
    Op.AND: _and,
    Op.OR: _or,
    Op.XOR: _or,
    Op.FLOORDIV: _floordiv,
    Op.UDIV: _floordiv,
    Op.MOD: _mod,
    Op.UMOD: _mod,
    Op.LSHIFT: _lshift,
    Op.SHL: _lshift,
    Op.RSHIFT: _rshift,
    Op.LSHR: _rshift,
    Op.ASHR: _rshift,
    Op.SELECT: _select,
    Op.CAST: lambda value, args: args[0],
    Op.TRUNC: _trunc,
    Op.BSWAP: lambda value, args: field_range(value.attr, False),
}
