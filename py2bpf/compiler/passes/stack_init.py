"""Zeroes only those bytes of a stack object that nothing overwrites before the object is used.

    zero %0 (0, 16)                     zero %0 (12, 4)
    store %0 (0, 8) ...            ->   store %0 (0, 8) ...
    store %0 (8, 4) ...                 store %0 (8, 4) ...
"""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import VOID
from ..ir.values import Block, Function, Value


def run(fn: Function) -> None:
    """Each zeroing by itself, within its block."""
    for block in fn.blocks:
        for value in [v for v in block.body if v.op is Op.ZERO]:
            covered = _overwritten(block, value)
            if covered:
                _shrink(block, value, covered)


def _overwritten(block: Block, zero: Value) -> set[int]:
    """The bytes that later stores of the block write before anything can read them."""
    base = zero.args[0]
    covered: set[int] = set()
    if base.op is not Op.ALLOCA:
        return covered
    for value in block.body[block.body.index(zero) + 1 :]:
        if base not in value.args:
            continue
        if value.op is Op.STORE and value.args[1] is not base:
            offset, size = value.attr
        elif value.op is Op.COPY and value.args[1] is not base:
            offset, _, size = value.attr
        elif value.op is Op.LOAD:
            if not covered.issuperset(range(value.attr[0], value.attr[0] + value.attr[1])):
                break
            continue
        else:
            break
        covered.update(range(offset, offset + size))
    return covered


def _shrink(block: Block, zero: Value, covered: set[int]) -> None:
    offset, size = zero.attr
    pieces: list[Value] = []
    byte = offset
    while byte < offset + size:
        if byte in covered:
            byte += 1
            continue
        end = byte
        while end < offset + size and end not in covered:
            end += 1
        pieces.append(Value(Op.ZERO, zero.args.copy(), VOID, (byte, end - byte), zero.span))
        byte = end
    at = block.body.index(zero)
    block.body[at : at + 1] = pieces
