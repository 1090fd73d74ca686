"""The edges of a loop that is to be rewritten: one block that leads in, and a block of its own for each way back."""

from __future__ import annotations

from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import VOID
from ...ir.values import Block, Function, Value, connect


def entry_of(fn: Function, loop: Loop) -> Block:
    """The block that alone leads into the loop from outside, and nowhere else; made if there is none."""
    header = loop.header
    entries = loop.entries()
    if len(entries) == 1 and entries[0].end.op is Op.JUMP:
        return entries[0]
    block = Block()
    for phi in header.phis:
        merged = [arg for arg, pred in zip(phi.args, header.preds, strict=True) if pred in entries]
        rest = [arg for arg, pred in zip(phi.args, header.preds, strict=True) if pred not in entries]
        value = merged[0]
        if len(merged) > 1:
            value = Value(Op.PHI, merged, phi.type, None, phi.span)
            block.phis.append(value)
        phi.args = [*rest, value]
    block.preds = [pred for pred in header.preds if pred in entries]
    header.preds = [pred for pred in header.preds if pred not in entries]
    for pred in entries:
        pred.end.attr = tuple(block if succ is header else succ for succ in pred.succs)
    fn.blocks.insert(fn.blocks.index(header), block)
    connect(block, Op.JUMP, [], (header,), header.end.span)
    enter(loop.parent, block)
    return block


def split_latches(fn: Function, loop: Loop) -> None:
    """Gives each way back that is a side of a branch a block of its own."""
    header = loop.header
    for i, pred in enumerate(header.preds):
        if pred.end.op is Op.BRANCH and pred in loop.blocks:
            latch = Block()
            latch.body = [Value(Op.JUMP, [], VOID, (header,), pred.end.span)]
            latch.preds = [pred]
            header.preds[i] = latch
            pred.end.attr = tuple(latch if succ is header else succ for succ in pred.succs)
            last = max(at for at, block in enumerate(fn.blocks) if block in loop.blocks)
            fn.blocks.insert(last + 1, latch)
            enter(loop, latch)


def enter(loop: Loop | None, block: Block) -> None:
    """Adds a new block to the loops around it."""
    while loop is not None:
        loop.blocks.add(block)
        loop = loop.parent
