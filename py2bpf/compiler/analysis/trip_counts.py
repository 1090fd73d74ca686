"""Trip counts: how many turns a loop has at most, from the ranges of the values that its tests compare.

b1: %1 = phi 0, %3
    %2 = lt %1, %0        (%0 in [0, 255])
    branch %2, b2, b3     ->  at most 255 times
b2: %3 = add %1, 1 ...
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..ir.dominators import Dominators
from ..ir.natural_loops import Loop
from ..ir.ops import INFO, MIRRORED, NEGATED, Op
from ..ir.types import Int
from ..ir.values import Block, Value, is_zero, plain
from .intervals import FULL
from .value_ranges import Ranges

_UP: Final = {Op.LT: 0, Op.ULT: 0, Op.SLT: 0, Op.LE: 1, Op.ULE: 1, Op.SLE: 1}
_DOWN: Final = {Op.GT: 0, Op.UGT: 0, Op.SGT: 0, Op.GE: 1, Op.UGE: 1, Op.SGE: 1}
_STEEP: Final = 1 << 31


class Bound(NamedTuple):
    """At most ``trips`` turns. ``certain``: no overflow can make them more. ``exact``: always the same number. ``by``:
    the values that the bound depends on. ``steep``: the steps carry a number with a wide range through much of its
    type, so that the verifier loses its bounds."""

    trips: int
    certain: bool
    exact: bool
    by: tuple[Value, ...]
    steep: bool = False


class _Counter(NamedTuple):
    start: Value
    step: int
    offset: int  # the test compares the counter plus this


def bound(loop: Loop, tree: Dominators, ranges: Ranges) -> Bound | None:
    """The least bound that a test of the loop gives, the first of equal ones; ``ranges`` are at the header."""
    found = [
        limit
        for block in sorted(loop.blocks, key=tree.index.__getitem__)
        if block.end.op is Op.BRANCH and all(tree.dominates(block, latch) for latch in loop.latches)
        for limit in [_test(loop, block, ranges)]
        if limit is not None
    ]
    return min(found, default=None, key=lambda limit: limit.trips)


def _test(loop: Loop, block: Block, ranges: Ranges) -> Bound | None:
    """The bound by one branch, if it leads out of the loop and compares a counter with a value that doesn't change."""
    stays = [succ in loop.blocks for succ in block.end.attr]
    if all(stays):
        return None
    condition = block.end.args[0]
    if not INFO[condition.op].compare:
        return _down_to_zero(loop, condition, ranges) if stays[0] else None
    op = condition.op if stays[0] else NEGATED[condition.op]
    left, right = condition.args
    counter, limit = _counter(loop, left), right
    if counter is None:
        counter, limit, op = _counter(loop, right), left, MIRRORED[op]
    if counter is None or not isinstance(limit.type, Int) or _inside(loop, limit):
        return None
    if op is Op.NE:
        zero = is_zero(limit)
        return _down_to_zero(loop, condition.args[0], ranges) if zero else None
    return _steps(op, counter, limit, ranges, condition.args[0].type)


def _steps(op: Op, counter: _Counter, stop: Value, ranges: Ranges, kind: object) -> Bound | None:
    start, limit, step = ranges.of(counter.start), ranges.of(stop), counter.step
    if op in _UP and step > 0:
        distance = limit[1] + _UP[op] - (start[0] + counter.offset)
        certain = isinstance(kind, Int) and limit[1] + 2 * step <= FULL[kind.signed][1]
    elif op in _DOWN and step < 0:
        distance = start[1] + counter.offset - (limit[0] - _DOWN[op])
        certain = isinstance(kind, Int) and limit[0] + 2 * step >= FULL[kind.signed][0]
    else:
        return None
    exact = start[0] == start[1] and limit[0] == limit[1]
    steep = abs(step) > _STEEP and not exact
    return Bound(max(0, -(-distance // abs(step))), certain, exact, (counter.start, stop), steep)


def _down_to_zero(loop: Loop, value: Value, ranges: Ranges) -> Bound | None:
    """``while n: n -= 1``."""
    counter = _counter(loop, value)
    if counter is None or counter.step != -1:
        return None
    low, high = ranges.of(counter.start)
    if low + min(counter.offset, 0) < 0:
        return None
    return Bound(high + counter.offset, True, low == high, (counter.start,))


def _counter(loop: Loop, value: Value) -> _Counter | None:
    """A phi of the header to which every turn adds the same constant, or such a phi plus a constant."""
    value = plain(value)
    step = _moved(value)
    offset = 0
    if value.op is not Op.PHI and step is not None:
        value, offset = plain(value.args[0]), step
    if value not in loop.header.phis or not isinstance(value.type, Int):
        return None
    starts, steps = [], set()
    for pred, arg in zip(loop.header.preds, value.args, strict=True):
        if pred not in loop.blocks:
            starts.append(arg)
            continue
        arg = plain(arg)
        moved = _moved(arg)
        if moved is None or plain(arg.args[0]) is not value:
            return None
        steps.add(moved)
    return _Counter(starts[0], steps.pop(), offset) if len(starts) == 1 and len(steps) == 1 else None


def _moved(value: Value) -> int | None:
    """The constant that an addition or subtraction adds to its first operand."""
    if value.op not in (Op.ADD, Op.SUB) or value.args[1].op is not Op.CONST:
        return None
    number: int = value.args[1].attr
    return number if value.op is Op.ADD else -number


def _inside(loop: Loop, value: Value) -> bool:
    return value.op is not Op.CONST and any(value in block.values() for block in loop.blocks)
