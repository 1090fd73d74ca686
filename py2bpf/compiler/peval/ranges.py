"""Properties of a range() that need no iteration: its length, sum, ends and reverse."""

from __future__ import annotations

from typing import Final

from ...exception import UnsupportedSyntax
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Value, const
from . import arith
from .builder import MASK64, Builder
from .values import Const, RangeOf, RuntimeInt

_FAR: Final = 1 << 62
_LONG: Final = 1 << 32
"""No loop makes more than 2**23 turns at run time (loop_policy), so a loop that begins within ``_FAR`` and takes steps
of at most ``_LONG`` stays far from the limits of 64 bits."""


def limits(signed: bool) -> tuple[int, int]:
    """The least and the greatest number of a 64-bit type."""
    return (-(1 << 63), (1 << 63) - 1) if signed else (0, MASK64)


def is_near(start: Value, step: int) -> bool:
    """Whether a loop certainly stays far from the limits of 64 bits."""
    return start.op is Op.CONST and start.type != U64 and abs(start.attr) <= _FAR and abs(step) <= _LONG


def fits(signed: bool, stop: int, step: int) -> bool:
    """Whether the number after the last one before ``stop`` fits the type."""
    least, most = limits(signed)
    return least <= stop + (step - 1 if step > 0 else step + 1) <= most


def of_one_type(start: Value, stop: Value) -> bool:
    """Whether the type of the start can hold the bound too."""
    return start.type == stop.type or (stop.op is Op.CONST and stop.attr >= 0 and start.type == U64)


def has_turns(numbers: RangeOf) -> bool:
    """Whether the range is given by its number of turns instead of a bound."""
    return not (isinstance(numbers.turns, Const) and numbers.turns.obj is None)


def count(b: Builder, numbers: RangeOf) -> Value:
    """The number of turns as a u64, which can hold the distance between any two i64."""
    if has_turns(numbers):
        return arith.cast(b, arith.to_ir(b, numbers.turns), U64)
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    low, high = (start, stop) if numbers.step > 0 else (stop, start)
    distance = b.emit(Op.SUB, [arith.as_u64(b, high), arith.as_u64(b, low)], U64)
    turns = _steps(b, distance, abs(numbers.step))
    if high.type == U64 and low.type != U64 and not (low.op is Op.CONST and low.attr >= 0):
        beyond = arith.both(b, b.compare(Op.LT, low, const(0)), b.compare(Op.LT, distance, high))
        turns = b.emit(Op.SELECT, [beyond, _steps_beyond(b, distance, abs(numbers.step)), turns], U64)
    return b.emit(Op.SELECT, [b.compare(Op.LT, low, high), turns, arith.cast(b, const(0), U64)], U64)


def _steps(b: Builder, distance: Value, step: int) -> Value:
    """The number of turns for a distance other than 0."""
    if step == 1:
        return distance
    steps = b.emit(Op.FLOORDIV, [b.emit(Op.SUB, [distance, const(1)], U64), const(step)], U64)
    return b.emit(Op.ADD, [steps, const(1)], U64)


def _steps_beyond(b: Builder, distance: Value, step: int) -> Value:
    """The number of turns for a distance of 2**64 more, as between a negative number and a large unsigned one. With a
    step of 1, no u64 can hold the number and no loop can make so many turns: the largest u64 stands for it."""
    if step == 1:
        return arith.cast(b, const(MASK64), U64)
    if step > _FAR:
        raise UnsupportedSyntax(
            0, "a range from a signed to an unsigned bound, or back, takes steps of up to 2**62",
            hints=("let both bounds be signed, or both unsigned",),
        )  # fmt: skip
    whole, rest = divmod(1 << 64, step)
    steps = b.emit(Op.FLOORDIV, [b.emit(Op.ADD, [distance, const(rest + step - 1)], U64), const(step)], U64)
    return b.emit(Op.ADD, [steps, const(whole)], U64)


def length(b: Builder, numbers: RangeOf) -> Value:
    """len(). Guards against Python's OverflowError from 2**63 up."""
    turns = count(b, numbers)
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    low, high = (start, stop) if numbers.step > 0 else (stop, start)
    if has_turns(numbers) or high.type == U64 or low.op is not Op.CONST or low.attr < 0:
        b.guard(b.compare(Op.LE, turns, const(limits(True)[1])), "OverflowError")
    return b.emit(Op.CAST, [turns], I64)


def last(b: Builder, numbers: RangeOf, turns: Value) -> Value:
    """The last number, if the range is not empty."""
    start = arith.to_ir(b, numbers.start)
    if abs(numbers.step) == 1 and not has_turns(numbers):
        stop = arith.cast(b, arith.to_ir(b, numbers.stop), start.type)
        return b.emit(Op.SUB, [stop, const(numbers.step)], start.type)
    way = b.emit(Op.MUL, [b.emit(Op.SUB, [turns, const(1)], U64), const(numbers.step)], U64)
    return b.emit(Op.ADD, [start, arith.cast(b, way, start.type)], start.type)


