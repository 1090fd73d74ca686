"""Drops the test whether a map has a key, if another test fails for the 0 that stands for a missing number anyway.

b0: branch %1, b1, b2                 b0: branch %1, b1, b2
b1: %2 = load %1                      b1: %2 = load %1
b2: %3 = phi 0, %2             ->     b2: %3 = phi 0, %2
    %4 = ne %1, null                      %6 = gt %3, 5
    %5 = gt %3, 5
    %6 = and %4, %5

Such code comes from comparisons and tests of ``m.get(key)`` whose results are used as numbers; for branches, the pass
``jump_threading`` has found the shortest way.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir.fold import fold
from ..ir.ops import INFO, NEGATED, Op
from ..ir.types import I64, Ptr
from ..ir.values import Block, Function, Value, replace_all


class StandIn(NamedTuple):
    """The number that stands for a missing one if ``pointer`` is null."""

    pointer: Value
    number: Value


def run(fn: Function) -> None:
    """Drops the tests, and negates comparisons instead of their results."""
    stand_ins = {phi: found for block in fn.blocks for phi in block.phis if (found := _stand_in(block, phi))}
    if not stand_ins:
        return
    steering = {arg for block in fn.blocks for value in block.values() for arg in _conditions(value)}
    new: dict[Value, Value] = {}
    for block in fn.blocks:
        for value in block.body:
            if value.op is Op.AND and value not in steering and _says_the_same(value, stand_ins):
                new[value] = value.args[1]
            elif value.op is Op.EQ and value.args[0] in new and value.args[1].op is Op.CONST and not value.args[1].attr:
                comparison = new[value.args[0]]
                value.op, value.args = NEGATED[comparison.op], list(comparison.args)
    replace_all(fn, new)


def _conditions(value: Value) -> list[Value]:
    """The conditions among a value's operands: for these, the test of the pointer matters."""
    if value.op in (Op.BRANCH, Op.GUARD, Op.AND, Op.OR):
        return value.args
    return value.args[:1] if value.op is Op.SELECT else []


def _stand_in(block: Block, phi: Value) -> StandIn | None:
    if len(phi.args) != 2:
        return None
    for number, pred, way in zip(phi.args, block.preds, reversed(block.preds), strict=True):
        fork = pred if pred.end.op is Op.BRANCH else pred.preds[0] if len(pred.preds) == 1 else None
        if number.op is Op.CONST and fork is not None and way.preds == [fork] and fork.end.op is Op.BRANCH:
            pointer = fork.end.args[0]
            if isinstance(pointer.type, Ptr) and fork.end.attr[0] is way is not fork.end.attr[1]:
                return StandIn(pointer, number)
    return None


def _says_the_same(both: Value, stand_ins: dict[Value, StandIn]) -> bool:
    """Whether a presence test is redundant beside a comparison, because the comparison fails for the stand-in number.
    """
    present, comparison = both.args
    if present.op is not Op.NE or not isinstance(present.args[0].type, Ptr) or not INFO[comparison.op].compare:
        return False
    found = stand_ins.get(comparison.args[0])
    if found is None or found.pointer is not present.args[0]:
        return False
    held = fold(comparison.op, [found.number, comparison.args[1]], I64, None)
    return held is not None and held.op is Op.CONST and not held.attr
