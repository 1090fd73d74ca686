"""Lowers guards and branches, and drops them if the ranges decide them.

guard ne %4, 0               ->                             (%4 in [1, 9])
"""

from __future__ import annotations

from typing import Final

from ...ir.ops import Op, Raise
from ...ir.types import Int, Ptr
from ...ir.values import Value, const, is_zero, remove_edge
from .comparisons import unswapped
from .lowering import Lowering, Rules


def lower_guard(here: Lowering, value: Value) -> Value | None:
    """Drops a guard that certainly holds; ends the block at a guard that certainly fails."""
    condition = _condition(here, value.args[0])
    truth = _truth(here, condition)
    if truth is True:
        return None
    if truth is False:
        for succ in here.block.succs:
            remove_edge(here.block, succ)
        value.op, value.args = Op.EXIT, []
        return value
    value.args[0] = condition
    if condition in here.found:
        value.attr = Raise("")
    here.ranges.assume(condition, True)
    return value


def lower_branch(here: Lowering, value: Value) -> Value:
    """Makes a branch with a known outcome a jump; exchanges the targets if the condition is negated."""
    yes, no = value.attr
    condition = _condition(here, value.args[0])
    while condition.op is Op.EQ and is_zero(condition.args[1]):
        condition = _condition(here, condition.args[0])
        yes, no = no, yes
    truth = _truth(here, condition)
    if truth is None:
        value.args[0], value.attr = condition, (yes, no)
        return value
    taken, left = (yes, no) if truth else (no, yes)
    remove_edge(here.block, left)
    value.op, value.args, value.attr = Op.JUMP, [], (taken,)
    return value


def _condition(here: Lowering, condition: Value) -> Value:
    """The condition without ``!= 0``, casts and byte swaps, which don't change its truth."""
    while condition.op is Op.NE and is_zero(condition.args[1]):
        condition = condition.args[0]
    if condition.op is Op.CAST:
        condition = condition.args[0]
    return unswapped(here, condition, const(0))[0]


def _truth(here: Lowering, condition: Value) -> bool | None:
    """True if a condition certainly holds, False if it certainly doesn't, None if unknown."""
    if isinstance(condition.type, Ptr):
        if here.ranges.facts.get(condition) == (0, 0):
            return False
        return None if here.ranges.may_be_null(condition) else True
    assert isinstance(condition.type, Int)
    low, high = here.ranges.of(condition)
    if low > 0 or high < 0:
        return True
    return False if low == high == 0 else None


RULES: Final[Rules] = {
    Op.GUARD: lower_guard,
    Op.BRANCH: lower_branch,
}
