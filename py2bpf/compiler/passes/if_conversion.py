"""Replaces a branch that only chooses between two constants by one operation, which saves a jump.

b0: branch %1, b2, b1            b0: %2 = select %1, 0, 7
b1: jump b2                 ->       (b2's body)
b2: %2 = phi 0, 7

If the verifier gave up because of branches, choices between any numbers that take few steps without effects are
replaced too.
"""

from __future__ import annotations

from typing import Final

from ..ir.ops import INFO, Op, Raise
from ..ir.types import VOID, Int, Ptr, Region
from ..ir.values import Block, Function, Value, prune

_STEPS: Final = 6
"""The most steps of a branch's sides that are computed unconditionally to avoid the branch."""


def run(fn: Function) -> bool:
    """Looks at the blocks where two paths meet; tells whether any has changed."""
    return fn.target.branches and _convert(fn, 0)


def run_without_branches(fn: Function) -> bool:
    """Replaces choices between any numbers, if the verifier gave up because of branches."""
    return not fn.target.branches and _convert(fn, _STEPS)


def _convert(fn: Function, steps: int) -> bool:
    chosen = [block for block in fn.blocks if len(block.preds) == 2 and block.phis and _choose(block, steps)]
    if chosen:
        prune(fn)
    return bool(chosen)


def _choose(block: Block, steps: int) -> bool:
    fork = _fork(block, steps)
    if fork is None or not all(isinstance(phi.type, Int) for phi in block.phis):
        return False
    if not steps and (len(block.phis) > 1 or any(arg.op is not Op.CONST for arg in block.phis[0].args)):
        return False
    yes, no = (block.preds.index(_last(fork, way, block)) for way in fork.succs)
    condition = fork.end.args[0]
    made = []
    for pred in block.preds:
        if pred is not fork:
            made += pred.body[:-1]
            pred.body = [Value(Op.EXIT, [], VOID, Raise(""))]  # now unreachable
    for phi in block.phis:
        phi.op, phi.args, phi.attr = Op.SELECT, [condition, phi.args[yes], phi.args[no]], None
    fork.body[-1:] = [*made, *block.phis, Value(Op.JUMP, [], VOID, (block,), fork.end.span)]
    block.phis, block.preds = [], [fork]
    return True


def _fork(block: Block, steps: int) -> Block | None:
    """The block in which the two paths to ``block`` part, if there are at most ``steps`` steps without effects on each,
    and the test is a single instruction."""
    first, second = (pred.preds[0] if _is_short(pred, steps) else pred for pred in block.preds)
    if first is not second or first.end.op is not Op.BRANCH or len(set(first.succs)) != 2:
        return None
    if {_last(first, way, block) for way in first.succs} != set(block.preds):
        return None
    condition = first.end.args[0]
    return None if condition.op in (Op.AND, Op.OR) and any(INFO[arg.op].compare for arg in condition.args) else first


def _is_short(pred: Block, steps: int) -> bool:
    if pred.end.op is not Op.JUMP or len(pred.preds) != 1 or pred.phis or len(pred.body) > 1 + steps:
        return False
    return all(_is_harmless(value) for value in pred.body[:-1])


def _is_harmless(value: Value) -> bool:
    """Whether the operation may run on the other path too: it computes a number, or loads from a place that exists on
    both paths."""
    if not isinstance(value.type, Int):
        return False
    return INFO[value.op].pure or (value.op is Op.LOAD and _is_there(value.args[0]))


def _is_there(place: Value) -> bool:
    kind = place.type
    surely = isinstance(kind, Ptr) and not kind.nullable and kind.region is not Region.PACKET
    return surely and (place.op is not Op.PTRADD or place.args[1].op is Op.CONST)


def _last(fork: Block, way: Block, block: Block) -> Block:
    """The predecessor of the block on one way from the fork."""
    return fork if way is block else way
