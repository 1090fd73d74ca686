"""Keeps bounds of results that the kernel's verifier requires: a cgroup program must return 0 or 1, for example.

Other passes drop operations that ranges prove useless. The verifier knows less, and would refuse the program.

%2 = floordiv %1, 1000   (0 or 1, as %1 < 2000)         %2 = floordiv %1, 1000
return %2                                          ->   %3 = and %2, 1  bound
                                                        return %3
"""

from __future__ import annotations

from ..analysis.value_ranges import Ranges, through
from ..ir.ops import BOUND, Op
from ..ir.types import VOID, Int
from ..ir.values import Block, Function, Value, const


def run(fn: Function) -> None:
    """Masks results that are certainly in the hook's range; others are left for the kernel to refuse."""
    if fn.hook.results is None or fn.result is not VOID:  # a subprogram's result is what it likes
        return
    low, high = fn.hook.results
    if low or high & (high + 1):
        return
    for block in _bounded(fn, high):
        result = block.end.args[0]
        if len(block.body) == 1 and result in block.phis:
            _mask_arguments(fn, block, block.phis.index(result), high)
        elif result.op is not Op.CONST:
            block.end.args[0] = _mask(block, result, high)


def _bounded(fn: Function, high: int) -> list[Block]:
    """The blocks that return a number that is certainly in 0 to ``high``."""
    ranges = Ranges()
    _look_for(fn, high, ranges)
    return _look_for(fn, high, ranges)  # again, now with the ranges of loops' ways back


def _look_for(fn: Function, high: int, ranges: Ranges) -> list[Block]:
    found = []
    for block in through(fn, ranges):
        for value in block.values():
            if value.op is Op.RETURN:
                least, most = ranges.of(value.args[0])
                found += [block] if least >= 0 and most <= high else []
            elif value.op is Op.GUARD:
                ranges.assume(value.args[0], True)
            else:
                ranges.note(value)
    return found


def _mask_arguments(fn: Function, block: Block, at: int, high: int) -> None:
    """Masks the arguments of a phi that is only returned; constants need no mask."""
    phi = block.phis[at]
    for i, arg in enumerate(phi.args):
        if arg.op is not Op.CONST:
            phi.args[i] = _mask(_way(fn, block, i), arg, high)


def _way(fn: Function, block: Block, i: int) -> Block:
    """A predecessor that leads only here, so that a mask there costs other paths nothing; made if necessary."""
    pred = block.preds[i]
    if pred.end.op is Op.JUMP:
        return pred
    way = Block()
    way.preds, block.preds[i] = [pred], way
    way.body = [Value(Op.JUMP, [], VOID, (block,), block.end.span)]
    ways = list(pred.end.attr)
    ways[ways.index(block)] = way
    pred.end.attr = tuple(ways)
    fn.blocks.insert(fn.blocks.index(block), way)
    return way


def _mask(block: Block, value: Value, high: int) -> Value:
    assert isinstance(value.type, Int)
    masked = Value(Op.AND, [value, const(high)], value.type, BOUND, block.end.span)
    block.body.insert(-1, masked)
    return masked
