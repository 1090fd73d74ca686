"""Zeroes only those bytes of an object on the stack or in a ring buffer that nothing overwrites before it is used.

zero %0 (0, 16)                     zero %0 (12, 4)
store %0 (0, 8) ...            ->   store %0 (0, 8) ...
store %0 (8, 4) ...                 store %0 (8, 4) ...
"""

from __future__ import annotations

from ...uapi.helpers import Arg
from ..ir.ops import Op
from ..ir.types import VOID, Ptr, Region
from ..ir.values import Block, Function, Value


def run(fn: Function) -> None:
    """Each zeroing by itself, within its block."""
    for block in fn.blocks:
        for value in [v for v in block.body if v.op is Op.ZERO]:
            covered = _overwritten(block, value)
            if covered:
                _shrink(block, value, covered)


def _overwritten(block: Block, zero: Value) -> set[int]:
    """The bytes that the rest of the block overwrites before anything can read them."""
    base = zero.args[0]
    covered: set[int] = set()
    if base.op is not Op.ALLOCA and not (isinstance(base.type, Ptr) and base.type.region is Region.RECORD):
        return covered
    pointers = {base: 0}  # the object's address and constant offsets from it
    for value in block.body[block.body.index(zero) + 1 :]:
        if not any(arg in pointers for arg in value.args):
            continue
        if value.op is Op.PTRADD and value.args[1].op is Op.CONST:
            pointers[value] = pointers[value.args[0]] + value.args[1].attr
            continue
        if value.op is Op.LOAD:
            start = pointers[value.args[0]] + value.attr[0]
            if not covered.issuperset(range(start, start + value.attr[1])):
                break
            continue
        written = _written(value, pointers)
        if written is None:
            break
        covered.update(written)
    return covered


def _written(value: Value, pointers: dict[Value, int]) -> range | None:
    """The bytes of the object that an operation overwrites without reading any; None if it may read some."""
    places = [i for i, arg in enumerate(value.args) if arg in pointers]
    if len(places) != 1:
        return None
    at = places[0]
    start = pointers[value.args[at]]
    if at == 0 and value.op in (Op.STORE, Op.ZERO, Op.COPY):
        return range(start + value.attr[0], start + value.attr[0] + value.attr[-1])
    if value.op is Op.CALL:
        return _filled(value, at, start)
    return None


def _filled(call: Value, at: int, start: int) -> range | None:
    """What a helper's output buffer covers, of those that the helper surely writes wholly."""
    kinds = call.attr.args
    sized = at + 1 < len(call.args) and kinds[at + 1] is Arg.SIZE and call.args[at + 1].op is Op.CONST
    if at not in call.attr.fills or not sized:
        return None
    return range(start, start + call.args[at + 1].attr)


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
