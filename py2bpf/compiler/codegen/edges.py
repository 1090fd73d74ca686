"""Prepares the flow graph for machine code: critical edges split, loop depths known.

A critical edge leads from a block with several successors to one with several predecessors: copies for phis
have no place there.
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import VOID
from ..ir.values import Block, Function, Value


def split_critical(fn: Function) -> None:
    """Puts an empty block on every critical edge into a block with phis.

    A block that brings constants stands before its target if the branch's other side can then be the next block, which
    the verifier walks first. The state that it has seen there covers any number, so it need not walk again for the
    constant.
    """
    _share_constants(fn)
    index = {block: i for i, block in enumerate(fn.blocks)}
    before: dict[Block, list[Block]] = {}
    behind: dict[Block, list[Block]] = {}
    for i, block in enumerate(fn.blocks):
        succs = dict.fromkeys(block.succs)
        for succ in succs if len(block.succs) > 1 else ():
            if succ.phis:
                other = any(index[each] == i + 1 for each in succs if each is not succ)
                last = other and index[succ] > i + 1 and _brings_constants(block, succ)
                places = before.setdefault(succ, []) if last else behind.setdefault(block, [])
                places.append(_split(block, succ))
    fn.blocks = [each for block in fn.blocks for each in (*before.get(block, ()), block, *behind.get(block, ()))]


def _brings_constants(block: Block, succ: Block) -> bool:
    at = succ.preds.index(block)
    return all(phi.args[at].op is Op.CONST for phi in succ.phis)


def _share_constants(fn: Function) -> None:
    """Joins critical edges that bring the same constants to a block, so that the constants are loaded in one place."""
    index = {block: i for i, block in enumerate(fn.blocks)}
    before: dict[Block, Block] = {}
    for succ in fn.blocks:
        if not succ.phis:
            continue
        groups: dict[tuple[int, ...], list[Block]] = {}
        for i, pred in enumerate(succ.preds):
            args = [phi.args[i] for phi in succ.phis]
            forward = index[pred] < index[succ] and len(pred.succs) == 2 and pred.succs.count(succ) == 1
            if forward and all(arg.op is Op.CONST for arg in args):
                groups.setdefault(tuple(arg.attr for arg in args), []).append(pred)
        largest = max(groups.values(), key=len, default=[])
        if len(largest) > 1:
            before[succ] = _gather(largest, succ)
    fn.blocks = [each for block in fn.blocks for each in ((before[block], block) if block in before else (block,))]


def _gather(preds: list[Block], succ: Block) -> Block:
    middle = Block()
    middle.body = [Value(Op.JUMP, [], VOID, (succ,), preds[0].end.span)]
    middle.preds = list(preds)
    first = succ.preds.index(preds[0])
    constants = [phi.args[first] for phi in succ.phis]
    for pred in preds:
        at = succ.preds.index(pred)
        del succ.preds[at]
        for phi in succ.phis:
            del phi.args[at]
        pred.end.attr = tuple(middle if target is succ else target for target in pred.succs)
    succ.preds.append(middle)
    for phi, constant in zip(succ.phis, constants, strict=True):
        phi.args.append(constant)
    return middle


def _split(block: Block, succ: Block) -> Block:
    middle = Block()
    middle.body = [Value(Op.JUMP, [], VOID, (succ,), block.end.span)]
    middle.preds = [block]
    succ.preds[succ.preds.index(block)] = middle
    block.end.attr = tuple(middle if target is succ else target for target in block.succs)
    return middle


def loop_depths(fn: Function) -> dict[Block, int]:
    """The number of loops around each block; a loop's blocks stand together, from its header to its last jump back."""
    index = {block: i for i, block in enumerate(fn.blocks)}
    depth = [0] * len(fn.blocks)
    ends: dict[int, int] = {}
    for i, block in enumerate(fn.blocks):
        for succ in block.succs:
            if index[succ] <= i:
                ends[index[succ]] = max(ends.get(index[succ], 0), i)
    for header, end in ends.items():
        for i in range(header, end + 1):
            depth[i] += 1
    return dict(zip(fn.blocks, depth, strict=True))
