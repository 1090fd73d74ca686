"""Null tests in conditions, and whether a pointer was tested on the way over an edge for which no ranges are known yet,
such as a loop's way back.

b1: %1 = phi %0, %2      (both are tested: %1 is not null)
    ...
    %2 = call ...
    branch %2, b1, b2
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.values import Block, Value, is_zero


def without_zero_tests(condition: Value) -> tuple[Value, bool]:
    """The value that a condition tests against 0, and whether the condition holds if the value is not 0: for
    ``x == 0``, x and False."""
    truth = True
    while condition.op in (Op.EQ, Op.NE) and is_zero(condition.args[1]):
        truth ^= condition.op is Op.EQ
        condition = condition.args[0]
    return condition, truth


def tested(pred: Block, block: Block, pointer: Value) -> bool:
    """Whether the pointer was tested by the edge from ``pred`` to ``block``, or in the chain of blocks before."""
    seen = set()
    while pred not in seen:
        seen.add(pred)
        end = pred.end
        if end.op is Op.BRANCH and end.attr[0] is not end.attr[1]:
            if _is_test(end.args[0], pointer, Op.NE) and end.attr[0] is block:
                return True
            if _is_test(end.args[0], pointer, Op.EQ) and end.attr[1] is block:
                return True
        if any(value.op is Op.GUARD and _is_test(value.args[0], pointer, Op.NE) for value in pred.body):
            return True
        if pointer in pred.phis or pointer in pred.body or len(pred.preds) != 1:
            return False
        pred, block = pred.preds[0], pred
    return False


def _is_test(condition: Value, pointer: Value, op: Op) -> bool:
    """Whether the condition says of the pointer that it is (op EQ), or is not (NE), null."""
    if condition is pointer:
        return op is Op.NE
    zero = len(condition.args) == 2 and is_zero(condition.args[1])
    return condition.op is op and zero and condition.args[0] is pointer
