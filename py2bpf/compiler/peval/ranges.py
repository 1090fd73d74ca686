"""What Python knows of a range() without walking it: its length, its sum, its ends, its reverse."""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Value, const
from . import arith
from .builder import Builder
from .values import RangeOf


def count(b: Builder, numbers: RangeOf) -> Value:
    """len(range(start, stop, step)). The distance between two i64 is a u64."""
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    low, high = (start, stop) if numbers.step > 0 else (stop, start)
    distance = b.emit(Op.SUB, [arith.as_u64(b, high), arith.as_u64(b, low)], U64)
    if abs(numbers.step) != 1:
        steps = b.emit(Op.FLOORDIV, [b.emit(Op.SUB, [distance, const(1)], U64), const(abs(numbers.step))], U64)
        distance = b.emit(Op.ADD, [steps, const(1)], U64)
    length = b.emit(Op.SELECT, [b.compare(Op.LT, low, high), distance, arith.cast(b, const(0), U64)], U64)
    return b.emit(Op.CAST, [length], I64)


def last(b: Builder, numbers: RangeOf, length: Value) -> Value:
    """The last number, where there is one."""
    start = arith.to_ir(b, numbers.start)
    way = b.emit(Op.MUL, [b.emit(Op.SUB, [length, const(1)], I64), const(numbers.step)], I64)
    return b.emit(Op.ADD, [start, arith.cast(b, way, start.type)], start.type)


def backwards(b: Builder, numbers: RangeOf) -> RangeOf:
    """reversed(range(...))."""
    length = count(b, numbers)
    final = last(b, numbers, length)
    start = arith.to_ir(b, numbers.start)
    step = arith.cast(b, const(numbers.step), start.type)
    before = b.emit(Op.SUB, [start, step], start.type)
    nothing = b.compare(Op.EQ, length, const(0))
    first = b.emit(Op.SELECT, [nothing, before, final], start.type)
    return RangeOf(arith.from_ir(first), arith.from_ir(before), -numbers.step)


def total(b: Builder, numbers: RangeOf) -> Value:
    """sum(range(...)): length times the mean of the first and the last number; halved before it's multiplied."""
    start = arith.to_ir(b, numbers.start)
    length = count(b, numbers)
    before = b.emit(Op.SUB, [length, const(1)], I64)
    even = b.compare(Op.EQ, b.emit(Op.AND, [length, const(1)], I64), const(0))
    half = b.emit(Op.SELECT, [even, b.emit(Op.RSHIFT, [length, const(1)], I64), length], I64)
    other = b.emit(Op.SELECT, [even, before, b.emit(Op.RSHIFT, [before, const(1)], I64)], I64)
    steps = b.emit(Op.MUL, [b.emit(Op.MUL, [half, other], I64), const(numbers.step)], I64)
    starts = b.emit(Op.MUL, [start, arith.cast(b, length, start.type)], start.type)
    return b.emit(Op.ADD, [starts, arith.cast(b, steps, start.type)], start.type)


def extreme(b: Builder, numbers: RangeOf, largest: bool) -> Value:
    """min(range(...)) or max(range(...)): the first or the last number, a ValueError where there is none."""
    length = count(b, numbers)
    b.guard(b.compare(Op.NE, length, const(0)), "ValueError")
    return last(b, numbers, length) if largest == (numbers.step > 0) else arith.to_ir(b, numbers.start)
