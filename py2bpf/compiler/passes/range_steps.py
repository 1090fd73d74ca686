"""Turns the step of a range's counter into a plain addition if ranges prove that it stays within its type.

%3 = add i64 %1, 2                   %3 = add i64 %1, 2
%4 = le %1, 2**63 - 3           ->
%5 = select i64 %4, %3, %2           (%5 is %3, since %1 < %2 <= 2**32)
"""

from __future__ import annotations

from ..analysis.value_ranges import Ranges, through
from ..ir.ops import Op
from ..ir.values import Block, Function, Value, replace_all


def run(fn: Function) -> None:
    """Looks at the selections that the evaluator's ``counters`` makes for steps."""
    if not any(_is_step(value) for block in fn.blocks for value in block.body):
        return
    ranges = Ranges()
    new: dict[Value, Value] = {}
    for block in through(fn, ranges):
        _block(block, ranges, new)
    replace_all(fn, new)


def _block(block: Block, ranges: Ranges, new: dict[Value, Value]) -> None:
    for value in block.values():
        ranges.note(value)
        if value.op is Op.GUARD:
            ranges.assume(value.args[0], True)
        if _is_step(value) and _surely(value.args[0], ranges):
            new[value] = value.args[1]


def _is_step(value: Value) -> bool:
    """Whether the value is ``current + step`` if that fits, else the bound."""
    if value.op is not Op.SELECT:
        return False
    condition, advanced, _ = value.args
    return (condition.op in (Op.LE, Op.GE) and condition.args[1].op is Op.CONST and advanced.op is Op.ADD
            and advanced.args[0] is condition.args[0])  # fmt: skip


def _surely(condition: Value, ranges: Ranges) -> bool:
    low, high = ranges.of(condition.args[0])
    limit: int = condition.args[1].attr
    return high <= limit if condition.op is Op.LE else low >= limit
