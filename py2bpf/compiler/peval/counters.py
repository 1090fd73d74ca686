"""Counts through ranges with exactly Python's turns, even if a bound is at the limits of 64 bits.

    for i in range(a, c, 2):        while a < c:  a = a + 2 if a <= MAX - 2 else c      (c ends it)
    for i in range(b, -1, -1):      n = turns;  k = 0;  while k < n:  i = b - k;  k += 1    (b is a u64: -1 is none)

The first form is for bounds of one type, the second for a bound that the counter's type can't hold. The pass
``range_steps`` turns the selection into a plain addition if ranges prove that it never wraps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ...exception import TypeMismatch
from ..ir.loop_policy import MAX_ITERATIONS
from ..ir.ops import Op
from ..ir.types import U64
from ..ir.values import Value, const
from . import arith, integers, ranges
from .builder import MASK64, Builder
from .values import Abstract, Const, Counter, RangeOf, RuntimeInt

_BOTH_ENDS: Final = ("begin at 0, and add what is missing to the loop's variable",)


def of_constants(numbers: range) -> Counter:
    """A counter through a range that is known at compile time."""
    least, most = ranges.limits(numbers.start < 1 << 63)
    if not least <= numbers.stop <= (most if numbers.start < 0 else MASK64):
        turns = max(0, -((numbers.start - numbers.stop) // numbers.step))
        return Counter(Const(0), Const(min(turns, most)), 1, Const(numbers.start), numbers.step)
    wraps = not ranges.fits(numbers.stop < 1 << 63, numbers.stop, numbers.step)
    return Counter(Const(numbers.start), Const(numbers.stop), numbers.step, wraps=wraps)


def of_range(b: Builder, numbers: RangeOf) -> Counter:
    """A counter through a range with a run-time bound."""
    if ranges.has_turns(numbers):
        return _counted(b, numbers)
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    step = numbers.step
    if ranges.is_near(start, step):
        return Counter(numbers.start, numbers.stop, step)
    if start.op is Op.CONST and start.attr >= 0 and stop.type == U64:
        start = arith.cast(b, start, U64)
    if ranges.of_one_type(start, stop):
        known = stop.op is Op.CONST or abs(step) == 1
        end = stop.attr if stop.op is Op.CONST else 0
        wraps = not (known and ranges.fits(start.type != U64, end, step))
        return Counter(RuntimeInt(start), numbers.stop, step, wraps=wraps)
    if (start.type != U64) is (step < 0):  # the range ends before it leaves the type of its start
        return Counter(numbers.start, numbers.stop, step)
    return _counted(b, numbers)


def _counted(b: Builder, numbers: RangeOf) -> Counter:
    """A counter of the range's turns, up from 0."""
    return Counter(Const(0), arith.from_ir(ranges.count(b, numbers)), 1, numbers.start, numbers.step)


def together(b: Builder, parts: Sequence[Counter], numbers: Sequence[Counter] = ()) -> Counter:
    """A counter through all parts side by side, until the shortest ends; each part counts its turns up from 0. The
    ``numbers``, which never end, come first."""
    turns, *others = (arith.as_u64(b, arith.to_ir(b, part.stop)) for part in parts)
    for other in others:
        turns = b.emit(Op.SELECT, [b.compare(Op.LT, turns, other), turns, other], U64)
    return Counter(Const(0), RuntimeInt(turns), 1, parts=(*numbers, *parts))


def counted(b: Builder, value: Abstract) -> Counter | None:
    """A counter of a range's turns, up from 0; None for anything else."""
    if isinstance(value, RangeOf):
        return _counted(b, value)
    if not isinstance(value, Const) or type(value.obj) is not range or not all(
        -(1 << 63) <= number < 1 << 63 for number in (value.obj.start, value.obj.stop)
    ):
        return None
    return Counter(Const(0), Const(len(value.obj)), 1, Const(value.obj.start), value.obj.step)


def at_run_time(counter: Counter) -> Counter:
    """The counter with which a run-time loop begins: the start has the type that holds all numbers."""
    current, stop, base = counter.current, counter.stop, counter.base
    if not (isinstance(current, Const) and isinstance(stop, Const) and isinstance(base, Const)):
        return counter
    if counter.array is not None or counter.parts:
        return counter
    turns = min(counter_items(counter) or 0, MAX_ITERATIONS)
    start, step = base.obj + counter.scale * current.obj, counter.scale * counter.step
    least, most = sorted((start, start + step * max(turns - 1, 0)))
    integers.constant(least), integers.constant(most)
    if most < 1 << 63:
        return counter
    if least < 0:
        raise TypeMismatch(0, "the numbers of the range do not fit one 64-bit type", hints=_BOTH_ENDS)
    if counter.scale == 1:
        return replace(counter, current=_unsigned(current.obj))
    return replace(counter, base=_unsigned(base.obj))


def _unsigned(number: int) -> RuntimeInt:
    start = const(number)
    start.type = U64
    return RuntimeInt(start)


def more(b: Builder, counter: Counter) -> Value:
    """Whether there is another number."""
    op = Op.LT if counter.step > 0 else Op.GT
    return b.compare(op, arith.to_ir(b, counter.current), arith.to_ir(b, counter.stop, "range() needs integers"))


def item(b: Builder, counter: Counter) -> Abstract:
    """The value of the loop's variable for the current number."""
    current, base = arith.to_ir(b, counter.current), arith.to_ir(b, counter.base)
    if counter.scale == 1:
        return arith.from_ir(b.add(base, current))
    way = b.emit(Op.MUL, [arith.cast(b, current, base.type), const(counter.scale)], base.type)
    return arith.from_ir(b.emit(Op.ADD, [base, way], base.type))


def following(b: Builder, counter: Counter) -> Abstract:
    """The number after the current one; if that leaves the type, a number that ends the loop."""
    current, step = arith.to_ir(b, counter.current), counter.step
    advanced = b.emit(Op.ADD, [current, const(step)], current.type)
    if not counter.wraps:
        return RuntimeInt(advanced)
    least, most = ranges.limits(current.type != U64)
    fits = b.compare(*((Op.LE, current, const(most - step)) if step > 0 else (Op.GE, current, const(least - step))))
    stop = arith.cast(b, arith.to_ir(b, counter.stop), current.type)
    return RuntimeInt(b.emit(Op.SELECT, [fits, advanced, stop], current.type))


def counter_items(counter: Counter) -> int | None:
    """The count of numbers that a counter still has; None if it is known at run time only."""
    if not (isinstance(counter.current, Const) and isinstance(counter.stop, Const)):
        return None
    way: int = counter.stop.obj - counter.current.obj  # (len() of a range ends at 2**63)
    return max(0, -(-way // counter.step))
