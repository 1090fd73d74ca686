"""Folds values that cleaning made constant, so that no instruction of unreachable code is left.

%3 = phi 0, 0                                    exit ZeroDivisionError
%4 = ne %3, 0                              ->
guard %4, ZeroDivisionError
%5 = udiv %2, %3      (which the kernel refuses, with a 0 that it sees)
"""

from __future__ import annotations

from ..ir.fold import fold
from ..ir.ops import INFO, Op
from ..ir.types import Int
from ..ir.values import Block, Function, Value, is_zero, prune, remove_edge, replace_all


def run(fn: Function) -> bool:
    """Folds each value and branch once; tells whether anything has changed, since dropped blocks make more values
    constant."""
    new: dict[Value, Value] = {}
    changed = False
    for block in fn.blocks:
        kept: list[Value] = []
        for value in block.body:
            value.args = [_latest(arg, new) for arg in value.args]
            folded = _folded(value)
            if folded is not None:
                new[value] = folded
            elif value.op is Op.GUARD and value.args[0].op is Op.CONST:
                changed = True
                if not value.args[0].attr:
                    kept.append(_end(block, value))
                    break
            else:
                kept.append(value)
        block.body = kept
        changed |= _take_known_way(block)
    replace_all(fn, new)
    prune(fn)
    return changed or bool(new)


def _latest(value: Value, new: dict[Value, Value]) -> Value:
    while value in new:
        value = new[value]
    return value


def _folded(value: Value) -> Value | None:
    """The result of a pure operation on constants, or of a selection by a constant."""
    if not INFO[value.op].pure or not isinstance(value.type, Int) or not value.args:
        return None
    divided = value.op in (Op.UDIV, Op.UMOD) and is_zero(value.args[1])
    chosen = value.op is Op.SELECT and value.args[0].op is Op.CONST
    constant = divided or chosen or all(arg.op is Op.CONST for arg in value.args)
    return fold(value.op, value.args, value.type, value.attr) if constant else None


def _end(block: Block, guard: Value) -> Value:
    """Ends the block at a guard that certainly fails."""
    for succ in block.succs:
        remove_edge(block, succ)
    guard.op, guard.args = Op.EXIT, []
    return guard


def _take_known_way(block: Block) -> bool:
    end = block.end
    if end.op is not Op.BRANCH or end.args[0].op is not Op.CONST:
        return False
    yes, no = end.attr
    taken, left = (yes, no) if end.args[0].attr else (no, yes)
    remove_edge(block, left)
    end.op, end.args, end.attr = Op.JUMP, [], (taken,)
    return True
