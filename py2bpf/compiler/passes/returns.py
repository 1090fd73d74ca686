"""Makes one exit for each constant result, and removes phis that are only returned.

b3: %5 = phi 0, 0, %4            b1: jump r0
    return %5             ->     b2: return %4
                                 r0: return 0
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import VOID
from ..ir.values import Block, Function, Value, const, prune


def run(fn: Function) -> None:
    """Splits returns of phis, then shares the returns of equal constants."""
    for block in list(fn.blocks):
        if len(block.body) == 1 and block.end.op is Op.RETURN and block.end.args[0] in block.phis:
            _split(fn, block)
    _share(fn)
    prune(fn)


def _split(fn: Function, block: Block) -> None:
    """Gives every predecessor that only jumps here its own return."""
    index = block.phis.index(block.end.args[0])
    for pred in list(block.preds):
        at = block.preds.index(pred)
        value = block.phis[index].args[at]
        if pred.end.op is Op.BRANCH and value.op is Op.CONST and pred.succs.count(block) == 1:
            _leave(fn, pred, block, value)
        elif pred.end.op is not Op.JUMP:
            continue
        del block.preds[at]
        for phi in block.phis:
            del phi.args[at]
        if pred.end.op is Op.JUMP:
            pred.body[-1] = Value(Op.RETURN, [value], VOID, None, block.end.span)


def _leave(fn: Function, pred: Block, block: Block, value: Value) -> None:
    """Makes one side of a branch return a constant directly."""
    own = Block()
    own.preds = [pred]
    own.body = [Value(Op.RETURN, [value], VOID, None, block.end.span)]
    pred.end.attr = tuple(own if target is block else target for target in pred.succs)
    fn.blocks.append(own)


def _share(fn: Function) -> None:
    returns: dict[int, list[Block]] = {}
    for block in fn.blocks:
        end = block.end
        if end.op is Op.EXIT and not (end.attr and end.attr.error):
            end.op, end.args, end.attr = Op.RETURN, [const(fn.hook.fallback)], None
        if end.op is Op.RETURN and end.args[0].op is Op.CONST:
            number = end.args[0].attr  # a program's result has 32 bits, a subprogram's 64
            returns.setdefault(number if fn.result is not VOID else number & 0xFFFFFFFF, []).append(block)
    for number, blocks in returns.items():
        if len(blocks) < 2:
            continue
        shared = Block()
        shared.body = [Value(Op.RETURN, [const(number)], VOID, None, blocks[0].end.span)]
        fn.blocks.append(shared)
        for block in blocks:
            block.body[-1] = Value(Op.JUMP, [], VOID, (shared,), block.end.span)
            shared.preds.append(block)
