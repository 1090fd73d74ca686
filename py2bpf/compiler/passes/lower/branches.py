"""Guards and branches: gone where the ranges decide them.

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
    """Gone where the condition surely holds; the end of the block where it surely fails."""
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
    """A jump where the outcome is known; of a condition that is negated, the ways are exchanged."""
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
    """``x != 0`` is true where x is, and where x is in the other byte order."""
    while condition.op is Op.NE and is_zero(condition.args[1]):
        condition = condition.args[0]
    if condition.op is Op.CAST:
        condition = condition.args[0]
    return unswapped(here, condition, const(0))[0]


def _truth(here: Lowering, condition: Value) -> bool | None:
    """Whether a condition surely holds, or surely doesn't."""
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
