"""Lets a subprogram tell its caller that it ended where Python raises: it sets the flag to which its last parameter
points.

guard %2, ZeroDivisionError              branch %2, b1, b2
return %3                       ->   b1: return %3
                                     b2: store %1, 1, (0, 8)
                                         exit ZeroDivisionError
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import I64, VOID
from ..ir.values import Block, Function, Value, connect, const, split_block


def run(fn: Function) -> None:
    """Rewrites a subprogram that may raise; the program itself and other functions have no flag."""
    if fn.flag is None:
        return
    blocks: list[Block] = []
    exits: list[Block] = []
    for block in fn.blocks:
        blocks.append(block)
        while (at := next((i for i, value in enumerate(block.body) if value.op is Op.GUARD), None)) is not None:
            block = _split(block, at, exits)
            blocks.append(block)
    fn.blocks = blocks + exits
    for block in fn.blocks:
        if block.end.op is Op.EXIT:
            held = Value(Op.HELD, [const(1)], I64, None, block.end.span)
            one = [held] if fn.callback else []
            store = Value(Op.STORE, [fn.flag, *(one or [const(1)])], VOID, (0, 8), block.end.span)
            block.body[-1:-1] = [*one, store]


def _split(block: Block, at: int, exits: list[Block]) -> Block:
    rest, leave = split_block(block, at + 1), Block()
    guard = block.body.pop()
    leave.body = [Value(Op.EXIT, [], VOID, guard.attr, guard.span)]
    exits.append(leave)
    connect(block, Op.BRANCH, guard.args, (rest, leave), guard.span)
    return rest
