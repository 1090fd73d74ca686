"""Prepares the flow graph for machine code: critical edges split, loop depths known.

A critical edge leads from a block with several successors to one with several predecessors: copies for phis
have no place there.
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import VOID
from ..ir.values import Block, Function, Value


def split_critical(fn: Function) -> None:
    """Puts an empty block on every critical edge into a block with phis."""
    blocks: list[Block] = []
    for block in fn.blocks:
        blocks.append(block)
        succs = block.succs
        if len(succs) < 2:
            continue
        for succ in dict.fromkeys(succs):
            if succ.phis:
                blocks.append(_split(block, succ))
    fn.blocks = blocks


def _split(block: Block, succ: Block) -> Block:
    middle = Block()
    middle.body = [Value(Op.JUMP, [], VOID, (succ,), block.end.span)]
    middle.preds = [block]
    succ.preds[succ.preds.index(block)] = middle
    block.end.attr = tuple(middle if target is succ else target for target in block.succs)
    return middle


def loop_depths(fn: Function) -> dict[Block, int]:
    """How many loops are around each block; a loop's blocks stand together, from its header to its last jump back."""
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