def item(b: Builder, numbers: RangeOf, index: Value) -> Value:
    """``range(...)[index]``. Guards against IndexError."""
    turns, at = count(b, numbers), arith.as_u64(b, index)
    from_end = b.emit(Op.ADD, [at, turns], U64)
    at = b.emit(Op.SELECT, [b.compare(Op.LT, index, const(0)), from_end, at], U64)
    b.guard(b.compare(Op.LT, at, turns), "IndexError")
    start = arith.to_ir(b, numbers.start)
    way = b.emit(Op.MUL, [at, const(numbers.step)], U64)
    return b.emit(Op.ADD, [start, arith.cast(b, way, start.type)], start.type)


def backwards(b: Builder, numbers: RangeOf) -> RangeOf:
    """reversed(range(...))."""
    turns = count(b, numbers)
    final = last(b, numbers, turns)
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    if has_turns(numbers) or stop.type == U64 or not is_near(start, numbers.step):
        return RangeOf(RuntimeInt(final), Const(0), -numbers.step, RuntimeInt(turns))
    before = const(start.attr - numbers.step)
    nothing = b.compare(Op.EQ, turns, const(0))
    first = b.emit(Op.SELECT, [nothing, before, final], start.type)
    return RangeOf(arith.from_ir(first), arith.from_ir(before), -numbers.step)


def total(b: Builder, numbers: RangeOf) -> Value:
    """sum(range(...)): length times the mean of the first and the last number, halved before the multiplication."""
    start = arith.to_ir(b, numbers.start)
    turns = count(b, numbers)
    before = b.emit(Op.SUB, [turns, const(1)], U64)
    even = b.compare(Op.EQ, b.emit(Op.AND, [turns, const(1)], U64), const(0))
    half = b.emit(Op.SELECT, [even, b.emit(Op.RSHIFT, [turns, const(1)], U64), turns], U64)
    other = b.emit(Op.SELECT, [even, before, b.emit(Op.RSHIFT, [before, const(1)], U64)], U64)
    steps = b.emit(Op.MUL, [b.emit(Op.MUL, [half, other], U64), const(numbers.step)], U64)
    starts = b.emit(Op.MUL, [start, arith.cast(b, turns, start.type)], start.type)
    return b.emit(Op.ADD, [starts, arith.cast(b, steps, start.type)], start.type)


def extreme(b: Builder, numbers: RangeOf, largest: bool) -> Value:
    """min(range(...)) or max(range(...)): the first or the last number. Guards against the ValueError of empty ranges.
    """
    turns = count(b, numbers)
    b.guard(b.compare(Op.NE, turns, const(0)), "ValueError")
    return last(b, numbers, turns) if largest == (numbers.step > 0) else arith.to_ir(b, numbers.start)


def of_constant(numbers: range) -> RangeOf:
    """A range that is known at compile time as a RangeOf."""
    return RangeOf(Const(numbers.start), Const(numbers.stop), numbers.step)


def contains(b: Builder, numbers: RangeOf, item: Value) -> Value:
    """``item in range(...)`` as 1 or 0."""
    start = arith.to_ir(b, numbers.start)
    if has_turns(numbers):
        turns = count(b, numbers)
        end, some = last(b, numbers, turns), b.compare(Op.NE, turns, const(0))
        low, high, within = *((start, end) if numbers.step > 0 else (end, start)), (Op.GE, Op.LE)
    else:
        stop, some = arith.to_ir(b, numbers.stop), const(1)
        low, high, within = ((start, stop, (Op.GE, Op.LT)) if numbers.step > 0 else (stop, start, (Op.GT, Op.LE)))
    result = arith.both(b, b.compare(within[0], item, low), b.compare(within[1], item, high))
    return arith.both(b, arith.both(b, some, result), _is_reached(b, start, item, numbers.step))


def _is_reached(b: Builder, start: Value, item: Value, step: int) -> Value:
    """Whether steps from the start hit ``item``, which lies between the range's ends."""
    if abs(step) == 1:
        return const(1)
    if start.type != item.type and start.op is not Op.CONST:  # their distance may need more than 64 bits
        rests = [arith.emit_binary(b, Op.MOD, value, const(abs(step))) for value in (start, item)]
        return b.compare(Op.EQ, *rests)
    distance = b.emit(Op.SUB, [item, start] if step > 0 else [start, item], U64)
    return b.compare(Op.EQ, arith.emit_binary(b, Op.MOD, distance, const(abs(step))), const(0))
